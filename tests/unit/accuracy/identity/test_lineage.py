"""Final ids are those that the history keeps."""

from tests.accuracy.identity.lineage import final_identities, final_ids
from tests.accuracy.identity.published import Change, ChangeKind
from tests.fakes.small_recording import NORTH, SOUTH, box, published_of


def merged(frame_set: int, into: int, away: int) -> Change:
    """Return a merge."""
    return Change(ChangeKind.MERGED, frame_set, into, away)


def test_a_merge_reaches_back() -> None:
    """Boxes published before a merge get the id that survived it."""
    boxes = [box(NORTH, 0, 1, 0), box(SOUTH, 0, 2, 0), box(NORTH, 1, 1, 0)]
    published = published_of(boxes, [merged(2, 1, 2)])
    assert final_ids(published) == [1, 1, 1]
    assert final_identities(published) == {1: 1, 2: 1}


def test_merges_follow_each_other() -> None:
    """An identity that was merged into one that was merged goes the whole way."""
    boxes = [box(NORTH, n, n + 1, 3 * n) for n in range(3)]
    changes = [merged(3, 2, 3), merged(3, 1, 2)]
    assert final_ids(published_of(boxes, changes)) == [1, 1, 1]


def test_a_track_takes_its_boxes_along() -> None:
    """A track that is somebody else than was said was that all along."""
    boxes = [box(NORTH, 0, 1, 0, track_id=9), box(NORTH, 1, 2, 0, track_id=9)]
    assert final_ids(published_of(boxes)) == [2, 2]


def test_a_track_leaves_boxes_that_cannot_be_the_others() -> None:
    """Boxes stay with their id where the new one was in the picture as well."""
    boxes = [
        box(NORTH, 0, 1, 0, track_id=9),
        box(NORTH, 0, 2, 5, track_id=8),
        box(NORTH, 1, 1, 0, track_id=9),
        box(NORTH, 1, 2, 5, track_id=8),
        box(NORTH, 2, 2, 0, track_id=9),
    ]
    assert final_ids(published_of(boxes)) == [1, 2, 1, 2, 2]


def test_a_split_undoes_a_merge() -> None:
    """A split that names the merged identity makes it stand for itself again."""
    boxes = [box(NORTH, 0, 1, 0), box(SOUTH, 0, 2, 0), box(SOUTH, 5, 2, 0)]
    changes = [merged(2, 1, 2), Change(ChangeKind.SPLIT, 4, 1, 2)]
    assert final_ids(published_of(boxes, changes)) == [1, 2, 2]


def test_nobody_is_in_two_places_of_a_picture() -> None:
    """Two whom a camera saw at once stay apart there, though they were merged."""
    boxes = [box(NORTH, 0, 1, 0), box(NORTH, 0, 2, 5), box(NORTH, 1, 2, 5)]
    assert final_ids(published_of(boxes, [merged(2, 1, 2)])) == [1, 2, 1]


def test_nobody_stays_nobody() -> None:
    """A box that was published without a person gets none."""
    boxes = [box(NORTH, 0, 0, 0, track_id=9), box(NORTH, 1, 1, 0, track_id=9)]
    assert final_ids(published_of(boxes)) == [0, 1]
