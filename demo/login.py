"""How to log in from a terminal, for whoever reads the demo's last lines."""

from collections.abc import Iterator

from stack.admin import ADMIN


def password_lines(password: str | None) -> Iterator[str]:
    """Yield what to say about the administrator's password.

    Args:
        password: None when it was made, and shown, at an earlier start.
    """
    if password is None:
        yield f"The password of {ADMIN!r} was shown at the first start; for another:"
        yield "  .venv/bin/python -m stack reset-password"
    else:
        yield f"Log in as {ADMIN!r} with the password {password}"
        yield "It is kept nowhere and not shown again."


def curl_lines(http: str, environment_id: str, password: str | None) -> Iterator[str]:
    """Yield commands that log in and make a call.

    Args:
        http: Address of the gateway, `host:port`.
        environment_id: What to ask about.
        password: Of the administrator; None leaves its place to be filled.
    """
    said = f'{{"name": "{ADMIN}", "password": "{password or "…"}"}}'
    program = 'import json, sys; print(json.load(sys.stdin)["access_token"])'
    yield (
        f"TOKEN=$(curl -s http://{http}/v1/auth/login "
        f"-H 'Content-Type: application/json' -d '{said}' "
        f"| python3 -c '{program}')"
    )
    yield (
        f"curl -s http://{http}/v1/environments/{environment_id}/sessions "
        '-H "Authorization: Bearer $TOKEN"'
    )
