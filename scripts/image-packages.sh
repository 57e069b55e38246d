#!/bin/sh
# Install what a service needs into /opt/spoton, with its bill of materials.
# Runs while an image is built, from the folder that holds requirements/.
# usage: image-packages.sh SERVICE[-VARIANT]
set -eu
name=$1

# uv brings authorities of its own; those that this machine trusts are meant.
authorities=/etc/ssl/certs/ca-certificates.crt
if [ -e $authorities ]; then export SSL_CERT_FILE=$authorities; fi

python3 -m venv /tmp/tools
/tmp/tools/bin/pip install --quiet --require-hashes -r requirements/uv.txt
install() { /tmp/tools/bin/uv pip install --quiet --compile-bytecode --require-hashes "$@"; }

/tmp/tools/bin/uv venv --quiet --python "$(command -v python3)" /opt/spoton
install --python /opt/spoton/bin/python -r "requirements/services/$name.txt"
case $name in
*-torch | *-boxmot)
    /tmp/tools/bin/pip --python /opt/spoton/bin/python install --quiet \
        ${TORCH_PIP_ARGS:-} -r requirements/torch-itself.txt
    ;;
esac
case $name in
*-boxmot) install --python /opt/spoton/bin/python --no-deps -r requirements/boxmot.txt ;;
esac

/tmp/tools/bin/uv venv --quiet --python "$(command -v python3)" /tmp/materials
install --python /tmp/materials/bin/python -r requirements/image.txt
/tmp/materials/bin/cyclonedx-py environment --output-reproducible --output-format JSON \
    --output-file /opt/spoton/materials.cdx.json /opt/spoton/bin/python
