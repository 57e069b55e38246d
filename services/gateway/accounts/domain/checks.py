"""Checks of what callers send. Each raises InvalidInput with the path of the field."""

import re
from collections.abc import Iterable

from services.common.caller import EVERY_ENVIRONMENT
from services.common.errors import InvalidInput
from services.common.ids import require_resource_id
from services.common.roles import ASSIGNABLE_SCOPES, INSTALLATION_SCOPES
from services.gateway.accounts.domain.accounts import (
    ServiceAccountSettings,
    UserSettings,
)

MAX_TEXT = 200
"""Most characters of a name for people."""

MAX_GRANTS = 50
"""Most environments that an account is granted one by one: a token names them all."""

PASSWORD_LENGTH = (12, 128)
"""Least and most characters of a password."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")


def check_user_name(name: str, path: str) -> None:
    """Check a name to log in with."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "must be 1 to 63 lower-case letters, digits, '.', '_', '-' and '@', "
            "beginning with a letter or digit",
            field=path,
        )


def is_user_name(name: str) -> bool:
    """Return whether somebody could have this name."""
    return _NAME.fullmatch(name) is not None


def check_user_settings(settings: UserSettings, path: str) -> None:
    """Check what is decided about a user."""
    check_text(settings.display_name, f"{path}.display_name")
    _check_environments(settings.roles, f"{path}.grants", inner=".environment_id")


def check_service_account(settings: ServiceAccountSettings, path: str) -> None:
    """Check what is decided about a service account."""
    if not settings.display_name.strip():
        raise InvalidInput("must not be empty", field=f"{path}.display_name")
    check_text(settings.display_name, f"{path}.display_name")
    _check_scopes(settings.scopes, f"{path}.scopes")
    place = f"{path}.environment_ids"
    if not settings.environment_ids:
        raise InvalidInput('needs an environment, or "*" for every one', field=place)
    _check_environments(settings.environment_ids, place)
    everywhere = settings.environment_ids == (EVERY_ENVIRONMENT,)
    if EVERY_ENVIRONMENT in settings.environment_ids and not everywhere:
        raise InvalidInput('must be "*" alone, or environments', field=place)
    if not everywhere and (broad := INSTALLATION_SCOPES & set(settings.scopes)):
        message = f'{min(broad)} concerns no environment and needs "*"'
        raise InvalidInput(message, field=place)


def check_password(password: str, path: str, *, name: str) -> None:
    """Check a new password of the user `name`.

    Length counts, not kinds of characters; what is tried first is refused.
    """
    least, most = PASSWORD_LENGTH
    if not least <= len(password) <= most:
        message = f"must have {least} to {most} characters, has {len(password)}"
        raise InvalidInput(message, field=path)
    plain = re.sub(r"[\W_]", "", password.casefold())
    owner = re.sub(r"[\W_]", "", name.casefold())
    if owner and plain.strip("0123456789") == owner.strip("0123456789"):
        raise InvalidInput("must not be the name of the user", field=path)
    if len(set(plain)) < 5 or _is_common(plain):
        raise InvalidInput("is one of those that are tried first", field=path)


def check_text(text: str, path: str, *, most: int = MAX_TEXT) -> None:
    """Check a text for people."""
    if len(text) > most:
        raise InvalidInput(f"has more than {most} characters", field=path)
    if not text.isprintable():
        raise InvalidInput("has a character that cannot be printed", field=path)


def _check_environments(ids: Iterable[str], path: str, *, inner: str = "") -> None:
    environments = list(ids)
    if len(environments) > MAX_GRANTS:
        message = f'has more than {MAX_GRANTS} entries; "*" means every environment'
        raise InvalidInput(message, field=path)
    for index, environment_id in enumerate(environments):
        if environment_id != EVERY_ENVIRONMENT:
            require_resource_id(environment_id, f"{path}[{index}]{inner}")
        if environment_id in environments[:index]:
            message = f"names {environment_id!r} twice"
            raise InvalidInput(message, field=f"{path}[{index}]{inner}")


def _check_scopes(scopes: tuple[str, ...], path: str) -> None:
    if not scopes:
        raise InvalidInput("needs a scope", field=path)
    if len(scopes) > MAX_GRANTS:
        raise InvalidInput(f"has more than {MAX_GRANTS} entries", field=path)
    for index, scope in enumerate(scopes):
        if scope not in ASSIGNABLE_SCOPES:
            message = f"{scope[:80]!r} is no scope that can be given"
            raise InvalidInput(message, field=f"{path}[{index}]")
        if scope in scopes[:index]:
            raise InvalidInput(f"names {scope} twice", field=f"{path}[{index}]")


def _is_common(plain: str) -> bool:
    """Return whether a password, without signs, is a known word with digits."""
    for run in ("0123456789012345678901234567890", "abcdefghijklmnopqrstuvwxyz"):
        if plain in run or plain in run[::-1]:
            return True
    core = plain.strip("0123456789")
    return re.fullmatch(f"({'|'.join(_WORDS)})*", core) is not None


# Those that lists of leaked passwords are full of, alone, doubled or with digits.
_WORDS = (
    "admin",
    "administrator",
    "changeme",
    "correcthorsebatterystaple",
    "default",
    "iloveyou",
    "letmein",
    "monkey",
    "passw0rd",
    "password",
    "qwerty",
    "qwertyuiop",
    "qwertyuiopasdfghjkl",
    "secret",
    "spoton",
    "superman",
    "trustno1",
    "welcome",
)
