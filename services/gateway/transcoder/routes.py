"""The routes that the protos declare, checked against each other at the start."""

from collections.abc import Iterator
from dataclasses import dataclass

from google.api import http_pb2

from services.gateway.limits.policy import RouteClass, class_of
from services.gateway.transcoder.api import Api, Rpc
from services.gateway.transcoder.fields import BadRoute, FieldPlan, plan_field
from services.gateway.transcoder.paths import PathTree
from services.gateway.transcoder.requests import RequestPlan, plan_requests
from services.gateway.transcoder.templates import (
    BadTemplate,
    Template,
    Variable,
    parse_template,
)

USUAL_BODY_BYTES = 1024 * 1024
MOST_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One HTTP route of one RPC.

    Attributes:
        method: HTTP method, in upper case.
        template: Its path.
        rpc: What it calls.
        rule: As annotated.
        requests: How its requests become messages.
        environment: The field that names the environment, or None.
        environment_variable: The part of the path that names it, or None.
        max_body_bytes: Most bytes of a body.
    """

    method: str
    template: Template
    rpc: Rpc
    rule: http_pb2.HttpRule
    requests: RequestPlan
    environment: FieldPlan | None
    environment_variable: Variable | None
    max_body_bytes: int

    @property
    def limited_as(self) -> RouteClass:
        """Return with which other routes it shares a quota."""
        rpc = self.rpc
        return class_of(
            self.method, rpc.required_scope, streaming=rpc.response_streaming
        )

    @property
    def creates(self) -> bool:
        """Return whether it makes something new, and its answer may be kept.

        An answer with a secret is not: it would lie about for a day.
        """
        return (
            self.method == "POST"
            and self.rpc.name.startswith("Create")
            and not self.rpc.answers_secrets
        )

    def __str__(self) -> str:
        return self.rpc.full_name


def all_routes(api: Api) -> tuple[Route, ...]:
    """Return every route of the API, in the order of the protos.

    RPCs whose clients stream have no form in HTTP.

    Raises:
        BadRoute: An annotation cannot be served; the message names the RPC.
    """
    return tuple(
        route
        for rpc in api.rpcs
        if not rpc.request_streaming
        for route in _routes(api, rpc)
    )


def route_tree(routes: tuple[Route, ...]) -> PathTree[Route]:
    """Return the routes by their paths.

    Raises:
        RouteConflict: Two answer the same requests; the message names both.
    """
    tree: PathTree[Route] = PathTree()
    for route in routes:
        tree.add(route.method, route.template, route)
    return tree


def _routes(api: Api, rpc: Rpc) -> Iterator[Route]:
    if rpc.rules and not rpc.required_scope:
        raise BadRoute(f"{rpc.full_name} has a route and declares no scope")
    environment = (
        plan_field(rpc.request_type, rpc.environment_field)
        if rpc.environment_field
        else None
    )
    for rule in rpc.rules:
        method, path = _pattern(rule)
        try:
            template = parse_template(path)
        except BadTemplate as error:
            raise BadRoute(f"{rpc.full_name}: {error}") from error
        naming = (
            variable
            for variable in template.variables
            if variable.field_path == rpc.environment_field
        )
        yield Route(
            method=method,
            template=template,
            rpc=rpc,
            rule=rule,
            requests=plan_requests(rpc, rule, template, api),
            environment=environment,
            environment_variable=next(naming, None),
            max_body_bytes=min(
                rpc.max_request_bytes or USUAL_BODY_BYTES, MOST_BODY_BYTES
            ),
        )


def _pattern(rule: http_pb2.HttpRule) -> tuple[str, str]:
    """Return the method and the path of a rule."""
    kind = rule.WhichOneof("pattern")
    if kind == "custom":
        return rule.custom.kind.upper(), rule.custom.path
    return kind.upper(), getattr(rule, kind)
