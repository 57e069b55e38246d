#!/bin/sh
# Pin every requirement and what it needs, with hashes and without index addresses.
# cpu comes first: its versions bind those that are installed beside it.
set -eu
cd "$(dirname "$0")/.."
scripts/uv.sh
lock() {
    name=$1
    shift
    .venv-uv/bin/uv pip compile --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
        "$@" "requirements/$name.in" --output-file "requirements/$name.txt"
}
lock uv
lock cpu
lock gpu --constraints requirements/cpu.txt
lock faiss-gpu --constraints requirements/cpu.txt
lock torch
lock boxmot --no-deps
lock dev
lock trackeval --no-deps
lock protos
lock image
lock manifests
# Images hold one service each, in the versions that the tests ran with.
for service in mapper pipeline analytics gateway tracker-native detector-cpu reid-cpu; do
    lock "services/$service" --constraints requirements/cpu.txt
done
for service in detector-gpu reid-gpu; do
    lock "services/$service" --constraints requirements/gpu.txt
done
for service in detector-torch reid-torch tracker-boxmot; do
    lock "services/$service" --constraints requirements/cpu.txt \
        --constraints requirements/torch.txt
done
