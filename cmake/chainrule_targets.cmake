# Targets of the library, one a folder, and the flags that all of them share.

# chainrule_flags: for everything that is compiled here; never exported to users.
add_library(chainrule_flags INTERFACE)
target_compile_features(chainrule_flags INTERFACE cxx_std_20)
# Contraction would let two compilations of one formula differ in the last bit.
target_compile_options(chainrule_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  -Wno-sign-conversion -ffp-contract=off)
if(CHAINRULE_WARNINGS_AS_ERRORS)
  target_compile_options(chainrule_flags INTERFACE -Werror)
endif()
if(CHAINRULE_SANITIZE)
  target_compile_options(chainrule_flags INTERFACE -fsanitize=${CHAINRULE_SANITIZE}
    -fno-sanitize-recover=all)
  target_link_options(chainrule_flags INTERFACE -fsanitize=${CHAINRULE_SANITIZE})
endif()

# chainrule_add_library(<name> <folder, relative to the project>
#                       SOURCES ... SMALL ... LINKS ... PRIVATE ...)
#
# SMALL: sources that have no loop over numbers to speak of. What they run long in are the kernels of
# others, so Release optimises them for size, and their code is half as large.
#
# In the build tree a target's include directory holds one link, chainrule/<folder>, so that
# `#include <chainrule/<folder>/x.hpp>` works as it does when installed, and a target sees only the
# folders that it links: an include against the arrows of docs/design.md does not compile.
function(chainrule_add_library name folder)
  cmake_parse_arguments(ARG "" "" "SOURCES;SMALL;LINKS;PRIVATE" ${ARGN})
  set(include "${PROJECT_BINARY_DIR}/include/${name}")
  cmake_path(GET folder PARENT_PATH parent)
  file(MAKE_DIRECTORY "${include}/chainrule/${parent}")
  file(CREATE_LINK "${PROJECT_SOURCE_DIR}/${folder}" "${include}/chainrule/${folder}" SYMBOLIC)
  add_library(chainrule_${name} ${ARG_SOURCES} ${ARG_SMALL})  # static, unless BUILD_SHARED_LIBS is on
  add_library(chainrule::${name} ALIAS chainrule_${name})
  set_target_properties(chainrule_${name} PROPERTIES EXPORT_NAME ${name}
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    VISIBILITY_INLINES_HIDDEN ON)
  target_compile_features(chainrule_${name} PUBLIC cxx_std_20)
  set_source_files_properties(${ARG_SMALL} PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-Os>)
  target_include_directories(chainrule_${name} PUBLIC "$<BUILD_INTERFACE:${include}>")
  target_link_libraries(chainrule_${name} PUBLIC ${ARG_LINKS}
    PRIVATE ${ARG_PRIVATE} $<BUILD_INTERFACE:chainrule_flags>)
  if(BUILD_SHARED_LIBS AND CMAKE_SYSTEM_NAME STREQUAL Linux)
    set(exports "${PROJECT_SOURCE_DIR}/cmake/chainrule_exports.map")
    target_link_options(chainrule_${name} PRIVATE "LINKER:--version-script=${exports}"
      LINKER:--gc-sections)  # what of fmt and nlohmann-json nobody calls
    target_compile_options(chainrule_${name} PRIVATE -ffunction-sections)
    set_property(TARGET chainrule_${name} APPEND PROPERTY LINK_DEPENDS "${exports}")
  endif()
  set_property(GLOBAL APPEND PROPERTY chainrule_components ${name})
  if(CHAINRULE_INSTALL)
    install(TARGETS chainrule_${name} EXPORT chainrule
      INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    install(DIRECTORY "${PROJECT_SOURCE_DIR}/${folder}/"
      DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/chainrule/${folder}"
      FILES_MATCHING PATTERN "*.hpp")
  endif()
endfunction()
