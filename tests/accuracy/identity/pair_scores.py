"""Whether two cameras that see one person at once say the same."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

from tests.accuracy.identity.matching import Match


def pair_scores(matches: Sequence[Match]) -> dict[str, float]:
    """Return precision and recall over pairs of matched boxes of one moment.

    A pair is of two cameras. It should have one id exactly if both show one person.

    Args:
        matches: Boxes that show people.

    Returns:
        `precision` and `recall`, absent where there is nothing to divide by, and
        `pairs`, the number of pairs that should have one id.
    """
    moments: dict[int, list[Match]] = defaultdict(list)
    for match in matches:
        moments[match.time_ns].append(match)
    same = told = right = 0
    for present in moments.values():
        for one, two in combinations(present, 2):
            if one.camera_id == two.camera_id:
                continue
            is_one, is_told = one.person == two.person, one.global_id == two.global_id
            same += is_one
            told += is_told
            right += is_one and is_told
    return shares(right, told, same) | {"pairs": float(same)}


def shares(right: int, told: int, true: int) -> dict[str, float]:
    """Return precision and recall, as far as there is something to divide by."""
    found = {}
    if told:
        found["precision"] = right / told
    if true:
        found["recall"] = right / true
    return found
