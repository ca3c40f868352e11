#!/bin/sh
# Fetches JSON-Schema-Test-Suite (it travels in the source package of the Python library
# jsonschema) and runs its draft 7 cases.
#
#   tools/json_schema_conformance/run.sh RUNNER [CACHE_DIR]
#
# RUNNER is the built json_schema_conformance; the package is kept in CACHE_DIR.
set -eu

runner=${1:?"the path of the json_schema_conformance executable is missing"}
cache=${2:-"${TMPDIR:-/tmp}/millrace-json-schema-suite"}
package=jsonschema
version=4.26.0
archive=$package-$version.tar.gz
checksum=0c26707e2efad8aa1bfc5b7ce170f3fccc2e4918ff85989ba9ffa9facb2be326

mkdir -p "$cache"
if [ ! -f "$cache/$archive" ]; then
  python3 -m pip download --quiet --no-deps --no-binary :all: --dest "$cache" "$package==$version"
fi
echo "$checksum  $cache/$archive" | sha256sum --check --quiet
tar -xzf "$cache/$archive" -C "$cache"
exec "$runner" "$cache/$package-$version/json/tests/draft7"
