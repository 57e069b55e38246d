#!/bin/sh
# Lint the protos, and compare them with those of the latest release tag.
set -eu
cd "$(dirname "$0")/.."
bin=$(cd "${1:?usage: buf.sh BIN_FOLDER_OF_THE_GENERATOR}" && pwd)
google=$("$bin/python" -c 'import google.api; print(list(google.api.__path__)[0] + "/..")')

workspace() { # Read a tar of protos/ from standard input into the workspace $1.
    rm -rf "$1"
    mkdir -p "$1/spoton-protos" "$1/google-protos/google/api" "$1/google-protos/google/rpc"
    tar -xf - -C "$1/spoton-protos" --strip-components=1
    cp "$google/api/annotations.proto" "$google/api/http.proto" "$1/google-protos/google/api/"
    cp "$google/rpc/status.proto" "$1/google-protos/google/rpc/"
    cp protos/buf.yaml "$1/"
}

find protos -name '*.proto' -print0 | tar --null -T - -cf - | workspace build/buf/now
"$bin/buf" lint build/buf/now
release=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)
if [ -n "$release" ]; then
    git archive "$release" protos | workspace build/buf/released
    "$bin/buf" breaking build/buf/now --against build/buf/released
fi
