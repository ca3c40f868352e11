# millrace_included_layers(OUT FILE...) sets OUT to the targets of the layers that the files include
# and that exist here. For programs beside src/ (bench, fuzz) that may use any layer: they link, and
# so wait for, only what they name.
include_guard(GLOBAL)
function(millrace_included_layers out)
  set(targets "")
  foreach(file IN LISTS ARGN)
    file(STRINGS ${file} includes REGEX "^#include \"[a-z_]+/")
    foreach(include IN LISTS includes)
      string(REGEX REPLACE "^#include \"([a-z_]+)/.*" "\\1" layer "${include}")
      if(TARGET millrace_${layer})
        list(APPEND targets millrace_${layer})
      endif()
    endforeach()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  endforeach()
  list(REMOVE_DUPLICATES targets)
  set(${out} ${targets} PARENT_SCOPE)
endfunction()
