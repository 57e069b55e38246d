"""What a caller may do."""

from services.common.caller import EVERY_ENVIRONMENT, Caller, CallerKind


def caller(**grants: set[str]) -> Caller:
    """Return a user with grants by environment."""
    return Caller(
        subject="u1",
        name="Ada",
        kind=CallerKind.USER,
        grants={
            EVERY_ENVIRONMENT if environment == "everywhere" else environment: (
                frozenset(scopes)
            )
            for environment, scopes in grants.items()
        },
        expires_s=0.0,
    )


def test_a_grant_holds_in_its_environment_only() -> None:
    """Another environment is closed."""
    ada = caller(plaza={"tracking:read"})
    assert ada.holds("tracking:read", "plaza")
    assert not ada.holds("tracking:read", "studio")
    assert not ada.holds("sessions:write", "plaza")


def test_a_grant_for_every_environment_holds_in_all() -> None:
    """Nothing limits what such a caller sees."""
    root = caller(everywhere={"tracking:read"})
    assert root.holds("tracking:read", "studio")
    assert root.environments("tracking:read") is None


def test_a_call_without_an_environment_answers_for_the_granted_ones() -> None:
    """Any grant allows it, and its answer is limited to where the grants hold."""
    ada = caller(plaza={"environments:read"}, studio={"tracking:read"})
    assert ada.holds("environments:read", None)
    assert ada.environments("environments:read") == {"plaza"}


def test_the_name_of_all_environments_is_no_environment() -> None:
    """Asking for the environment `*` does not reach the grants of all."""
    assert not caller(plaza={"tracking:read"}).holds("tracking:read", EVERY_ENVIRONMENT)
