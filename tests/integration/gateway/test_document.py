"""The API's document is valid, whole, and open to all."""

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from services.gateway.transcoder.api import shipped_api
from tests.integration.gateway.running import client


@pytest.fixture
async def document(gateway: str) -> dict:
    """Give the document, asked for without a token."""
    async with client(gateway) as session:
        answer = await session.get("/openapi.json")
        assert answer.status == 200
        return await answer.json()


async def test_the_document_is_valid(document: dict) -> None:
    """A validator of OpenAPI 3.1 has nothing against it."""
    validate(document, cls=OpenAPIV31SpecValidator)


async def test_every_route_is_an_operation(document: dict) -> None:
    """Each RPC that has a form in HTTP has one, with its comment and its scope."""
    operations = {
        operation["operationId"]: operation
        for item in document["paths"].values()
        for operation in item.values()
    }
    for rpc in shipped_api().rpcs:
        if rpc.rules and not rpc.request_streaming:
            name = f"{rpc.service.rpartition('.')[2]}_{rpc.name}"
            assert rpc.required_scope in operations[name]["description"]
            assert operations[name]["summary"].endswith(".")
    assert operations["ToyService_GetToy"]["summary"] == "Comment of GetToy."
    assert "ToyService_GetToy_2" in operations
    stream = operations["ToyService_WatchToys"]
    assert {"101", "426"} <= set(stream["responses"])
    assert "422" in operations["ToyService_CreateToy"]["responses"]


async def test_messages_are_described(document: dict) -> None:
    """Enums list their values, oneofs exclude each other, fields carry comments."""
    schemas = document["components"]["schemas"]
    assert schemas["toys.v1.Colour"]["enum"] == [
        "COLOUR_UNSPECIFIED",
        "COLOUR_RED",
        "COLOUR_BLUE",
    ]
    toy = schemas["toys.v1.Toy"]
    assert toy["not"] == {"anyOf": [{"required": ["pulled_by", "runs_on"]}]}
    assert toy["additionalProperties"] is False
    score = schemas["common.v1.FootPoint"]["properties"]["sigma_px"]
    assert "pixels" in score["description"]


async def test_the_page_needs_nobody_else(gateway: str) -> None:
    """It loads its own files only, and its policy allows no others."""
    async with client(gateway) as session:
        for path in ("/docs", "/docs/page.js", "/docs/page.css"):
            answer = await session.get(path)
            assert answer.status == 200
            assert "http://" not in (text := await answer.text())
            assert "https://" not in text
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
