"""The size of the gallery, as the metrics show it."""

from prometheus_client import REGISTRY

from services.common.postgres import open_pool
from services.reid.adapters.gallery_size import gallery_size
from services.reid.bootstrap import SCHEMA
from tests.integration.reid.conftest import Stub
from tests.integration.reid.conversations import Conversation, Seen, Timeline


def changes(kind: str) -> float:
    """Return how many changes of identities this process stored."""
    name = "spoton_reid_identity_changes_total"
    return REGISTRY.get_sample_value(name, {"kind": kind}) or 0.0


async def test_persons_are_counted_once_they_are_stored(
    reid: Stub, postgres_dsn: str
) -> None:
    """Who is new in a timeline is one more in the gallery, and one created."""
    timeline = Timeline()
    async with open_pool(postgres_dsn, SCHEMA) as pool:
        persons, _ = await gallery_size(pool)
        created = changes("created")
        talk = Conversation(reid, timeline)
        await talk.open()
        await talk.play(1, 30, (Seen("east", 1, person=1),))
        await talk.close()
        assert (await gallery_size(pool))[0] == persons + 1
    assert changes("created") == created + 1
