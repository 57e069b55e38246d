"""Record what was done, and read it."""

from collections.abc import Sequence

from services.common.errors import InvalidInput
from services.gateway.accounts.domain.audit import (
    Entry,
    Event,
    Filter,
    Report,
    check_event,
    shortened,
)
from services.gateway.accounts.domain.paging import Page, PageRequest, page_of
from services.gateway.accounts.service.ports import Store

MOST_REPORTS = 500
_LISTING = "auditEntries"
_REPORT_ID = (1, 64)


class Auditing:
    """The audit log."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def record(self, event: Event) -> None:
        """Record an event of the gateway.

        Raises:
            Unavailable: It is not recorded.
        """
        async with self._store.transaction() as transaction:
            await transaction.audit.add(shortened(event))

    async def append(self, reporter: str, reports: Sequence[Report]) -> None:
        """Record what a service reports, all or nothing.

        Raises:
            InvalidInput: There are none or too many, or one cannot be recorded.
            Unavailable: They are not recorded.
        """
        if not 1 <= len(reports) <= MOST_REPORTS:
            message = f"needs 1 to {MOST_REPORTS} entries, got {len(reports)}"
            raise InvalidInput(message, field="entries")
        least, most = _REPORT_ID
        for index, report in enumerate(reports):
            place = f"entries[{index}]"
            if not least <= len(report.report_id) <= most or "\0" in report.report_id:
                message = f"must have {least} to {most} characters"
                raise InvalidInput(message, field=f"{place}.report_id")
            check_event(report.event, f"{place}.entry")
        async with self._store.transaction() as transaction:
            for report in reports:
                await transaction.audit.add(
                    report.event, reporter=reporter, report_id=report.report_id
                )

    async def list(self, wanted: Filter, request: PageRequest) -> Page[Entry]:
        """Return a page of entries that fit, newest first.

        Raises:
            InvalidInput: The page or a filter cannot be used.
        """
        for name in ("environment_id", "subject", "action", "outcome"):
            if "\0" in getattr(wanted, name):
                raise InvalidInput("has a NUL character", field=name)
        limit, before = request.limit(), _before(request)
        async with self._store.transaction() as transaction:
            entries = await transaction.audit.page(wanted, before, limit + 1)
        return page_of(entries, limit, _LISTING, lambda entry: (str(entry.entry_id),))

    async def first_broken(self) -> int | None:
        """Return the first entry whose hash does not fit, or None."""
        async with self._store.transaction() as transaction:
            return await transaction.audit.first_broken()


def _before(request: PageRequest) -> int | None:
    match request.after(_LISTING):
        case ():
            return None
        case (str(number),) if number.isascii() and number.isdigit():
            if len(number) < 19:
                return int(number)
    raise InvalidInput("was not given out for this list", field="page_token")
