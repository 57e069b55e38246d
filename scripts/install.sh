#!/bin/sh
# Install variants of the locked requirements into .venv, unless they are there already.
# usage: install.sh VARIANT...
#   cpu | gpu | faiss-gpu   what SpotOn runs on; without one, what is there, or cpu
#   torch                   models in torch
#   boxmot                  trackers of BoxMOT, AGPL-3.0; brings torch
#   dev                     what tests and checks need
# Variants add to those that are there: nothing is installed to and fro. Another base
# replaces the one before. TORCH_PIP_ARGS goes to pip where it installs torch.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
stamp=.venv/installed

base='' extras=' '
choose() {
    case $1 in
    cpu | gpu | faiss-gpu) base=$1 ;;
    boxmot) extras="${extras}torch boxmot " ;;
    torch | dev) extras="$extras$1 " ;;
    *)
        echo "There is no variant $1; there are cpu, gpu, faiss-gpu, torch, boxmot, dev." >&2
        exit 2
        ;;
    esac
}
for variant in $(sed -n 1p "$stamp" 2>/dev/null); do choose "$variant"; done
base_before=$base
for variant in "$@"; do choose "$variant"; done
base=${base:-cpu}
has() { case "$extras" in *" $1 "*) true ;; *) false ;; esac }

variants=$base
locks="-r requirements/$base.txt"
for extra in dev torch; do
    if has $extra; then
        variants="$variants $extra"
        locks="$locks -r requirements/$extra.txt"
    fi
done
if has boxmot; then variants="$variants boxmot"; fi
if [ "$base" = faiss-gpu ] && has torch; then
    echo "faiss-gpu needs CUDA 12 and torch CUDA 13: one .venv cannot have both." >&2
    exit 2
fi

hash=$(cat requirements/*.txt protos/pyproject.toml | sha256sum)
wanted=$(printf '%s\n%s\n' "$variants" "$hash")
[ -e "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

echo "Installing into .venv: $variants. At most, of what is not in a cache:"
case $base in
cpu) echo "  cpu: 330 MB to download, 1.1 GB on disk" ;;
gpu) echo "  gpu: 1.8 GB to download, with the libraries of CUDA 13" ;;
faiss-gpu) echo "  faiss-gpu: 1.2 GB to download, with the libraries of CUDA 12" ;;
esac
if has dev; then echo "  dev: 60 MB to download"; fi
if has torch; then
    echo "  torch: 0.2 GB to download if it is a CPU build, 2.8 GB if it is the one with CUDA;"
    echo "         TORCH_PIP_ARGS chooses, see requirements/README.md"
fi
if has boxmot; then echo "  boxmot: 10 MB to download, under AGPL-3.0"; fi

scripts/uv.sh
uv=.venv-uv/bin/uv
[ -x .venv/bin/python ] || "$uv" venv --quiet --python "$python" .venv
# Until all is there, the stamp names the variants and vouches for nothing.
echo "$variants" >"$stamp"
install() { "$uv" pip install --python .venv/bin/python --compile-bytecode --require-hashes "$@"; }
# sync removes what the locks do not name, torch included: where torch is, it stays.
if [ "$base" = "$base_before" ] && [ -e "$(echo .venv/lib/python*/site-packages/torch/version.py)" ]; then
    install $locks
else
    "$uv" pip sync --python .venv/bin/python --compile-bytecode --require-hashes $(echo "$locks" | sed 's/-r //g')
fi
if has torch; then
    .venv/bin/python -m pip install --quiet ${TORCH_PIP_ARGS:-} -r requirements/torch-itself.txt
fi
if has dev; then
    install --no-deps -r requirements/trackeval.txt
fi
if has boxmot; then
    install --no-deps -r requirements/boxmot.txt
fi
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e ./protos
printf '%s\n' "$wanted" >"$stamp"
