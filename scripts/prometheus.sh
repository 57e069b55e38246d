#!/bin/sh
# Print the folder of prometheus and promtool; have them if they are not here yet.
# They are taken from PATH, or unpacked from Debian's package, which needs no root.
set -eu
cd "$(dirname "$0")/.."
folder=build/prometheus

if command -v promtool >/dev/null && command -v prometheus >/dev/null; then
    dirname "$(command -v promtool)"
    exit 0
fi
if [ ! -x "$folder/usr/bin/promtool" ]; then
    mkdir -p "$folder"
    fetch() { (cd "$folder" && apt-get download -q prometheus) >&2; }
    if ! fetch && ! { [ "$(id -u)" = 0 ] && apt-get update -q >&2 && fetch; }; then
        echo "promtool is missing: apt-get install prometheus" >&2
        exit 1
    fi
    dpkg-deb --extract "$folder"/prometheus_*.deb "$folder"
fi
echo "$PWD/$folder/usr/bin"
