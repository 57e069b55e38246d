"""Every pod runs with the least that it needs, and every service is guarded."""

from tests.manifests.conftest import Object, Overlay, containers


def _selects(selector: Object, labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {})
    return bool(wanted) and wanted.items() <= labels.items()


def test_no_pod_has_rights(overlay: Overlay) -> None:
    """Pods run as nobody, on a root they cannot write, with no way to more."""
    for name, pod in overlay.pods():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] > 0, name
        seccomp = spec["securityContext"]["seccompProfile"]["type"]
        assert seccomp == "RuntimeDefault", name
        assert spec["automountServiceAccountToken"] is False, name
        for container in containers(pod):
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name


def test_the_namespace_enforces_it(overlay: Overlay) -> None:
    """The namespace refuses pods that Pod Security's `restricted` does."""
    (namespace,) = overlay.of_kind("Namespace")
    labels = namespace["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_container_says_what_it_needs(overlay: Overlay) -> None:
    """Containers ask for processor time and memory, and have a limit of memory."""
    for name, pod in overlay.pods():
        for container in containers(pod):
            resources = container["resources"]
            assert resources["requests"].keys() >= {"cpu", "memory"}, name
            assert "memory" in resources["limits"], name


def test_every_deployment_is_probed_and_guarded(overlay: Overlay) -> None:
    """Deployments have probes, a budget of disruptions, and a network policy."""
    deployments = dict(overlay.deployments())
    assert len(deployments) >= 7
    for name, pod in deployments.items():
        labels = pod["metadata"]["labels"]
        for container in pod["spec"]["containers"]:
            probes = {"startupProbe", "readinessProbe", "livenessProbe"}
            assert container.keys() >= probes, name
            # A store that is away must not restart what waits for it.
            assert container["livenessProbe"] != container["readinessProbe"], name
        for kind, key in (
            ("PodDisruptionBudget", "selector"),
            ("NetworkPolicy", "podSelector"),
        ):
            assert any(
                _selects(one["spec"][key], labels) for one in overlay.of_kind(kind)
            ), f"{name} has no {kind}"


def test_what_no_policy_names_is_denied(overlay: Overlay) -> None:
    """A policy without rules covers every pod, both ways."""
    spec = overlay.named("NetworkPolicy", "default-deny")["spec"]
    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_a_pod_has_time_to_drain(overlay: Overlay) -> None:
    """The grace period covers preStop and the drain, and leaves time to end."""
    for name, pod in overlay.deployments():
        (container,) = pod["spec"]["containers"]
        variables = {one["name"]: one.get("value") for one in container["env"]}
        drain_s = float(variables[f"SPOTON_{name.upper()}_DRAIN_GRACE_S"] or 0)
        waits_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        grace_s = pod["spec"]["terminationGracePeriodSeconds"]
        assert waits_s + drain_s + 10 <= grace_s, name
