"""Read configuration from the environment, once, with errors that name the variable."""

import os
from collections.abc import Mapping
from pathlib import Path

from services.common.grpc_server import ServerSettings
from services.common.mesh.settings import AccessTrust, MeshSettings, TlsFiles
from services.common.outgoing.policy import AddressPolicy, policy_from_texts

_MESH = "SPOTON_MESH_"


class ConfigError(ValueError):
    """A variable has a value that cannot be used."""


class Environ:
    """The variables that begin with one prefix.

    Every method takes the rest of the name and a default, and raises ConfigError with
    the full name when the value cannot be used. Without a default the variable is
    required.

    Attributes:
        prefix: What the names begin with, such as `SPOTON_DETECTOR_`.
    """

    def __init__(self, prefix: str, variables: Mapping[str, str] | None = None) -> None:
        self.prefix = prefix
        self._variables = os.environ if variables is None else variables

    def text(self, name: str, default: str | None = None) -> str:
        """Return a non-empty text."""
        value = self._variables.get(self.prefix + name) or default
        if value is None:
            raise ConfigError(f"{self.prefix}{name} is required and not set")
        return value

    def integer(
        self, name: str, default: int, *, least: int = 0, most: int = 2**31
    ) -> int:
        """Return an integer within `[least, most]`."""
        text = self.text(name, str(default))
        try:
            value = int(text)
        except ValueError:
            raise self._unusable(name, text, "an integer") from None
        if not least <= value <= most:
            raise self._unusable(name, text, f"from {least} to {most}")
        return value

    def number(
        self, name: str, default: float, *, least: float = 0.0, most: float = 1e9
    ) -> float:
        """Return a number within `[least, most]`."""
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError:
            raise self._unusable(name, text, "a number") from None
        if not least <= value <= most:
            raise self._unusable(name, text, f"from {least} to {most}")
        return value

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """Return one of `choices`."""
        text = self.text(name, default)
        if text not in choices:
            raise self._unusable(name, text, "one of " + ", ".join(choices))
        return text

    def flag(self, name: str, *, default: bool) -> bool:
        """Return whether the variable is `true` or `false`."""
        return self.choice(name, str(default).lower(), ("true", "false")) == "true"

    def path(self, name: str, default: str | None = None) -> Path:
        """Return a path, with `~` expanded."""
        return Path(self.text(name, default)).expanduser()

    def address(self, name: str, default: str | None = None) -> str:
        """Return an address to listen on, `host:port`."""
        text = self.text(name, default)
        host, colon, port = text.rpartition(":")
        if not (host and colon and port.isdigit() and int(port) < 65536):
            raise self._unusable(name, text, "host:port")
        return text

    def secret(self, name: str, default: str | None = None) -> str:
        """Return a secret, from the variable or from the file that NAME_FILE names."""
        file = self._variables.get(f"{self.prefix}{name}_FILE")
        if not file:
            return self.text(name, default)
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise self._unusable(f"{name}_FILE", file, f"readable: {error}") from None

    def server_settings(self, default_port: int) -> ServerSettings:
        """Return where the service listens, and whom it believes.

        That is LISTEN, METRICS_LISTEN, HEALTH_LISTEN and DRAIN_GRACE_S, and what is
        the same for all services: the variables that begin with SPOTON_MESH_.
        """
        probed = self.has("HEALTH_LISTEN")
        return ServerSettings(
            listen=self.address("LISTEN", f"127.0.0.1:{default_port}"),
            metrics_listen=self.address(
                "METRICS_LISTEN", f"127.0.0.1:{default_port + 100}"
            ),
            mesh=self.mesh_settings(),
            drain_grace_s=self.number("DRAIN_GRACE_S", 10.0, most=3600.0),
            health_listen=self.address("HEALTH_LISTEN") if probed else "",
        )

    def mesh_settings(self) -> MeshSettings:
        """Return whom the service believes, and how it proves itself.

        Without any choice the settings believe nobody, and nothing serves with them.
        """
        service = self.prefix.removeprefix("SPOTON_").rstrip("_").lower()
        mesh = self.beside(_MESH)
        if mesh.flag("OPEN_LOOPBACK", default=False):
            if mesh.has("TRUST_FILE"):
                raise ConfigError(
                    f"{_MESH}OPEN_LOOPBACK and {_MESH}TRUST_FILE exclude each other"
                )
            return MeshSettings(service, open_loopback=True)
        if not mesh.has("TRUST_FILE"):
            return MeshSettings(service)
        return MeshSettings(
            service,
            trust_file=mesh.path("TRUST_FILE"),
            private_key_file=mesh.path("PRIVATE_KEY_FILE"),
            tls=mesh.tls_files(),
            access=mesh.access_trust(),
            audit_address=mesh.optional_text("AUDIT_ADDRESS"),
        )

    def tls_files(self) -> TlsFiles | None:
        """Return the files for mutual TLS; None when none of them is named."""
        names = ("TLS_CERTIFICATE_FILE", "TLS_KEY_FILE", "TLS_AUTHORITIES_FILE")
        if not any(map(self.has, names)):
            return None
        certificate, key, authorities = map(self.path, names)
        return TlsFiles(certificate, key, authorities)

    def access_trust(self) -> AccessTrust | None:
        """Return how access tokens are verified; None when nothing says how."""
        names = ("ACCESS_ISSUER", "ACCESS_KEYS_URL", "REVOCATIONS_URL")
        if not any(map(self.has, (*names, "REVOCATIONS_URL_FILE"))):
            return None
        issuer, keys_url = self.text("ACCESS_ISSUER"), self.text("ACCESS_KEYS_URL")
        return AccessTrust(issuer, keys_url, self.secret("REVOCATIONS_URL"))

    def address_policy(self) -> AddressPolicy:
        """Return which addresses may be opened: SCHEMES, HOSTS and NETWORKS."""
        try:
            return policy_from_texts(
                self.listed("SCHEMES", "rtsps,https"),
                self.listed("HOSTS"),
                self.listed("NETWORKS"),
            )
        except ValueError as error:
            names = f"{self.prefix}SCHEMES, HOSTS or NETWORKS"
            raise ConfigError(f"{names} cannot be used: {error}") from None

    def listed(self, name: str, default: str = "") -> tuple[str, ...]:
        """Return texts with commas between them; none when it is not set."""
        text = self._variables.get(self.prefix + name, default)
        return tuple(one.strip() for one in text.split(",") if one.strip())

    def beside(self, prefix: str) -> "Environ":
        """Return the variables of another prefix, in the same environment."""
        return Environ(prefix, self._variables)

    def optional_secret(self, name: str) -> str:
        """Return a secret like `secret`; empty when it is not set."""
        if self.has(name) or self.has(f"{name}_FILE"):
            return self.secret(name)
        return ""

    def has(self, name: str) -> bool:
        """Return whether a variable is set and not empty."""
        return bool(self._variables.get(self.prefix + name))

    def optional_text(self, name: str) -> str:
        """Return a text; empty when the variable is not set."""
        return self._variables.get(self.prefix + name, "")

    def _unusable(self, name: str, text: str, wanted: str) -> ConfigError:
        return ConfigError(f"{self.prefix}{name} must be {wanted}; got {text!r}")
