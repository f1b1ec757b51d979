# Flags shared by every target of the project.
add_library(minos_flags INTERFACE)
target_include_directories(minos_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(minos_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Werror
  -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Wrong about std::string concatenation in g++ 12 (GCC bug 105651).
  target_compile_options(minos_flags INTERFACE -Wno-restrict)
endif()
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  target_compile_options(minos_flags INTERFACE -march=${MINOS_MARCH})
endif()
if(MINOS_SANITIZE)
  target_compile_options(minos_flags INTERFACE -fsanitize=${MINOS_SANITIZE}
    -fno-sanitize-recover=all)
  target_link_options(minos_flags INTERFACE -fsanitize=${MINOS_SANITIZE})
endif()
if(MINOS_BUILD_FUZZERS)
  target_compile_options(minos_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(MINOS_STATIC)
  target_link_options(minos_flags INTERFACE -static-libstdc++ -static-libgcc)
endif()

# For what is compiled more often than it runs, tests and command lines among it.
set(minos_quick_to_compile $<IF:$<CONFIG:Release>,-O1,-O0>)

# minos_test(NAME SOURCES a_test.cc ... LIBRARIES target ... TIMEOUT seconds): a GoogleTest program
# that ctest runs case by case, each for at most so long (300 s if nothing is said).
function(minos_test name)
  cmake_parse_arguments(TEST "" "TIMEOUT" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_compile_options(${name} PRIVATE ${minos_quick_to_compile})
  # Most of what a test compiles is the same headers again.
  set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  target_link_libraries(${name} PRIVATE ${TEST_LIBRARIES}
    GTest::gtest GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT ${TEST_TIMEOUT})
endfunction()

# minos_room(NAME SOURCES a.cc ... TESTS a_test.cc ... USES room ... LIBRARIES target ...)
#
# One library per folder of src/, minos_NAME, and one test program, minos_NAME_test.
# USES names the rooms below that it may include; tools/lint.py checks the same direction.
function(minos_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;TESTS;USES;LIBRARIES;TEST_LIBRARIES" ${ARGN})
  set(target minos_${name})
  list(TRANSFORM ROOM_USES PREPEND minos_)
  if(ROOM_SOURCES)
    add_library(${target} STATIC ${ROOM_SOURCES})
    target_link_libraries(${target} PUBLIC minos_flags ${ROOM_USES} ${ROOM_LIBRARIES})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE minos_flags ${ROOM_USES} ${ROOM_LIBRARIES})
  endif()
  if(MINOS_BUILD_TESTS AND ROOM_TESTS)
    minos_test(${target}_test SOURCES ${ROOM_TESTS} LIBRARIES ${target} ${ROOM_TEST_LIBRARIES})
  endif()
endfunction()
