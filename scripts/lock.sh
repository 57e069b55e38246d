#!/bin/sh
# Pin every requirement and what it needs, with hashes and without index addresses.
set -eu
cd "$(dirname "$0")/.."
scripts/uv.sh
for name in uv runtime dev protos; do
    .venv-uv/bin/uv pip compile --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
        "requirements/$name.in" --output-file "requirements/$name.txt"
done
