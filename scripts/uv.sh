#!/bin/sh
# Put uv, the installer, into .venv-uv: pinned, and checked by its hash.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
stamp=.venv-uv/requirements
cmp -s requirements/uv.txt "$stamp" && exit 0

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "SpotOn needs Python 3.11 or newer; $python is $("$python" -V 2>&1)." >&2
    echo "Name another with: make PYTHON=/path/to/python3.11" >&2
    exit 1
}
rm -rf .venv-uv
if "$python" -c 'import ensurepip' 2>/dev/null; then
    "$python" -m venv .venv-uv
    .venv-uv/bin/python -m pip install -q --require-hashes -r requirements/uv.txt
elif "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m venv --without-pip .venv-uv
    "$python" -m pip --python .venv-uv/bin/python install -q --require-hashes -r requirements/uv.txt
else
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "Python cannot make virtual environments: its ensurepip is missing." >&2
    echo "On Debian and Ubuntu: sudo apt-get install python$version-venv" >&2
    exit 1
fi
cp requirements/uv.txt "$stamp"
