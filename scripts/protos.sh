#!/bin/sh
# Generate Python code beside every proto, with the generator of requirements/protos.txt,
# and the descriptors of all with their comments, which the code lacks.
set -eu
cd "$(dirname "$0")/.."
bin=${1:?usage: protos.sh BIN_FOLDER_OF_THE_GENERATOR}
google=$("$bin/python" -c 'import google.api, pathlib; print(pathlib.Path(list(google.api.__path__)[0]).parents[1])')
find protos/spoton -name '*_pb2*.py*' -delete

PATH="$bin:$PATH" "$bin/python" -W ignore -m grpc_tools.protoc -I protos -I "$google" \
    --python_out=protos --grpc_python_out=protos \
    --mypy_out=quiet:protos --mypy_grpc_out=quiet:protos \
    $(cd protos && find spoton -name '*.proto' | sort)
PATH="$bin:$PATH" "$bin/python" -W ignore -m grpc_tools.protoc -I protos -I "$google" \
    --include_imports --include_source_info \
    --descriptor_set_out=protos/spoton/descriptors.binpb \
    $(cd protos && find spoton -name '*.proto' | sort)
# Protos without a service get stubs that hold nothing.
grep -L 'Servicer' $(find protos/spoton -name '*_pb2_grpc.py') | while read -r empty; do
    rm "$empty" "${empty}i"
done
