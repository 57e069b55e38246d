"""What manifests set is what services read, and what they name is there."""

import importlib
import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.common.environ import Environ
from services.common.models.registry import load_registry
from tests.manifests.conftest import Object, Overlay, containers


class Watched(dict[str, str]):
    """Variables that remember which of them were asked for."""

    def __init__(self, variables: dict[str, str]) -> None:
        super().__init__(variables)
        self.read: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        """Return a variable, or a default."""
        self.read.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> str:
        """Return a variable."""
        self.read.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        """Return whether a variable is set."""
        self.read.add(str(key))
        return super().__contains__(key)


def _variables(overlay: Overlay, container: Object, secrets: Path) -> dict[str, str]:
    """Return what a container's environment is, secrets in files of this machine."""
    variables: dict[str, str] = {}
    for source in container.get("envFrom", []):
        name = source["configMapRef"]["name"]
        for one in overlay.of_kind("ConfigMap"):
            if one["metadata"]["name"] == name:
                variables |= one["data"]
    for one in container["env"]:
        variables[one["name"]] = one.get("value", "10.0.0.7")
    return {
        name: str(secrets) if name.endswith("_FILE") and "MESH" not in name else value
        for name, value in variables.items()
    }


def _load(service: str, variables: Watched) -> Any:
    """Return the configuration that a service reads from variables."""
    module = importlib.import_module(f"services.{service}.config")
    load = getattr(module, "load_config", None) or module.config_from_environ
    takes_environ = "environ" in inspect.signature(load).parameters
    prefix = f"SPOTON_{service.upper()}_"
    return load(Environ(prefix, variables) if takes_environ else variables)


def _main_containers(overlay: Overlay) -> Iterator[tuple[str, Object]]:
    for name, pod in overlay.deployments():
        (container,) = pod["spec"]["containers"]
        yield name, container


def test_every_variable_is_read(
    overlay: Overlay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each service starts with its variables, and reads every one of them."""
    secret = tmp_path / "secret"
    secret.write_text("s" * 40, encoding="utf-8")
    for name, container in _main_containers(overlay):
        variables = Watched(_variables(overlay, container, secret))
        with monkeypatch.context() as patched:
            patched.setattr(os, "environ", variables)
            _load(name, variables)
        unread = {
            one for one in variables if one.startswith("SPOTON_")
        } - variables.read
        assert not unread, f"{overlay.name}: {name} does not read {sorted(unread)}"


def test_migrations_and_models_are_of_the_service(overlay: Overlay) -> None:
    """Commands name modules that exist, and models that the registry has."""
    known = load_registry().entries
    for name, pod in overlay.pods():
        for container in containers(pod):
            command = container.get("command")
            if not command:
                continue
            assert command[:2] == ["python", "-m"], name
            assert importlib.util.find_spec(command[2]) is not None, name
            for one in container["env"]:
                if one["name"] in ("SPOTON_DETECTOR_MODEL", "SPOTON_REID_EMBEDDER"):
                    assert set(one["value"].split(",")) <= known.keys(), name


def _container_ports(container: Object) -> dict[str, int]:
    return {one["name"]: one["containerPort"] for one in container["ports"]}


def test_a_service_listens_where_its_container_says(overlay: Overlay) -> None:
    """Ports of containers, of what is listened on, and of probes are the same."""
    for name, container in _main_containers(overlay):
        ports = _container_ports(container)
        listened = {
            int(one["value"].rpartition(":")[2])
            for one in container["env"]
            if one["name"].endswith("LISTEN")
        }
        assert listened == set(ports.values()), name
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            asked = container[probe]
            if "grpc" in asked:
                assert asked["grpc"]["port"] == ports["health"], name
            else:
                assert asked["httpGet"]["port"] in ports, name


def test_peers_are_called_at_ports_that_are_open(overlay: Overlay) -> None:
    """An address names a headless Service, and both network policies let it through."""
    for name, container in _main_containers(overlay):
        for one in container["env"]:
            target = re.fullmatch(r"dns:///(\w+):(\d+)", one.get("value", ""))
            if target is None:
                continue
            peer, port = target[1], int(target[2])
            service = overlay.named("Service", peer)["spec"]
            assert service["clusterIP"] == "None"
            assert port in {each["port"] for each in service["ports"]}
            assert _lets(overlay, name, "egress", "to", peer, port), (name, peer)
            assert _lets(overlay, peer, "ingress", "from", name, port), (name, peer)


def test_no_policy_opens_what_nobody_calls(overlay: Overlay) -> None:
    """Each edge of a policy between services is one that a variable names."""
    for name, container in _main_containers(overlay):
        rules = overlay.named("NetworkPolicy", name)["spec"].get("egress", [])
        opened = {
            peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
            for rule in rules
            for peer in rule["to"]
        }
        targets = (
            re.fullmatch(r"dns:///(\w+):\d+", one.get("value", ""))
            for one in container["env"]
        )
        assert opened == {one[1] for one in targets if one}, name


def _lets(
    overlay: Overlay, owner: str, way: str, side: str, peer: str, port: int
) -> bool:
    """Return whether a service's policy lets a peer through, at a port."""
    rules = overlay.named("NetworkPolicy", owner)["spec"][way]
    selector = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": peer}}}
    return any(
        selector in rule.get(side, []) and {"port": port} in rule["ports"]
        for rule in rules
    )
