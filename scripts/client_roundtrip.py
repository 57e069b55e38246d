"""Import every generated module and send every message through bytes and back."""

import importlib
import importlib.metadata

import google.protobuf
import grpc
from google.protobuf.message import Message

FILES = importlib.metadata.files("spoton-protos") or []
MODULES = [
    importlib.import_module(".".join(file.with_suffix("").parts))
    for file in FILES
    if file.match("*_pb2.py") or file.match("*_pb2_grpc.py")
]
MESSAGES = [
    value
    for module in MODULES
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, Message)
]

for message in MESSAGES:
    empty = message()
    if message.FromString(empty.SerializeToString()) != empty:
        raise SystemExit(f"{message.DESCRIPTOR.full_name} changes on the way")
if not MESSAGES:
    raise SystemExit("The package holds no messages.")
print(
    f"{len(MODULES)} modules and {len(MESSAGES)} messages work with "
    f"protobuf {google.protobuf.__version__} and grpcio {grpc.__version__}."
)
