# The transcripts for C++: link minos_transcripts, find the files under MINOS_TRANSCRIPTS. Included
# rather than a CMakeLists.txt, because here every .txt is a transcript.
set(transcripts ${CMAKE_CURRENT_LIST_DIR})
add_library(minos_transcripts STATIC
  ${transcripts}/transcript.cc ${transcripts}/transcript_parse.cc)
target_include_directories(minos_transcripts PUBLIC ${PROJECT_SOURCE_DIR}/tests)
target_compile_definitions(minos_transcripts PUBLIC MINOS_TRANSCRIPTS="${transcripts}")
target_compile_options(minos_transcripts PRIVATE ${minos_quick_to_compile})
target_link_libraries(minos_transcripts PUBLIC minos_base)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Wrong about std::regex under sanitizers in g++ 12 (GCC bug 105562).
  target_compile_options(minos_transcripts PRIVATE -Wno-maybe-uninitialized)
endif()

minos_test(minos_transcripts_test
  SOURCES ${transcripts}/transcript_test.cc LIBRARIES minos_transcripts)
