#!/bin/sh
# Fail if the committed code beside the protos is not what the generator makes.
set -eu
cd "$(dirname "$0")/.."
scratch=build/protos-check
rm -rf "$scratch"
mkdir -p "$scratch/scripts"
cp -R protos "$scratch/protos"
cp scripts/protos.sh "$scratch/scripts/"
generator=$(pwd)/.venv-protos/bin
"$scratch/scripts/protos.sh" "$generator"
diff -r --exclude=__pycache__ --exclude='*.egg-info' protos/spoton "$scratch/protos/spoton" || {
    echo "The generated code differs: run \`make protos\` and commit." >&2
    exit 1
}
