# The installed package: find_package(chainrule CONFIG) and pkg-config. Libraries and headers are
# installed where they are declared (chainrule_add_library).
include(CMakePackageConfigHelpers)

install(TARGETS chainrule EXPORT chainrule)
set(directory "${CMAKE_INSTALL_LIBDIR}/cmake/chainrule")
install(EXPORT chainrule FILE chainrule-targets.cmake NAMESPACE chainrule::
  DESTINATION "${directory}")

get_property(chainrule_components GLOBAL PROPERTY chainrule_components)
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/chainrule-config.cmake.in" chainrule-config.cmake
  INSTALL_DESTINATION "${directory}")
# Before 1.0 a minor version may break its users.
write_basic_package_version_file(chainrule-config-version.cmake COMPATIBILITY SameMinorVersion)

# pkg-config: the libraries in an order in which each needs only later ones; the prefix is found from
# the file's own place, so that the installed tree can be moved.
set(chainrule_pc_libraries "")
foreach(component optim check reference data models ops autograd storage)
  string(APPEND chainrule_pc_libraries " -lchainrule_${component}")
endforeach()
# Who links static libraries links what they use; shared ones bring it themselves.
set(chainrule_pc_requires "Requires")
if(BUILD_SHARED_LIBS)
  set(chainrule_pc_requires "Requires.private")
endif()
cmake_path(SET pkgconfig "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH chainrule_pc_prefix "${pkgconfig}" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" chainrule_pc_prefix "${chainrule_pc_prefix}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/chainrule.pc.in" chainrule.pc @ONLY)

install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/chainrule-config.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/chainrule-config-version.cmake"
  DESTINATION "${directory}")
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/chainrule.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
