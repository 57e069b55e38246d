"""Members of a mesh with keys of their own."""

from pathlib import Path

import pytest

from tests.fakes.mesh import FakeMesh, make_mesh
from tests.integration.pipeline.conftest import (  # noqa: F401 - fixtures.
    environment_id,
    mapper_address,
    pipeline,
    pipeline_on,
)


@pytest.fixture
def members(tmp_path: Path) -> FakeMesh:
    """Give a test members that believe each other."""
    return make_mesh(tmp_path / "mesh")
