"""Pages, grants, networks and events."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.caller import EVERY_ENVIRONMENT, Caller, CallerKind
from services.common.errors import Forbidden, InvalidInput
from services.common.roles import Role, scopes_of
from services.gateway.accounts.adapters.login_throttle import network_of
from services.gateway.accounts.domain.audit import (
    LIMITS,
    Actor,
    Event,
    check_event,
    shortened,
)
from services.gateway.accounts.domain.paging import PageRequest, page_of
from services.gateway.accounts.service.granting import require_holds


@given(st.lists(st.text(min_size=1).filter(lambda one: "\0" not in one), unique=True))
def test_pages_join_to_the_list(names: list[str]) -> None:
    """Whatever the keys are, following the tokens gives each entry once."""
    ordered, found, token = sorted(names), [], ""
    while True:
        request = PageRequest(2, token)
        after = request.after("names")
        rest = [name for name in ordered if not after or name > after[0]]
        page = page_of(rest[:3], 2, "names", lambda name: (name,))
        found += page.entries
        token = page.next_page_token
        if not token:
            break
    assert found == ordered


@given(st.text())
def test_no_text_breaks_a_page_token(token: str) -> None:
    """Nobody guesses one: it is refused, unless it is empty."""
    if not token:
        assert PageRequest(0, token).after("names") == ()
        return
    with pytest.raises(InvalidInput) as caught:
        PageRequest(0, token).after("names")
    assert caught.value.field == "page_token"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", "unknown"),
        ("nonsense", "unknown"),
    ],
)
def test_an_attacker_has_a_network(address: str, network: str) -> None:
    """An IPv6 neighbour is the same attacker, and so is a mapped IPv4 address."""
    assert network_of(address) == network


@given(st.text(), st.text())
def test_own_events_always_fit(text: str, name: str) -> None:
    """They are cut rather than lost."""
    fields = dict.fromkeys(LIMITS, text) | {"action": "login", "outcome": "OK"}
    event = Event(time=datetime.now(UTC), actor=Actor(name=name), **fields)
    check_event(shortened(event), "entry")


def a_caller(**roles: Role) -> Caller:
    """Return a user with roles; `everywhere` is every environment."""
    grants = {
        one.replace("everywhere", EVERY_ENVIRONMENT): role
        for one, role in roles.items()
    }
    scopes = {one: scopes_of(role, one) for one, role in grants.items()}
    return Caller("user-1", "eve", CallerKind.USER, scopes, 4e9)


def test_nobody_gives_more_than_they_hold() -> None:
    """Neither another scope, nor the same one elsewhere or everywhere."""
    viewer = frozenset({"tracking:read"})
    require_holds(a_caller(plaza=Role.VIEWER), {"plaza": viewer})
    require_holds(a_caller(everywhere=Role.VIEWER), {"plaza": viewer})
    for grants in (
        {"studio": viewer},
        {EVERY_ENVIRONMENT: viewer},
        {"plaza": frozenset({"sessions:write"})},
    ):
        with pytest.raises(Forbidden):
            require_holds(a_caller(plaza=Role.VIEWER), grants)


def test_scopes_of_the_installation_need_every_environment() -> None:
    """An admin of one environment keeps no accounts and reads no audit log."""
    assert "accounts:write" in scopes_of(Role.ADMIN, EVERY_ENVIRONMENT)
    assert "accounts:write" not in scopes_of(Role.ADMIN, "plaza")
    assert "environments:write" in scopes_of(Role.ADMIN, "plaza")
