# Files inside the binary.
#
#   millrace_embed(millrace_ops web/index.html web/app.js)
#
# adds to the target a generated TARGET_embedded.cc with each file's bytes, and the header
# "TARGET_embedded.h" with
#
#   std::optional<std::string_view> millrace::TARGET_embedded_file(std::string_view name);
#
# The name is the path as given here; the bytes are followed by a NUL, which the view excludes. A
# changed file is embedded anew by the next build.
include_guard(GLOBAL)



function(millrace_embed target)
  set(function_name ${target}_embedded_file)
  set(base ${CMAKE_CURRENT_BINARY_DIR}/embedded/${target}_embedded)
  file(GENERATE OUTPUT ${base}.h CONTENT "#pragma once

#include <optional>
#include <string_view>

namespace millrace {

// The bytes of a file that was put into the binary; nullopt for a name that was not.
std::optional<std::string_view> ${function_name}(std::string_view name);

}  // namespace millrace
")
  set(paths)
  foreach(name IN LISTS ARGN)
    list(APPEND paths ${CMAKE_CURRENT_SOURCE_DIR}/${name})
  endforeach()
  add_custom_command(
    OUTPUT ${base}.cc
    COMMAND ${CMAKE_COMMAND} -DEMBED_OUTPUT=${base}.cc -DEMBED_FUNCTION=${function_name}
            -DEMBED_FOLDER=${CMAKE_CURRENT_SOURCE_DIR} "-DEMBED_NAMES=${ARGN}"
            -P ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
    DEPENDS ${paths} ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
    COMMENT "Embedding files into ${target}"
    VERBATIM)
  target_sources(${target} PRIVATE ${base}.cc)
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/embedded)
endfunction()

# Run as a script at build time: writes EMBED_OUTPUT.
if(CMAKE_SCRIPT_MODE_FILE AND DEFINED EMBED_OUTPUT)
  set(arrays "")
  set(branches "")
  set(index 0)
  foreach(name IN LISTS EMBED_NAMES)
    file(READ ${EMBED_FOLDER}/${name} hex HEX)
    string(LENGTH "${hex}" digits)
    math(EXPR bytes "${digits} / 2")
    # String literals compile several times faster than lists of numbers. Every byte is an escape,
    # so none is extended by what follows it.
    set(row "................................................")
    string(REGEX REPLACE "(${row})" "\\1\n" lines "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" lines "${lines}")
    string(REGEX REPLACE "([^\n]+)" "    \"\\1\"" lines "${lines}")
    string(APPEND arrays "constexpr char kFile${index}[] =\n${lines}\n    \"\";  // ${name}\n")
    string(APPEND branches
      "  if (name == \"${name}\") return std::string_view(kFile${index}, ${bytes});\n")
    math(EXPR index "${index} + 1")
  endforeach()
  get_filename_component(stem ${EMBED_OUTPUT} NAME_WE)
  file(WRITE ${EMBED_OUTPUT} "#include \"${stem}.h\"

#pragma GCC diagnostic ignored \"-Woverlength-strings\"

namespace millrace {
namespace {

${arrays}
}  // namespace

std::optional<std::string_view> ${EMBED_FUNCTION}(std::string_view name) {
${branches}  return std::nullopt;
}

}  // namespace millrace
")
endif()
