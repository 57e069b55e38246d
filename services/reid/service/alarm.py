"""Tell operators what seems wrong, once when it begins and once when it ends."""

from collections.abc import Iterable

import structlog

from services.common.ids import EnvironmentId
from services.reid.domain.suspicions import Suspicion
from services.reid.observe import SUSPICIONS

_log = structlog.get_logger(__name__)


class Alarm:
    """Logs what changes, and shows what is so as a metric."""

    def __init__(self, environment_id: EnvironmentId) -> None:
        self._environment_id = environment_id
        self._standing: frozenset[Suspicion] = frozenset()

    def sound(self, suspicions: Iterable[Suspicion]) -> None:
        """Take in everything that seems wrong now."""
        now = frozenset(suspicions)
        for one in sorted(now - self._standing):
            _log.warning("suspicion", **self._names(one))
            SUSPICIONS.labels(**self._names(one)).set(1)
        for one in sorted(self._standing - now):
            _log.info("suspicion over", **self._names(one))
            SUSPICIONS.labels(**self._names(one)).set(0)
        self._standing = now

    def _names(self, one: Suspicion) -> dict[str, str]:
        return {
            "environment": self._environment_id,
            "kind": one.kind.value,
            "subject": one.subject,
        }
