#!/bin/sh
# Install protos/ alone with the oldest protobuf and grpcio it allows, and use it.
# The newest are what all other tests run on.
set -eu
cd "$(dirname "$0")/.."
uv=.venv-uv/bin/uv
venv=build/oldest-client
scripts/uv.sh
[ -x "$venv/bin/python" ] || "$uv" venv --quiet --python "${PYTHON:-python3}" "$venv"
"$uv" pip install --quiet --python "$venv/bin/python" --reinstall-package spoton-protos \
    ./protos 'protobuf==6.33.*' 'grpcio==1.80.*'
"$venv/bin/python" -W error scripts/client_roundtrip.py
