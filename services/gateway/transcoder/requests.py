"""Turn HTTP requests into messages by plans that are made once, at the start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.api import http_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from services.common.errors import InvalidInput
from services.gateway.transcoder.api import Api, Rpc
from services.gateway.transcoder.fields import (
    BadRoute,
    FieldPlan,
    is_leaf,
    is_repeated,
    plan_field,
    query_fields,
)
from services.gateway.transcoder.messages import read_json
from services.gateway.transcoder.templates import Template, Variable
from services.gateway.transcoder.writing import Writer

WHOLE = "*"
"""Body that is the whole request."""


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """How one route's requests become messages.

    Attributes:
        message: Class of the messages.
        pool: Its descriptors.
        writer: Writes the answers.
        variables: Parts of the path with the fields that they set.
        query: By name in the address: a field. Each has its proto's name and that in
            lower camel case.
        body: Field that the body is, `*` for the whole request, empty for no body.
    """

    message: type[Message]
    pool: DescriptorPool
    writer: Writer
    variables: tuple[tuple[Variable, FieldPlan], ...]
    query: Mapping[str, FieldPlan]
    body: str

    def read(
        self,
        segments: Sequence[str],
        query: Mapping[str, Sequence[str]],
        body: bytes,
    ) -> Message:
        """Return the request's message.

        Args:
            segments: Of the path, decoded.
            query: Values by name, decoded.
            body: As sent.

        Raises:
            InvalidInput: Some part cannot be used; names the field.
        """
        message = self.message()
        if body:
            self._read_body(message, body)
        for name, texts in query.items():
            plan = self.query.get(name)
            if plan is None:
                raise InvalidInput("is no query parameter of this route", field=name)
            plan.set_texts(message, texts)
        for variable, plan in self.variables:
            text = "/".join(segments[variable.begin : variable.end])
            plan.set_segment(message, text)
        return message

    def _read_body(self, message: Message, body: bytes) -> None:
        if self.body == WHOLE:
            read_json(body, message, self.pool)
        elif self.body:
            part = getattr(message, self.body)
            part.SetInParent()
            read_json(body, part, self.pool, path=self.body)
        else:
            raise InvalidInput("this route takes no body")


def plan_requests(
    rpc: Rpc, rule: http_pb2.HttpRule, template: Template, api: Api
) -> RequestPlan:
    """Return how the requests of one route become messages.

    Raises:
        BadRoute: The route names a field that does not exist, or cannot be used.
    """
    request = rpc.request_type
    variables = tuple(
        (variable, plan_field(request, variable.field_path))
        for variable in template.variables
    )
    for variable, plan in variables:
        if is_repeated(plan.field) or not is_leaf(plan.field):
            raise BadRoute(f"{rpc.full_name}: a path cannot set {variable.field_path}")
    if rule.body and rule.body != WHOLE:
        body = plan_field(request, rule.body)
        if is_repeated(body.field) or body.field.message_type is None:
            raise BadRoute(f"{rpc.full_name}: the body cannot be {rule.body}")
    bound = {variable.field_path for variable in template.variables}
    return RequestPlan(
        message=rpc.request,
        pool=api.pool,
        writer=api.writer,
        variables=variables,
        query=_query(rpc, rule.body, bound),
        body=rule.body,
    )


def _query(rpc: Rpc, body: str, bound: set[str]) -> dict[str, FieldPlan]:
    """Return what the address can set: all that neither path nor body sets."""
    if body == WHOLE:
        return {}
    plans: dict[str, FieldPlan] = {}
    for plan in query_fields(rpc.request_type):
        if plan.path in bound or (body and plan.path.split(".")[0] == body):
            continue
        plans[plan.path] = plan
        plans.setdefault(_camel_case(plan.path), plan)
    return plans


def _camel_case(path: str) -> str:
    """Return a path as JSON's lower camel case writes it."""
    words = path.split("_")
    return words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])
