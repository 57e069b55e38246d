"""Measurements are no part of the tests, so nothing else notices what breaks them."""

import importlib
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
MODULES = sorted(
    f"tests.{folder}.{file.stem}"
    for folder in ("accuracy", "bench")
    for file in (TESTS / folder).glob("*.py")
    if file.stem != "__init__"
)


@pytest.mark.parametrize("module", MODULES)
def test_every_measurement_can_be_loaded(module: str) -> None:
    """What it calls in the product is still there under that name."""
    importlib.import_module(module)
