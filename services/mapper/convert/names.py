"""What requests name: resources by id, versions by etag, pages by token."""

from typing import Protocol

from google.protobuf.message import Message

from services.common.errors import InvalidInput
from services.common.ids import require_resource_id
from services.mapper.domain.paging import PageRequest


class Paged(Protocol):
    """A request for a page."""

    page_size: int
    page_token: str


def environment_id_from_proto(message: Message, *, path: str = "") -> str:
    """Return the environment that a message names.

    Args:
        message: Message with a field `environment_id`.
        path: Path of the message within the request; empty for the request itself.

    Raises:
        InvalidInput: It cannot name a resource.
    """
    return _id_from_proto(message, "environment_id", path)


def ids_from_proto(message: Message, name: str, *, path: str = "") -> tuple[str, str]:
    """Return the environment that a message names, and what it names in it.

    Args:
        message: Message with the fields `environment_id` and `name`.
        name: Name of the second field.
        path: Path of the message within the request; empty for the request itself.

    Raises:
        InvalidInput: One of them cannot name a resource.
    """
    environment_id = environment_id_from_proto(message, path=path)
    return environment_id, _id_from_proto(message, name, path)


def etag_from_proto(etag: str, field: str) -> str:
    """Return an etag, or an empty text where none is stated.

    Raises:
        InvalidInput: It has a form that no etag has.
    """
    if not etag.isprintable() or len(etag) > 64:
        raise InvalidInput("is not an etag", field=field)
    return etag


def page_from_proto(message: Paged) -> PageRequest:
    """Return which page is wanted."""
    return PageRequest(message.page_size, message.page_token)


def _id_from_proto(message: Message, name: str, path: str) -> str:
    field = f"{path}.{name}" if path else name
    return require_resource_id(getattr(message, name), field)
