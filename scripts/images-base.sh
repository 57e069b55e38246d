#!/bin/sh
# Make base images out of Debian's packages, where no image registry can be reached:
# localhost/spoton-base to run on, localhost/spoton-build-base to build on.
set -eu
suite=bookworm
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# usage: base NAME PACKAGES
base() {
    rm -rf "$folder/root"
    mmdebstrap --quiet --variant=minbase --include="$2" \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        "$suite" "$folder/$1.tar"
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$folder/$1.tar" / >/dev/null
    buildah config --env PATH=/usr/local/bin:/usr/bin:/bin "$container"
    buildah commit --quiet --rm "$container" "localhost/$1" >/dev/null
    rm "$folder/$1.tar"
    echo "localhost/$1 is made of Debian $suite"
}
# mmdebstrap's own index addresses are the host's, by its apt configuration.
base spoton-base python3,ca-certificates,tzdata
base spoton-build-base python3,python3-venv,ca-certificates
