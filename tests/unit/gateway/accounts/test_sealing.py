"""What is derived from the gateway's secret."""

import base64
import time

import pytest

from services.gateway.accounts.adapters import sealing
from services.gateway.accounts.adapters.sealing import KeySeal, SignedDeviceProofs

SECRET, OTHER = "a" * 32, "b" * 32


def test_a_sealed_key_opens_with_its_secret_and_id_only() -> None:
    """Another secret, another id and a changed byte give nothing."""
    sealed = KeySeal(SECRET).seal(b"k" * 32, "key-1")
    assert KeySeal(SECRET).open(sealed, "key-1") == b"k" * 32
    assert KeySeal(OTHER).open(sealed, "key-1") is None
    assert KeySeal(SECRET).open(sealed, "key-2") is None
    assert KeySeal(SECRET).open(sealed[:-1] + b"?", "key-1") is None
    assert b"k" * 32 not in sealed


def test_a_device_proof_is_for_one_name() -> None:
    """It names the same device again and again, and nothing for anybody else."""
    proofs = SignedDeviceProofs(SECRET)
    proof = proofs.make("eve")
    device = proofs.id_of(proof, "eve")
    assert device
    assert proofs.id_of(proof, "eve") == device
    assert proofs.id_of(proof, "adam") == ""
    assert SignedDeviceProofs(OTHER).id_of(proof, "eve") == ""


def test_a_device_proof_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """After half a year the device is a stranger again."""
    proofs = SignedDeviceProofs(SECRET)
    proof = proofs.make("eve")
    later_s = time.time() + sealing.DEVICE_LIFETIME_S + 1
    monkeypatch.setattr(sealing.time, "time", lambda: later_s)
    assert proofs.id_of(proof, "eve") == ""


@pytest.mark.parametrize("proof", ["", "x", "é", "A" * 10, "A" * 4000, "====", "\0"])
def test_made_up_proofs_prove_nothing(proof: str) -> None:
    """Nor do they raise."""
    assert SignedDeviceProofs(SECRET).id_of(proof, "eve") == ""


def test_a_changed_proof_proves_nothing() -> None:
    """Every bit of it counts."""
    proofs = SignedDeviceProofs(SECRET)
    raw = bytearray(base64.urlsafe_b64decode(proofs.make("eve") + "=="))
    for index in range(len(raw)):
        raw[index] ^= 1
        changed = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        assert proofs.id_of(changed, "eve") == ""
        raw[index] ^= 1
