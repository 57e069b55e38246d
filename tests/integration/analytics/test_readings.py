"""A recording that is read again: the later reading counts where it reaches."""

from services.analytics.adapters.archive import PostgresArchive
from services.analytics.domain.borders import Borders
from services.analytics.domain.figures.dwell import DwellBins
from services.analytics.domain.figures.span import Span
from services.analytics.service.looking import Question
from services.analytics.service.movement import FloorQuestion, Movement
from services.analytics.service.presence import Presence
from services.analytics.service.questions import Scope
from services.common.postgres import Pool
from tests.fakes.history_events import S_US, START_US, Seen, session, update
from tests.fakes.history_store import GAP_US
from tests.integration.analytics.conftest import NewWriter


def seconds(start_s: float, end_s: float) -> Span:
    """Return a range of the recording."""
    return Span(START_US + round(start_s * S_US), START_US + round(end_s * S_US))


async def test_a_second_reading_replaces_the_first(
    new_writer: NewWriter, pool: Pool
) -> None:
    """Who was there by the first reading only counts until the second begins."""
    writer = await new_writer(Borders())
    first = [
        update(n / 2, [Seen(101, (1.0, 1.0), {"east": 1})], frame_set=n + 1)
        for n in range(20)
    ]
    again = [
        update(n / 2, [Seen(201, (9.0, 9.0), {"east": 2})], frame_set=n + 21)
        for n in range(10, 30)
    ]
    await writer.write([*first, session("sought", at_s=10.0), *again], 7)
    scope = Scope(writer.lease.environment_id)
    presence = Presence(PostgresArchive(pool, GAP_US))
    movement = Movement(PostgresArchive(pool, GAP_US))

    async def persons(span: Span) -> int:
        question = Question(scope, span, include_provisional=True)
        return (await presence.unique_persons(question, ())).persons

    assert await persons(seconds(0, 20)) == 2
    assert await persons(seconds(0, 4)) == 1
    assert await persons(seconds(6, 9)) == 1
    everything = Question(scope, seconds(0, 20), include_provisional=True)
    told = (await presence.dwell(everything, DwellBins())).places
    assert (told[0][1].visits, told[0][1].total_us) == (2, 5 * S_US + 9_500_000)
    heatmap = await movement.heatmap(FloorQuestion(scope, seconds(0, 20)), 1.0)
    dwell_us = dict(
        zip(heatmap.heat.column.tolist(), heatmap.heat.dwell_us.tolist(), strict=True)
    )
    assert dwell_us == {1: 5 * S_US, 9: 9_500_000}
