#!/bin/sh
# Install the locked requirements into .venv, unless they are there already.
# usage: install.sh runtime|dev
# Once tests were run here, runtime means dev too: nothing is installed to and fro.
set -eu
cd "$(dirname "$0")/.."
profile=${1:?usage: install.sh runtime|dev}
python=${PYTHON:-python3}
[ -e .venv/installed-dev ] && profile=dev
stamp=.venv/installed-$profile

wanted=$(cat "requirements/$profile.txt" protos/pyproject.toml | sha256sum)
[ -e "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

case $profile in
runtime) echo "Installing what SpotOn runs on: at most 320 MB to download, 1.0 GB on disk." ;;
dev) echo "Installing what SpotOn and its tests need: at most 350 MB to download, 1.1 GB on disk." ;;
esac
scripts/uv.sh
uv=.venv-uv/bin/uv
[ -x .venv/bin/python ] || "$uv" venv --quiet --python "$python" .venv
"$uv" pip sync --python .venv/bin/python --compile-bytecode --require-hashes "requirements/$profile.txt"
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e ./protos
echo "$wanted" >"$stamp"
