# librdkafka, for the layer kafka_client only:
#
#   millrace::rdkafka
#
# The headers are the distribution's (librdkafka-dev). The library comes out of the pinned PyPI
# wheel `confluent-kafka`, newer than Debian's: docs/decisions/0006-librdkafka.md says what that one
# lacks. From .venv beside the sources when `./dev setup` has put the same version there, else from
# a venv of the build tree. It is copied to BUILD/lib, where the binary looks for it by a path
# relative to itself. Python is needed to build, never to run.
#
#   -DMILLRACE_RDKAFKA=wheel|system
include_guard(GLOBAL)

set(MILLRACE_RDKAFKA wheel CACHE STRING "where librdkafka comes from: wheel or system")
set_property(CACHE MILLRACE_RDKAFKA PROPERTY STRINGS wheel system)
set(MILLRACE_CONFLUENT_KAFKA_VERSION 2.16.1)

# Sets `out` to the wheel's librdkafka.so.
function(millrace_find_wheel_rdkafka out)
  set(venv ${CMAKE_BINARY_DIR}/rdkafka-venv)
  foreach(candidate ${CMAKE_SOURCE_DIR}/.venv ${venv})
    file(GLOB found ${candidate}/lib/python3*/site-packages/confluent_kafka.libs/librdkafka-*.so*)
    set(record confluent_kafka-${MILLRACE_CONFLUENT_KAFKA_VERSION}.dist-info)
    file(GLOB pinned ${candidate}/lib/python3*/site-packages/${record})
    if(found AND pinned)
      set(${out} ${found} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(STATUS "Installing confluent-kafka ${MILLRACE_CONFLUENT_KAFKA_VERSION} into ${venv}")
  find_program(MILLRACE_PYTHON NAMES python3 REQUIRED)
  execute_process(COMMAND ${MILLRACE_PYTHON} -m venv --clear ${venv} COMMAND_ERROR_IS_FATAL ANY)
  execute_process(
    COMMAND ${venv}/bin/python -m pip install --quiet --disable-pip-version-check --no-deps
            --only-binary=:all: confluent-kafka==${MILLRACE_CONFLUENT_KAFKA_VERSION}
    COMMAND_ERROR_IS_FATAL ANY)
  file(GLOB found ${venv}/lib/python3*/site-packages/confluent_kafka.libs/librdkafka-*.so*)
  set(${out} ${found} PARENT_SCOPE)
endfunction()

find_path(MILLRACE_RDKAFKA_HEADERS librdkafka/rdkafka.h REQUIRED)
add_library(millrace_rdkafka SHARED IMPORTED GLOBAL)
set_target_properties(millrace_rdkafka PROPERTIES
  INTERFACE_INCLUDE_DIRECTORIES ${MILLRACE_RDKAFKA_HEADERS})
if(MILLRACE_RDKAFKA STREQUAL "system")
  find_library(MILLRACE_RDKAFKA_LIBRARY rdkafka REQUIRED)
  set_target_properties(millrace_rdkafka PROPERTIES IMPORTED_LOCATION ${MILLRACE_RDKAFKA_LIBRARY})
  message(STATUS "librdkafka: the system's ${MILLRACE_RDKAFKA_LIBRARY}")
else()
  millrace_find_wheel_rdkafka(millrace_rdkafka_file)
  file(COPY ${millrace_rdkafka_file} DESTINATION ${CMAKE_BINARY_DIR}/lib)
  get_filename_component(name ${millrace_rdkafka_file} NAME)
  set_target_properties(millrace_rdkafka PROPERTIES
    IMPORTED_LOCATION ${CMAKE_BINARY_DIR}/lib/${name}
    IMPORTED_SONAME ${name})
  # Beside the binary in a build tree, in ../lib once installed.
  set(CMAKE_BUILD_RPATH_USE_ORIGIN ON CACHE BOOL "libraries are found relative to the binary")
  set(CMAKE_INSTALL_RPATH "$ORIGIN/../lib" CACHE STRING "where an installed binary has libraries")
  message(STATUS "librdkafka: confluent-kafka ${MILLRACE_CONFLUENT_KAFKA_VERSION}, ${name}")
endif()
add_library(millrace::rdkafka ALIAS millrace_rdkafka)
