#!/bin/sh
# Sends a running millrace what its OpenAPI document allows and forbids, and compares the answers
# with the document (https://schemathesis.io).
#
#   run.sh BINARY [EXAMPLES]    of each operation and kind, so many (default 60)
set -eu

readonly version=4.32.5
binary=$1
examples=${2:-60}
root=$(cd "$(dirname "$0")/../.." && pwd)
venv=$root/build/http_api_conformance/venv
scratch=$(mktemp -d)
pid=
finish() {
  if [ -n "$pid" ] && kill "$pid" 2>/dev/null; then wait "$pid" || true; fi
  rm -rf "$scratch"
}
trap finish EXIT

if [ ! -x "$venv/bin/schemathesis" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "schemathesis==$version"
fi

cd "$root"  # paths in the pipeline files
"$binary" up --data "$scratch/data" --pipeline pipelines/ticks.yaml --http-port 0 --kafka-port 0 \
  --output json >"$scratch/ready" 2>"$scratch/stderr" &
pid=$!
i=0
while [ ! -s "$scratch/ready" ]; do
  kill -0 "$pid" 2>/dev/null || { cat "$scratch/stderr"; exit 1; }
  i=$((i + 1))
  [ "$i" -lt 600 ] || { echo "not ready after a minute"; exit 1; }
  sleep 0.1
done
port=$(python3 -c 'import json,sys; print(json.load(sys.stdin)["http_port"])' <"$scratch/ready")
url=http://127.0.0.1:$port
"$binary" produce input_topic --key ticker --server "${url#http://}" \
  --file data/amzn_trades_2012-06-21.jsonl.gz >/dev/null
# Left out: positive_data_acceptance, as whether a valid request is right depends on what is there
# (an offset, a name); the body of send_batches, which is no text (ops/batches_body_fuzz.cc).
cd "$scratch"  # it keeps notes where it runs
"$venv/bin/schemathesis" run "$url/api/v1/openapi.json" --max-examples "$examples" --seed 1 \
  --exclude-checks positive_data_acceptance --exclude-operation-id send_batches \
  --request-timeout 90 --workers 4 --no-color --warnings off
kill -0 "$pid" || { cat "$scratch/stderr"; exit 1; }
