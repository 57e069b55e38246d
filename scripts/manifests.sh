#!/bin/sh
# Render every overlay into build/manifests and check it, and check the Dockerfiles.
set -eu
cd "$(dirname "$0")/.."
bin=.venv-manifests/bin
step() { printf '\n== %s\n' "$1"; }

if ! cmp -s requirements/manifests.txt .venv-manifests/requirements; then
    echo "Installing what checks manifests: at most 150 MB to download."
    scripts/uv.sh
    [ -x $bin/python ] || .venv-uv/bin/uv venv --quiet --python "${PYTHON:-python3}" .venv-manifests
    .venv-uv/bin/uv pip sync --quiet --python $bin/python --require-hashes requirements/manifests.txt
    cp requirements/manifests.txt .venv-manifests/requirements
fi

step "render"
rm -rf build/manifests
mkdir -p build/manifests
for overlay in k8s/overlays/*/; do
    name=$(basename "$overlay")
    $bin/kubectl kustomize "$overlay" >"build/manifests/$name.yaml"
    echo "$name: $(grep -c '^kind:' "build/manifests/$name.yaml") objects"
done
step "schemas"
for version in 1.35 1.36 1.37; do
    # A kind that has no schema is only warned of; cert-manager's are not Kubernetes'.
    if $bin/kubernetes-validate --strict --quiet -k $version build/manifests/*.yaml 2>&1 |
        grep -v 'for kind [A-Za-z]* with api version cert-manager.io/v1'; then
        echo "Not all is right for Kubernetes $version." >&2
        exit 1
    fi
    echo "right for Kubernetes $version"
done
step "security"
$bin/checkov --quiet --compact --skip-download --config-file k8s/checkov.yaml --directory build/manifests
step "Dockerfiles"
$bin/hadolint services/*/Dockerfile
step "policy"
SPOTON_RENDERED=build/manifests .venv/bin/python -m pytest -q tests/manifests
