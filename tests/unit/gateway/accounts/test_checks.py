"""Names, passwords and grants that are taken, and those that are not."""

import pytest

from services.common.errors import InvalidInput
from services.gateway.accounts.domain.checks import (
    check_password,
    check_text,
    check_user_name,
)
from services.gateway.accounts.service.users import new_password


@pytest.mark.parametrize("name", ["a", "eve", "e.v-e_1@example.org", "0" * 63])
def test_usual_names_are_taken(name: str) -> None:
    """Also addresses of e-mail."""
    check_user_name(name, "user.name")


@pytest.mark.parametrize("name", ["", "Eve", "-eve", "e ve", "é", "a" * 64, "a\n", "*"])
def test_other_names_are_refused(name: str) -> None:
    """Names that look alike or break a log do not come up."""
    with pytest.raises(InvalidInput) as caught:
        check_user_name(name, "user.name")
    assert caught.value.field == "user.name"


@pytest.mark.parametrize(
    "password",
    [
        "turquoise llama on stilts",
        "ñandú ñandú veloz",
        "x7!kQ2#pL9$w",
        "Ⅻ" * 4 + "abcdefgh",
    ],
)
def test_good_passwords_are_taken(password: str) -> None:
    """Length counts, in any script."""
    check_password(password, "new_password", name="eve")


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "x" * 129,
        "aaaaaaaaaaaaaaaa",
        "1234567890123456",
        "Password1234!",
        "passwordpassword",
        "spoton-admin-2026",
        "qwertyuiop123",
        "zyxwvutsrqpo",
        "Eve_the_Guard_99",
    ],
)
def test_passwords_that_are_tried_first_are_refused(password: str) -> None:
    """So are the user's own name, and what is too short or too long."""
    with pytest.raises(InvalidInput) as caught:
        check_password(password, "new_password", name="eve.the-guard")
    assert caught.value.field == "new_password"


def test_generated_passwords_are_taken() -> None:
    """What the server makes passes its own check."""
    for _ in range(200):
        check_password(new_password(), "password", name="admin")


def test_texts_for_people_can_be_printed() -> None:
    """A line break or NUL would break lists and logs."""
    check_text("Żółć, Eve", "user.display_name")
    for text in ("a\nb", "a\0b", "x" * 201):
        with pytest.raises(InvalidInput):
            check_text(text, "user.display_name")
