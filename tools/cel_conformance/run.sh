#!/bin/sh
# Fetches CEL's conformance data (npm package @bufbuild/cel-spec), converts it and runs it.
#
#   run.sh RUNNER      RUNNER is the built cel_conformance
#
# CEL_SPEC_DIR names an unpacked package to use instead of fetching one.
set -eu

readonly version=0.6.1
runner=$1
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

package=${CEL_SPEC_DIR:-}
if [ -z "$package" ]; then
  (cd "$scratch" && npm pack --silent "@bufbuild/cel-spec@$version" >/dev/null && tar xzf ./*.tgz)
  package=$scratch/package
fi
node "$here/convert.mjs" "$package" >"$scratch/cases.jsonl"
"$runner" "$scratch/cases.jsonl"
