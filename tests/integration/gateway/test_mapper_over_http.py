"""The mapper's resources over HTTP."""

import aiohttp

ENVIRONMENT = {"environment_id": "plaza", "floors": [{"floor_id": "ground"}]}


async def test_an_environment_is_made_and_read(mapper: aiohttp.ClientSession) -> None:
    """What POST stores, GET answers, with every field by its proto's name."""
    made = await mapper.post("/v1/environments", json=ENVIRONMENT)
    assert made.status == 200, await made.text()
    read = await mapper.get("/v1/environments/plaza")
    assert (await read.json())["environment"]["environment_id"] == "plaza"
    assert (await read.json()) == (await made.json())
