# Arrow C++ and Parquet, for the lake only:
#
#   millrace::parquet   libparquet, libarrow and their headers
#
# A system Arrow that find_package sees is used as it is. Debian has none, so otherwise the two
# libraries come out of the pinned PyPI wheel `pyarrow`: from .venv beside the sources when
# `./dev setup` has put the same version there, else from a venv of the build tree. They are copied
# to BUILD/lib, where the binary looks for them by a path relative to itself, so that the two can
# be moved as one. Python is needed to build, never to run.
#
#   -DMILLRACE_ARROW=auto|system|pyarrow
include_guard(GLOBAL)

set(MILLRACE_ARROW auto CACHE STRING "where Arrow C++ comes from: auto, system or pyarrow")
set_property(CACHE MILLRACE_ARROW PROPERTY STRINGS auto system pyarrow)
set(MILLRACE_PYARROW_VERSION 26.0.1)
set(MILLRACE_ARROW_FOLDER ${CMAKE_BINARY_DIR}/lib)

# Sets `out` to a Python whose pyarrow is the pinned one.
function(millrace_find_pyarrow out)
  foreach(candidate ${CMAKE_SOURCE_DIR}/.venv ${CMAKE_BINARY_DIR}/pyarrow-venv)
    if(EXISTS ${candidate}/bin/python)
      execute_process(
        COMMAND ${candidate}/bin/python -c "import pyarrow; print(pyarrow.__version__)"
        OUTPUT_VARIABLE version ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
      if(version STREQUAL MILLRACE_PYARROW_VERSION)
        set(${out} ${candidate}/bin/python PARENT_SCOPE)
        return()
      endif()
    endif()
  endforeach()
  set(venv ${CMAKE_BINARY_DIR}/pyarrow-venv)
  message(STATUS "Installing pyarrow ${MILLRACE_PYARROW_VERSION} into ${venv}")
  find_program(MILLRACE_PYTHON NAMES python3 REQUIRED)
  execute_process(COMMAND ${MILLRACE_PYTHON} -m venv --clear ${venv} COMMAND_ERROR_IS_FATAL ANY)
  execute_process(
    COMMAND ${venv}/bin/python -m pip install --quiet --disable-pip-version-check
            --only-binary=:all: pyarrow==${MILLRACE_PYARROW_VERSION}
    COMMAND_ERROR_IS_FATAL ANY)
  set(${out} ${venv}/bin/python PARENT_SCOPE)
endfunction()

function(millrace_import_pyarrow)
  millrace_find_pyarrow(python)
  execute_process(
    COMMAND ${python} -c "import pyarrow; print(pyarrow.get_include(), \
pyarrow.get_library_dirs()[0], pyarrow.cpp_build_info.so_version, sep=';')"
    OUTPUT_VARIABLE where OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  list(GET where 0 headers)
  list(GET where 1 libraries)
  list(GET where 2 so_version)
  foreach(name arrow parquet)
    set(file lib${name}.so.${so_version})
    file(COPY ${libraries}/${file} DESTINATION ${MILLRACE_ARROW_FOLDER})
    add_library(millrace_wheel_${name} SHARED IMPORTED GLOBAL)
    set_target_properties(millrace_wheel_${name} PROPERTIES
      IMPORTED_LOCATION ${MILLRACE_ARROW_FOLDER}/${file}
      IMPORTED_SONAME ${file}
      INTERFACE_INCLUDE_DIRECTORIES ${headers})
  endforeach()
  add_library(millrace_parquet INTERFACE)
  target_link_libraries(millrace_parquet INTERFACE millrace_wheel_parquet millrace_wheel_arrow)
  # Beside the binary in a build tree, in ../lib once installed. In the cache, because the programs
  # that link the lake are made in other folders.
  set(CMAKE_BUILD_RPATH_USE_ORIGIN ON CACHE BOOL "libraries are found relative to the binary")
  set(CMAKE_INSTALL_RPATH "$ORIGIN/../lib" CACHE STRING "where an installed binary has Arrow")
  # The wheel's libparquet exports the functions of its own, newer simdjson. Whichever library is
  # named first serves the whole process, and our JSON parser was compiled for the system's: it must
  # come first. The wheel's is used for JSON metadata only (encryption, geometry), which the lake
  # never writes. A wrong order shows at once: the first JSON text after the start crashes.
  find_package(simdjson REQUIRED)
  target_link_options(millrace_parquet INTERFACE $<TARGET_FILE:simdjson::simdjson>)
  message(STATUS "Arrow: pyarrow ${MILLRACE_PYARROW_VERSION} from ${libraries}")
endfunction()

if(NOT MILLRACE_ARROW STREQUAL "pyarrow")
  find_package(Arrow CONFIG QUIET)
  find_package(Parquet CONFIG QUIET)
endif()
if(Arrow_FOUND AND Parquet_FOUND)
  add_library(millrace_parquet INTERFACE)
  target_link_libraries(millrace_parquet INTERFACE Parquet::parquet_shared Arrow::arrow_shared)
  message(STATUS "Arrow: the system's ${Arrow_VERSION}")
elseif(MILLRACE_ARROW STREQUAL "system")
  message(FATAL_ERROR "MILLRACE_ARROW is system, but find_package finds no Arrow and Parquet")
else()
  millrace_import_pyarrow()
endif()
add_library(millrace::parquet ALIAS millrace_parquet)
