"""A mesh of members with keys of their own, and whoever is to call them."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.common.caller import Caller, CallerKind
from services.common.mesh.identity import MeshIdentity
from services.common.mesh.keys import (
    SigningKey,
    Trust,
    load_or_create_signing_key,
    trust_document,
)
from services.common.mesh.policy import AccessTokens, MeshPolicy

MEMBERS = ("gateway", "pipeline", "analytics", "mapper", "operator")


@dataclass(frozen=True, slots=True)
class FakeMesh:
    """Members that believe each other.

    Attributes:
        folder: Where their keys lie, with `trust.json`.
        keys: By name of the member.
        trust: What every member believes.
    """

    folder: Path
    keys: Mapping[str, SigningKey]
    trust: Trust

    def identity(self, member: str) -> MeshIdentity:
        """Return how a member proves itself."""
        return MeshIdentity(self.keys[member])

    def policy(
        self, service: str, access_tokens: AccessTokens | None = None
    ) -> MeshPolicy:
        """Return what a service decides by."""
        return MeshPolicy(service, self.trust, access_tokens)


def make_mesh(folder: Path) -> FakeMesh:
    """Make keys for all members."""
    keys = {
        name: load_or_create_signing_key(folder / f"{name}.pem", name)
        for name in MEMBERS
    }
    file = folder / "trust.json"
    file.write_text(trust_document(keys))
    assert len(json.loads(file.read_text())["keys"]) == len(MEMBERS)
    return FakeMesh(folder, keys, Trust(file))


_A_DAY_S = 86_400.0
"""Longer than any run of the tests, as callers are made when they are collected."""


def user(
    grants: Mapping[str, set[str]], *, subject: str = "u-1", life_s: float = math.inf
) -> Caller:
    """Return a user with some scopes by environment."""
    return Caller(
        subject=subject,
        name=f"name of {subject}",
        kind=CallerKind.USER,
        grants={name: frozenset(scopes) for name, scopes in grants.items()},
        expires_s=time.time() + min(life_s, _A_DAY_S),
        token_id="t-1",  # noqa: S106 - an id.
        address="192.0.2.7",
    )
