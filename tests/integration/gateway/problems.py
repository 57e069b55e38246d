"""Read answers that tell a failure."""

from typing import Any

import aiohttp


async def problem(
    answer: aiohttp.ClientResponse, status: int, code: str = "", *, field: str = ""
) -> dict[str, Any]:
    """Return the members of a problem, which must be told as one."""
    text = await answer.text()
    assert answer.status == status, text
    assert answer.content_type == "application/problem+json"
    said: dict[str, Any] = await answer.json(content_type=None)
    assert said["status"] == status
    assert said["detail"]
    assert said["request_id"] == answer.headers["X-Request-Id"]
    assert not code or said["code"] == code
    if field:
        fields = [
            violation["field"]
            for detail in said["details"]
            for violation in detail.get("field_violations", ())
        ]
        assert fields == [field], text
    return said
