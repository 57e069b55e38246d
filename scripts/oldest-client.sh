#!/bin/sh
# Install protos/ alone with the oldest protobuf and grpcio it allows, and use it.
# The newest are what all other tests run on.
set -eu
cd "$(dirname "$0")/.."
uv=.venv-uv/bin/uv
venv=build/oldest-client
source=build/oldest-client-source
scripts/uv.sh
rm -rf "$source"
mkdir -p build
cp -R protos "$source"
[ -x "$venv/bin/python" ] || "$uv" venv --quiet --python "${PYTHON:-python3}" "$venv"
"$uv" pip install --quiet --python "$venv/bin/python" --reinstall-package spoton-protos \
    "./$source" 'protobuf==6.33.*' 'grpcio==1.80.*'
"$venv/bin/python" -W error scripts/client_roundtrip.py
