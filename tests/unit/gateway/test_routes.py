"""Annotations that cannot be served end the start, and say which RPC has them."""

import pytest
from google.api import annotations_pb2, http_pb2

from services.gateway.transcoder.api import api_from_descriptors, shipped_api
from services.gateway.transcoder.fields import BadRoute
from services.gateway.transcoder.paths import RouteConflict
from services.gateway.transcoder.routes import all_routes, route_tree
from spoton.common.v1 import options_pb2
from tests.fakes.toy_api import toy_api, toy_files


def test_every_annotated_rpc_has_its_routes() -> None:
    """The protos as shipped can all be served, and none excludes another."""
    routes = all_routes(shipped_api())
    assert len(routes) >= 60
    route_tree(routes)
    served = {route.rpc.full_name for route in routes}
    annotated = {
        rpc.full_name
        for rpc in shipped_api().rpcs
        if rpc.rules and not rpc.request_streaming
    }
    assert served == annotated


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (http_pb2.HttpRule(get="/v1/{nothing}"), "no field 'nothing'"),
        (http_pb2.HttpRule(get="/v1/{environment_id.x}"), "no message at"),
        (http_pb2.HttpRule(get="v1"), "no path template"),
        (http_pb2.HttpRule(post="/v1/x", body="environment_id"), "body cannot be"),
        (http_pb2.HttpRule(post="/v1/x", body="nothing"), "no field 'nothing'"),
    ],
)
def test_a_route_that_cannot_be_served(rule: http_pb2.HttpRule, message: str) -> None:
    """The message names what is wrong."""
    with pytest.raises(BadRoute, match=message):
        all_routes(_with_rule(rule))


def test_routes_that_exclude_each_other() -> None:
    """The message names both RPCs."""
    api = _with_rule(http_pb2.HttpRule(get="/v1/environments/{environment_id}"))
    with pytest.raises(RouteConflict, match=r"(GetToy.*GetEnv|GetEnv.*GetToy)"):
        route_tree(all_routes(api))


def test_a_route_without_a_scope_is_not_served() -> None:
    """Nobody can forget to say who may call."""
    files = toy_files()
    options = files.file[-1].service[0].method[0].options
    options.Extensions[options_pb2.required_scope] = ""
    with pytest.raises(BadRoute, match="GetToy has a route and declares no scope"):
        all_routes(api_from_descriptors(files))


def test_comments_come_with_the_descriptors() -> None:
    """Services, RPCs, messages, fields and enum values keep what the protos say."""
    comments = shipped_api().comments
    assert comments["spoton.mapper.v1.MapperService"].startswith("Knows environments")
    assert comments["spoton.mapper.v1.MapperService.GetZone"] == "Reads a zone."
    assert comments["spoton.mapper.v1.GetZoneRequest.zone_id"] == "Zone."
    clock = "spoton.common.v1.ClockSource.CLOCK_SOURCE_NTP"
    assert comments[clock] == "Wall clock of the camera, kept by NTP."
    assert toy_api().audiences[-2:] == ("toys", "tracker")


def _with_rule(rule: http_pb2.HttpRule):
    """Return the API in which GetToy has one route, `rule`."""
    files = toy_files()
    method = files.file[-1].service[0].method[0]
    method.options.Extensions[annotations_pb2.http].CopyFrom(rule)
    return api_from_descriptors(files)
