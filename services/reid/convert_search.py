"""Wire to domain and back, for searches."""

from collections.abc import Iterable

from services.common.convert import ns_to_timestamp
from services.common.errors import InvalidInput
from services.common.ids import (
    CameraId,
    EnvironmentId,
    TimelineId,
    require_resource_id,
)
from services.reid.convert import fix_to_proto, optional_ns
from services.reid.convert_identity import environment_from_proto, identity_to_proto
from services.reid.domain.identity import IdentityFilter
from services.reid.service.search import MOST_REACHED, Evidence, Match, Scope
from spoton.reid.v1 import reid_pb2

Request = reid_pb2.SearchIdentitiesRequest

_MOST_MATCHES, _DEFAULT_MATCHES = 100, 10
_MOST_ENVIRONMENTS, _MOST_NAMES = 50, 1_000
_ANY_SIMILARITY = -2.0


def scope_from_proto(request: Request) -> Scope:
    """Return among whom to look.

    Raises:
        InvalidInput: A name, a time or the similarity is none, or there are too many.
    """
    return Scope(
        environment_ids=_environments(request),
        wanted=_filter(request),
        min_similarity=_min_similarity(request),
    )


def limit_from_proto(limit: int) -> int:
    """Return how many matches a page holds.

    Raises:
        InvalidInput: There are too many.
    """
    if limit > _MOST_MATCHES:
        raise InvalidInput(f"must be at most {_MOST_MATCHES}", field="limit")
    return limit or _DEFAULT_MATCHES


def offset_from_proto(token: str) -> int:
    """Return how many matches earlier pages held.

    Raises:
        InvalidInput: No page gave this token.
    """
    if not token:
        return 0
    known = token.isascii() and token.isdigit() and len(token) <= 4
    if not known or not 0 < int(token) < MOST_REACHED:
        raise InvalidInput("is not a token of this search", field="page_token")
    return int(token)


def matches_to_proto(
    matches: Iterable[Match], next_offset: int | None
) -> reid_pb2.SearchIdentitiesResponse:
    """Return a page of persons who were found."""
    return reid_pb2.SearchIdentitiesResponse(
        matches=map(_match, matches),
        next_page_token="" if next_offset is None else str(next_offset),
    )


def _environments(request: Request) -> tuple[EnvironmentId, ...]:
    own = environment_from_proto(request.environment_id)
    names = request.environment_ids
    if len(names) > _MOST_ENVIRONMENTS:
        raise InvalidInput(
            f"must be at most {_MOST_ENVIRONMENTS}", field="environment_ids"
        )
    chosen = tuple(
        EnvironmentId(require_resource_id(name, f"environment_ids[{place}]"))
        for place, name in enumerate(names)
    )
    return tuple(dict.fromkeys(chosen)) or (own,)


def _filter(request: Request) -> IdentityFilter:
    start_ns = optional_ns(request.start_time, present=request.HasField("start_time"))
    end_ns = optional_ns(request.end_time, present=request.HasField("end_time"))
    if start_ns is not None and end_ns is not None and end_ns <= start_ns:
        raise InvalidInput("must be after start_time", field="end_time")
    return IdentityFilter(
        timeline_ids=tuple(
            map(TimelineId, _names(request.timeline_ids, "timeline_ids"))
        ),
        camera_ids=tuple(map(CameraId, _names(request.camera_ids, "camera_ids"))),
        start_ns=start_ns,
        end_ns=end_ns,
    )


def _names(names: Iterable[str], field: str) -> list[str]:
    """Return names that are names, and not too many."""
    given = list(names)
    if len(given) > _MOST_NAMES:
        raise InvalidInput(f"must be at most {_MOST_NAMES}", field=field)
    return [
        require_resource_id(name, f"{field}[{place}]")
        for place, name in enumerate(given)
    ]


def _min_similarity(request: Request) -> float:
    if not request.HasField("min_similarity"):
        return _ANY_SIMILARITY
    if not -1.0 <= request.min_similarity <= 1.0:
        raise InvalidInput("must be from -1 to 1", field="min_similarity")
    return request.min_similarity


def _match(match: Match) -> reid_pb2.IdentityMatch:
    message = reid_pb2.IdentityMatch(
        identity=identity_to_proto(match.identity),
        similarity=match.similarity,
        evidence_nats=match.score.nats,
        probability=match.score.probability,
        evidence=map(_evidence, match.evidence),
    )
    if match.portrait is not None:
        crop = reid_pb2.IdentityCrop(
            camera_id=match.portrait.camera_id,
            capture_time=ns_to_timestamp(match.portrait.captured_ns),
            quality=match.portrait.quality,
        )
        message.crop.CopyFrom(crop)
    return message


def _evidence(evidence: Evidence) -> reid_pb2.MatchEvidence:
    look = evidence.look
    message = reid_pb2.MatchEvidence(
        prototype_id=look.prototype_id,
        similarity=evidence.similarity,
        camera_id=look.camera_id,
        capture_time=ns_to_timestamp(look.captured_ns),
        crop_count=look.count,
    )
    if look.fix is not None:
        message.position.CopyFrom(fix_to_proto(look.fix))
    return message
