# The transcripts for C++: link minos_transcripts, find the files under MINOS_TRANSCRIPTS. Included
# rather than a CMakeLists.txt, because here every .txt is a transcript.
set(transcripts ${CMAKE_CURRENT_LIST_DIR})
add_library(minos_transcripts STATIC
  ${transcripts}/transcript.cc ${transcripts}/transcript_parse.cc)
target_include_directories(minos_transcripts PUBLIC ${PROJECT_SOURCE_DIR}/tests)
target_compile_definitions(minos_transcripts PUBLIC MINOS_TRANSCRIPTS="${transcripts}")
target_link_libraries(minos_transcripts PUBLIC minos_base)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Wrong about std::regex under sanitizers in g++ 12 (GCC bug 105562).
  target_compile_options(minos_transcripts PRIVATE -Wno-maybe-uninitialized)
endif()

add_executable(minos_transcripts_test ${transcripts}/transcript_test.cc)
target_link_libraries(minos_transcripts_test PRIVATE minos_transcripts GTest::gtest_main)
gtest_discover_tests(minos_transcripts_test DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
