#!/bin/sh
# Build images without a daemon, one at a time, and print how large each is.
# usage: images.sh [SERVICE[-VARIANT]...]; without names, the default of each service
# BASE and BUILD_BASE name the images to build on, and TAG that of the result.
# Without BASE, bases are made of Debian's packages.
set -eu
cd "$(dirname "$0")/.."
tag=${TAG:-dev}
packages="buildah runc uidmap mmdebstrap"

for program in buildah mmdebstrap; do
    command -v "$program" >/dev/null && continue
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get install -y -qq --no-install-recommends $packages >/dev/null
    else
        echo "$program is missing; on Debian and Ubuntu: sudo apt-get install $packages" >&2
        exit 1
    fi
done

if [ -z "${BASE:-}" ]; then
    BASE=localhost/spoton-base BUILD_BASE=localhost/spoton-build-base
    buildah inspect "$BUILD_BASE" >/dev/null 2>&1 || scripts/images-base.sh
fi

settings=$(mktemp -d)
trap 'rm -rf "$settings"' EXIT
# What pip, uv and TLS are told on this machine holds during a build, and stays out of
# the image.
mounts=''
mount() { [ ! -e "$1" ] || mounts="$mounts --volume $1:$2:ro"; }
python3 -m pip config list 2>/dev/null | sed -n "s/^global\.\([a-z-]*\)='\(.*\)'$/\1 = \2/p" >"$settings/options"
{ echo '[global]'; cat "$settings/options"; } >"$settings/pip.conf"
mount "$settings/pip.conf" /etc/pip.conf
mount /etc/uv/uv.toml /etc/uv/uv.toml
mount /etc/ssl/certs /etc/ssl/certs
# Files and folders of this machine that those settings name.
for named in $(sed 's,[a-z]*://,,g' "$settings/options" | grep -o '/[A-Za-z0-9/._-]*' | sort -u); do
    mount "$named" "$named"
done

# usage: build SERVICE[-VARIANT]
build() {
    service=${1%%-*}
    variant=${1#"$service"}
    variant=${variant#-}
    image=localhost/spoton-$1:$tag
    begun=$(date +%s)
    set -- --build-arg "BASE=$BASE" --build-arg "BUILD_BASE=${BUILD_BASE:-$BASE}" \
        --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
        --build-arg "TORCH_PIP_ARGS=${TORCH_PIP_ARGS:-}"
    [ -z "$variant" ] || set -- "$@" --build-arg "VARIANT=$variant"
    case $variant in
    boxmot) set -- "$@" --build-arg 'LICENCES=Apache-2.0 AND AGPL-3.0-only' ;;
    esac
    nice -n 10 buildah build --quiet --isolation chroot --layers=false --force-rm \
        $mounts --file "services/$service/Dockerfile" --tag "$image" "$@" . >/dev/null
    container=$(buildah from "$image")
    mkdir -p build/images
    cp "$(buildah mount "$container")/opt/spoton/materials.cdx.json" \
        "build/images/$service${variant:+-$variant}.cdx.json"
    buildah rm "$container" >/dev/null
    printf '%-42s %9s   built in %s s\n' "$image" \
        "$(buildah images --format '{{.Size}}' "$image" | tr -d ' ')" $(($(date +%s) - begun))
}

version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
[ $# -gt 0 ] || set -- detector reid tracker mapper pipeline analytics gateway
for name in "$@"; do
    if [ ! -e "services/${name%%-*}/Dockerfile" ]; then
        echo "There is no Dockerfile of $name." >&2
        exit 2
    fi
    build "$name"
done
