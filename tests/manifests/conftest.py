"""What the overlays render to: `make manifests` says where it lies."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

Object = dict[str, Any]

RENDERED = os.environ.get("SPOTON_RENDERED")

# The renderer is no part of what tests need: `make manifests` brings it.
collect_ignore_glob = [] if RENDERED else ["test_*.py"]


@dataclass(frozen=True, slots=True)
class Overlay:
    """The objects that an overlay renders to."""

    name: str
    objects: tuple[Object, ...]

    def of_kind(self, *kinds: str) -> Iterator[Object]:
        """Return the objects of some kinds."""
        return (one for one in self.objects if one["kind"] in kinds)

    def named(self, kind: str, name: str) -> Object:
        """Return the object of a kind and name."""
        (found,) = (
            one for one in self.of_kind(kind) if one["metadata"]["name"] == name
        )
        return found

    def pods(self) -> Iterator[tuple[str, Object]]:
        """Return the pod templates, each with what it is called."""
        for one in self.of_kind("Deployment", "StatefulSet", "DaemonSet", "Job"):
            name = f"{self.name}: {one['kind']} {one['metadata']['name']}"
            yield name, one["spec"]["template"]

    def deployments(self) -> Iterator[tuple[str, Object]]:
        """Return the pod templates of Deployments by name of the service."""
        for one in self.of_kind("Deployment"):
            yield one["metadata"]["name"], one["spec"]["template"]


def containers(pod: Object) -> list[Object]:
    """Return the containers of a pod template, those that only begin it too."""
    spec = pod["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def _rendered() -> list[Path]:
    return sorted(Path(RENDERED).glob("*.yaml")) if RENDERED else []


@pytest.fixture(params=_rendered(), ids=lambda path: path.stem)
def overlay(request: pytest.FixtureRequest) -> Overlay:
    """Return each overlay in turn."""
    path: Path = request.param
    objects = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    return Overlay(path.stem, tuple(one for one in objects if one))
