"""What members of the mesh believe of each other."""

import base64
import json
import stat
import time
from dataclasses import replace
from pathlib import Path

import jwt
import pytest

from services.common.caller import EVERY_ENVIRONMENT, CallerKind
from services.common.errors import InvalidInput, Unauthenticated
from services.common.mesh.identity import CALLER_KEY, SERVICE_KEY, MeshIdentity
from services.common.mesh.keys import (
    Trust,
    load_or_create_signing_key,
    load_signing_key,
    trust_document,
)
from services.common.mesh.methods import declared_methods
from services.common.mesh.policy import Call, MeshPolicy
from services.common.mesh.tokens import (
    read_caller,
    read_operator,
    read_service,
    sign_caller,
    sign_operator,
    sign_service,
)
from services.common.roles import SERVICE_SCOPES
from tests.fakes.mesh import FakeMesh, make_mesh, user

NOW = 1_900_000_000.0


@pytest.fixture
def mesh(tmp_path: Path) -> FakeMesh:
    """Give a test some members."""
    return make_mesh(tmp_path)


class Clock:
    """Shows what it is set to."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def test_a_claim_tells_the_caller_as_it_is(mesh: FakeMesh) -> None:
    """Everything that is known of a caller crosses the mesh."""
    caller = user(
        {"plaza": {"tracking:read", "sessions:write"}, EVERY_ENVIRONMENT: {"a:b"}}
    )
    metadata = dict(mesh.identity("gateway").metadata("mapper", caller))
    told, _ = read_caller(metadata[CALLER_KEY], mesh.trust, "mapper")
    assert told == ("gateway", caller)


def test_a_service_token_is_kept_until_half_of_its_life(mesh: FakeMesh) -> None:
    """Calls cost no signature, and no token is about to end."""
    clock = Clock(NOW)
    identity = MeshIdentity(mesh.keys["pipeline"], clock)
    first = identity.metadata("mapper")
    clock.now_s += 149
    assert identity.metadata("mapper") == first
    assert identity.metadata("reid") != first
    clock.now_s += 2
    second = identity.metadata("mapper")
    assert second != first
    clock.now_s = NOW - 3600
    assert identity.metadata("mapper") not in (first, second)


def test_a_claim_is_kept_for_the_same_caller_only(mesh: FakeMesh) -> None:
    """Whatever a claim says, another caller gets another, and an old one is renewed."""
    clock = Clock(NOW)
    identity = MeshIdentity(mesh.keys["gateway"], clock)
    caller = replace(user({"plaza": {"a:b"}}), expires_s=NOW + 600)
    others = (
        replace(caller, subject="u-2"),
        replace(caller, name="another"),
        replace(caller, kind=CallerKind.SERVICE_ACCOUNT),
        replace(caller, grants={"plaza": frozenset({"a:b", "a:c"})}),
        replace(caller, expires_s=NOW + 601),
        replace(caller, token_id="t-2"),  # noqa: S106 - an id.
        replace(caller, address="192.0.2.8"),
    )
    claim = dict(identity.metadata("mapper", caller))[CALLER_KEY]
    assert dict(identity.metadata("mapper", replace(caller)))[CALLER_KEY] == claim
    for other in others:
        assert dict(identity.metadata("mapper", other))[CALLER_KEY] != claim
    assert dict(identity.metadata("reid", caller))[CALLER_KEY] != claim
    clock.now_s += 31
    assert dict(identity.metadata("mapper", caller))[CALLER_KEY] != claim


async def test_a_verdict_ends_with_its_key(tmp_path: Path) -> None:
    """A token that was believed is not any more once its key is taken out."""
    mesh = make_mesh(tmp_path)
    clock = Clock(0.0)
    trust = Trust(tmp_path / "trust.json", clock)
    policy = MeshPolicy("mapper", trust)
    metadata = {
        key: (value,)
        for key, value in mesh.identity("gateway").metadata("mapper", user({}))
    }
    call = Call(declared_methods()[0], "", metadata)
    for _ in range(2):
        assert (await policy.admit(call)).caller.subject == "u-1"
    left = {name: key for name, key in mesh.keys.items() if name != "gateway"}
    (tmp_path / "trust.json").write_text(trust_document(left))
    clock.now_s = 6.0
    with pytest.raises(Unauthenticated):
        await policy.admit(call)


def test_a_service_token_tells_which_service_calls(mesh: FakeMesh) -> None:
    """It holds for its audience."""
    ((key, token),) = mesh.identity("pipeline").metadata("mapper")
    assert key == SERVICE_KEY
    service, until_s = read_service(token, mesh.trust, "mapper")
    assert service == "pipeline"
    assert until_s > 0


def test_a_token_of_another_kind_is_refused(mesh: FakeMesh) -> None:
    """A caller claim is no service token, nor the other way round."""
    claim = sign_caller(mesh.keys["gateway"], "mapper", user({}), NOW)
    service = sign_service(mesh.keys["gateway"], "mapper", NOW)
    operator = sign_operator(mesh.keys["operator"], "me", NOW)
    for token in (claim, operator):
        with pytest.raises(Unauthenticated):
            read_service(token, mesh.trust, "mapper")
    for token in (service, operator):
        with pytest.raises(Unauthenticated):
            read_caller(token, mesh.trust, "mapper")
    for token in (service, claim):
        with pytest.raises(Unauthenticated):
            read_operator(token, mesh.trust)


@pytest.mark.parametrize("now_s", [1_000_000.0, 4_000_000_000.0])
def test_old_and_future_tokens_are_refused(mesh: FakeMesh, now_s: float) -> None:
    """Clocks may differ by seconds only."""
    token = sign_service(mesh.keys["pipeline"], "mapper", now_s)
    with pytest.raises(Unauthenticated):
        read_service(token, mesh.trust, "mapper")


def test_an_operator_token_is_of_the_operator(mesh: FakeMesh) -> None:
    """No other member makes one, and it opens nothing that is for services alone."""
    caller = read_operator(mesh_operator_token(mesh, "operator"), mesh.trust)
    assert caller.kind is CallerKind.SERVICE_ACCOUNT
    assert caller.holds("environments:write", "anywhere")
    assert not any(caller.holds(scope, "anywhere") for scope in SERVICE_SCOPES)
    with pytest.raises(Unauthenticated):
        read_operator(mesh_operator_token(mesh, "pipeline"), mesh.trust)


def mesh_operator_token(mesh: FakeMesh, member: str) -> str:
    """Return an operator token signed by a member, valid now."""
    return sign_operator(mesh.keys[member], "me", time.time())


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "god"},
        {"grants": ["tracking:read"]},
        {"grants": {"plaza": "tracking:read", "x": [3]}},
        {"sub": 3},
        {"until": None},
    ],
)
def test_a_claim_of_nonsense_is_refused(mesh: FakeMesh, change: dict) -> None:
    """A claim that is signed but malformed is no caller."""
    key = mesh.keys["gateway"]
    claim = sign_caller(key, "mapper", user({"plaza": {"a:b"}}), NOW)
    claims = jwt.decode(claim, options={"verify_signature": False})
    claims |= {"iat": 1_500_000_000, "exp": 4_000_000_000} | change
    forged = jwt.encode(
        claims,
        key.private_key,
        algorithm="EdDSA",
        headers={"kid": key.key_id, "typ": "spoton-caller+jwt"},
    )
    with pytest.raises(Unauthenticated):
        read_caller(forged, mesh.trust, "mapper")


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    """The file has mode 0600, and a second start finds the key of the first."""
    file = tmp_path / "mesh" / "mapper.pem"
    first = load_or_create_signing_key(file, "mapper")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_or_create_signing_key(file, "mapper").key_id == first.key_id
    assert "PRIVATE" not in repr(first)


def test_trust_follows_its_file(tmp_path: Path) -> None:
    """New keys are believed, and old ones are not once they are taken out."""
    old = load_or_create_signing_key(tmp_path / "old.pem", "mapper")
    new = load_or_create_signing_key(tmp_path / "new.pem", "mapper")
    file = tmp_path / "trust.json"
    file.write_text(trust_document({"mapper": old}))
    clock = Clock(0.0)
    trust = Trust(file, clock)
    assert trust.key(old.key_id).member == "mapper"
    file.write_text(trust_document({"mapper": new}))
    clock.now_s = 6.0
    assert trust.key(new.key_id).member == "mapper"
    with pytest.raises(Unauthenticated):
        trust.key(old.key_id)
    file.write_text("{")
    clock.now_s = 12.0
    assert trust.key(new.key_id).member == "mapper"


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "crv": "Ed25519", "kid": "a.b", "x": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "kid": "nobody", "x": "A" * 43},
        {"kty": "OKP", "crv": "Ed25519", "kid": "a.b", "x": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "kid": "a.b"},
    ],
)
def test_a_file_of_other_keys_is_refused(tmp_path: Path, jwk: dict) -> None:
    """Only Ed25519 keys that name a member are believed."""
    file = tmp_path / "trust.json"
    file.write_text(json.dumps({"keys": [jwk]}))
    with pytest.raises(InvalidInput, match="no JWKS"):
        Trust(file)


def test_a_file_without_a_key_is_named(tmp_path: Path) -> None:
    """The message says which file holds no key."""
    file = tmp_path / "mapper.pem"
    file.write_bytes(base64.b64encode(b"no key"))
    with pytest.raises(InvalidInput, match=r"mapper\.pem holds no private key"):
        load_signing_key(file, "mapper")
