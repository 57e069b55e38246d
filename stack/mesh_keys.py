"""Keys of the services, made at a stack's first start, and of its operator."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.common.mesh.keys import (
    SigningKey,
    load_or_create_signing_key,
    load_signing_key,
    trust_document,
)
from services.common.mesh.tokens import OPERATOR, sign_operator


@dataclass(frozen=True, slots=True)
class MeshKeys:
    """What makes the services of a stack believe each other.

    Attributes:
        folder: Where the keys lie, readable by their owner only.
        keys: By name of the service, and of the operator.
    """

    folder: Path
    keys: Mapping[str, SigningKey]

    def variables(self, service: str) -> dict[str, str]:
        """Return the variables that tell a service its key and whom to believe."""
        return {
            "SPOTON_MESH_OPEN_LOOPBACK": "false",
            "SPOTON_MESH_TRUST_FILE": str(self.folder / "trust.json"),
            "SPOTON_MESH_PRIVATE_KEY_FILE": str(self.folder / f"{service}.pem"),
        }

    def operator_token(self, name: str) -> str:
        """Return a token that opens every service of the stack for an hour.

        Args:
            name: Who or what uses it, for logs.
        """
        return sign_operator(self.keys[OPERATOR], name, time.time())


def load_or_create_mesh_keys(folder: Path, services: Iterable[str]) -> MeshKeys:
    """Read the keys, make those that are missing, and write down whom to believe."""
    keys = {
        member: load_or_create_signing_key(folder / f"{member}.pem", member)
        for member in (*services, OPERATOR)
    }
    new = folder / "trust.new"
    new.write_text(trust_document(keys), encoding="utf-8")
    new.replace(folder / "trust.json")
    return MeshKeys(folder, keys)


def load_operator_token(folder: Path, name: str) -> str:
    """Return a token for the services of a stack whose keys are there.

    Raises:
        InvalidInput: The stack was never started.
    """
    key = load_signing_key(folder / f"{OPERATOR}.pem", OPERATOR)
    return sign_operator(key, name, time.time())
