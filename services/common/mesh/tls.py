"""Mutual TLS from mounted files."""

from pathlib import Path

import grpc
import structlog

from services.common.errors import InvalidInput
from services.common.mesh.settings import TlsFiles

_log = structlog.get_logger(__name__)


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Return credentials of a server that asks its peers for certificates.

    The files are looked at for each new connection and read again when they change, so
    certificates are renewed without a restart.

    Raises:
        InvalidInput: A file cannot be read.
    """
    latest = _Latest(files)
    return grpc.dynamic_ssl_server_credentials(
        latest.configuration(),
        latest.changed,  # type: ignore[arg-type] # It may return None, says gRPC.
        require_client_authentication=True,
    )


def client_credentials(files: TlsFiles) -> grpc.ChannelCredentials:
    """Return credentials of a client that shows its certificate, read once.

    Raises:
        InvalidInput: A file cannot be read.
    """
    return grpc.ssl_channel_credentials(
        root_certificates=_content(files.authorities),
        private_key=_content(files.key),
        certificate_chain=_content(files.certificate),
    )


class _Latest:
    """The newest certificate of a server."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._contents = _contents(files)

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """Return what the server shows and whom it believes."""
        certificate, key, authorities = self._contents
        return grpc.ssl_server_certificate_configuration(
            [(key, certificate)], root_certificates=authorities
        )

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the configuration if it has changed; called by gRPC's threads."""
        try:
            contents = _contents(self._files)
        except InvalidInput as error:
            _log.error("certificates cannot be read again", reason=str(error))
            return None
        if contents == self._contents:
            return None
        self._contents = contents
        _log.info("certificates were renewed", certificate=str(self._files.certificate))
        return self.configuration()


def _contents(files: TlsFiles) -> tuple[bytes, bytes, bytes]:
    return (
        _content(files.certificate),
        _content(files.key),
        _content(files.authorities),
    )


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error}") from error
