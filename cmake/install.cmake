# The client library for others: one archive with what it needs of the rooms below, its headers,
# and how CMake and pkg-config find it. `cmake --install build/release --component client`.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

add_library(minos_sdk STATIC
  $<TARGET_OBJECTS:minos_base> $<TARGET_OBJECTS:minos_wire> $<TARGET_OBJECTS:minos_client>)
set_target_properties(minos_sdk PROPERTIES
  OUTPUT_NAME minos EXPORT_NAME client LINKER_LANGUAGE CXX
  ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
target_compile_features(minos_sdk INTERFACE cxx_std_23)
target_link_libraries(minos_sdk INTERFACE fmt::fmt Threads::Threads)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Minos)
install(TARGETS minos_sdk EXPORT MinosTargets COMPONENT client
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/minos)
install(FILES src/client/minos_client.h src/client/status.h COMPONENT client
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/minos/client)
install(EXPORT MinosTargets NAMESPACE Minos:: DESTINATION ${package} COMPONENT client)

# Relative, so that the prefix may move.
file(RELATIVE_PATH MINOS_PREFIX_FROM_PC /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
configure_file(cmake/MinosConfig.cmake.in MinosConfig.cmake @ONLY)
configure_file(cmake/minos.pc.in minos.pc @ONLY)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/MinosConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/MinosConfig.cmake ${CMAKE_BINARY_DIR}/MinosConfigVersion.cmake
  DESTINATION ${package} COMPONENT client)
install(FILES ${CMAKE_BINARY_DIR}/minos.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
  COMPONENT client)
