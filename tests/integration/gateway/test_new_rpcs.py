"""RPCs that the gateway has never heard of have routes, by their annotations alone."""

import aiohttp

TOYS = "/v1/environments/plaza/toys"
PURPOSE = {"X-Purpose": "a test"}


async def test_what_is_created_is_read(http: aiohttp.ClientSession, toys) -> None:
    """A body field and a path field make one request; the answer shows every field."""
    toy = {"toy_id": "duck", "weight_g": 120, "colour": "COLOUR_RED"}
    made = await http.post(TOYS, json=toy)
    assert made.status == 200, await made.text()
    assert await made.json() == {
        "toy": {
            "environment_id": "plaza",
            "toy_id": "duck",
            "weight_g": "120",
            "colour": "COLOUR_RED",
            "parts": [],
            "picture": "",
        }
    }
    read = await http.get(f"{TOYS}/duck", headers=PURPOSE)
    assert await read.json() == await made.json()
    assert toys.calls == ["CreateToy", "GetToy"]


async def test_additional_binding_with_a_pattern(
    http: aiohttp.ClientSession, toys
) -> None:
    """A variable of several segments takes them all, and other shapes are no route."""
    answer = await http.get("/v1/toys/plaza/shelves/duck", headers=PURPOSE)
    assert (await answer.json())["detail"] == "there is no toy shelves/duck"
    assert (await http.get("/v1/toys/plaza/boxes/duck")).status == 404


async def test_query_parameters_of_every_kind(http: aiohttp.ClientSession) -> None:
    """Lists, enums, nested fields, times, durations and masks come by the address."""
    query = [
        ("colours", "COLOUR_RED"),
        ("colours", "2"),
        ("like.weight_g", "-5"),
        ("like.woundUp", "false"),
        ("like.bought_time", "2026-01-02T03:04:05.5Z"),
        ("since", "2026-01-02T04:04:05+01:00"),
        ("age", "1.500s"),
        ("fields", "toyId,weightG"),
    ]
    answer = await http.get(f"{TOYS}:search", params=query)
    assert answer.status == 200, await answer.text()
    request = (await answer.json())["request"]
    assert request["environment_id"] == "plaza"
    assert request["colours"] == ["COLOUR_RED", "COLOUR_BLUE"]
    assert request["like"]["weight_g"] == "-5"
    assert request["like"]["wound_up"] is False
    assert request["like"]["bought_time"] == "2026-01-02T03:04:05.500Z"
    assert request["since"] == "2026-01-02T03:04:05Z"
    assert request["age"] == "1.500s"
    assert request["fields"] == "toyId,weightG"


async def test_update_masks_travel_as_queries(http: aiohttp.ClientSession) -> None:
    """PATCH sends the resource as the body and the mask in the address."""
    answer = await http.patch(
        f"{TOYS}/duck?update_mask=weight_g,colour", json={"weight_g": "7"}
    )
    assert answer.status == 200, await answer.text()
    said = await answer.json()
    assert said["update_mask"] == "weightG,colour"
    assert (said["toy"]["toy_id"], said["toy"]["weight_g"]) == ("duck", "7")


async def test_services_learn_who_calls_and_why(
    http: aiohttp.ClientSession, toys, audit
) -> None:
    """Credentials, purpose, request id and trace travel on, and are audited."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"X-Purpose": "lost toy", "X-Request-Id": "r-1", "traceparent": trace}
    answer = await http.get(f"{TOYS}/duck", headers=headers)
    assert answer.status == 404
    assert answer.headers["X-Request-Id"] == "r-1"
    assert toys.metadata["test-audience"] == "toys"
    assert toys.metadata["test-subject"] == "user-admin"
    assert toys.metadata["spoton-purpose"] == "lost toy"
    assert toys.metadata["spoton-request-id"] == "r-1"
    assert toys.metadata["traceparent"] == trace
    (entry,) = audit.entries
    assert entry.action == "spoton.toys.v1.ToyService.GetToy"
    assert (entry.subject, entry.environment_id) == ("user-admin", "plaza")
    assert (entry.outcome, entry.purpose) == ("NOT_FOUND", "lost toy")
    assert (entry.resource, entry.request_id) == (f"{TOYS}/duck", "r-1")


async def test_a_purpose_is_asked_for(http: aiohttp.ClientSession, toys, audit) -> None:
    """Where the proto wants one, a call without it is refused and recorded."""
    answer = await http.get(f"{TOYS}/duck")
    assert answer.status == 400
    assert toys.calls == []
    assert audit.entries[0].outcome == "INVALID_ARGUMENT"
