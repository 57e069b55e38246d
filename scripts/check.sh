#!/bin/sh
# All checks that run nothing of SpotOn; the first that fails ends them.
set -eu
cd "$(dirname "$0")/.."
step() { printf '\n== %s\n' "$1"; }

step "format"
.venv/bin/ruff format --check .
step "lint"
.venv/bin/ruff check .
step "types"
.venv/bin/mypy
step "import contracts"
.venv/bin/lint-imports
step "generated code matches the protos"
scripts/protos-unchanged.sh
step "the table of permissions"
.venv/bin/python -m scripts.permissions --check
step "the table of metrics"
.venv/bin/python -m scripts.metrics --check
step "dashboards and alert rules"
scripts/observability.sh
step "buf"
scripts/buf.sh .venv-protos/bin
step "the client package on its oldest protobuf and grpcio"
scripts/oldest-client.sh
step "manifests of Kubernetes"
scripts/manifests.sh
