#!/bin/sh
# Install the proto generator and buf into .venv-protos, unless they are there already.
# They have a home of their own: the generator needs an older protobuf than the services.
set -eu
cd "$(dirname "$0")/.."
cmp -s requirements/protos.txt .venv-protos/requirements && exit 0
echo "Installing the proto generator: at most 40 MB to download."
scripts/uv.sh
uv=.venv-uv/bin/uv
[ -x .venv-protos/bin/python ] || "$uv" venv --quiet --python "${PYTHON:-python3}" .venv-protos
"$uv" pip sync --python .venv-protos/bin/python --require-hashes requirements/protos.txt
cp requirements/protos.txt .venv-protos/requirements
