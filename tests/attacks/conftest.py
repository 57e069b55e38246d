"""Members of a mesh with keys of their own."""

from pathlib import Path

import pytest

from tests.fakes.mesh import FakeMesh, make_mesh


@pytest.fixture
def members(tmp_path: Path) -> FakeMesh:
    """Give a test members that believe each other."""
    return make_mesh(tmp_path / "mesh")
