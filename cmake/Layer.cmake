# One folder under src/ = one layer = one target. A layer links only the layers its row in
# tools/layers.txt allows.
#
#   millrace_layer(log DEPS base model codec sys LIBS Boost::headers)
#
# compiles every *.cc of the folder into millrace_log and every *_test.cc into log_test.
include_guard(GLOBAL)

add_library(millrace_flags INTERFACE)
target_compile_options(millrace_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
  -Wno-gnu-zero-variadic-macro-arguments -Wnon-virtual-dtor -Woverloaded-virtual
  -Wimplicit-fallthrough -Wthread-safety -Werror
  -ffp-contract=off -fvisibility=hidden)
target_include_directories(millrace_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_link_options(millrace_flags INTERFACE -fuse-ld=lld)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64")
  target_compile_options(millrace_flags INTERFACE -march=x86-64-v3)
endif()
if(MILLRACE_SANITIZE)
  target_compile_options(millrace_flags INTERFACE
    -fsanitize=${MILLRACE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(millrace_flags INTERFACE -fsanitize=${MILLRACE_SANITIZE})
endif()

function(millrace_layer name)
  cmake_parse_arguments(L "" "" "DEPS;LIBS;TEST_LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz|bench)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(kind STATIC)
  set(scope PUBLIC)
  if(NOT sources)
    set(kind INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(millrace_${name} ${kind} ${sources})
  target_link_libraries(millrace_${name} ${scope} millrace_flags ${L_LIBS})
  foreach(dep IN LISTS L_DEPS)
    target_link_libraries(millrace_${name} ${scope} millrace_${dep})
  endforeach()
  if(MILLRACE_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE
      millrace_${name} ${L_TEST_LIBS} GTest::gmock GTest::gtest_main)
    target_compile_definitions(${name}_test PRIVATE MILLRACE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    add_test(NAME ${name} COMMAND ${name}_test)
  endif()
endfunction()
