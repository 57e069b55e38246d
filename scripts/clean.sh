#!/bin/sh
# Stop a running stack, and remove its data and all that was built; .venv stays.
set -eu
cd "$(dirname "$0")/.."
if [ -x .venv/bin/python ]; then .venv/bin/python -m stack down; fi
rm -rf .spoton build
