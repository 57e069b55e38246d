"""Where in a picture people are found again."""

from services.reid.domain.spot import Spot, same_spot_evidence
from tests.unit.reid.scenes import CONFIG, Scene, Seen, persons_of

S_NS = 1_000_000_000


def standing(x_px: float = 500.0, height_px: float = 150.0, at_s: float = 0.0) -> Spot:
    """Return the spot of somebody who stands."""
    return Spot(x_px, 300.0, height_px, int(at_s * S_NS))


def test_the_same_spot_speaks_for_one_person_and_another_against() -> None:
    """Near and of one size is evidence; a body height away, or half as tall, none."""
    left = standing()
    again = same_spot_evidence(left, standing(510.0, at_s=3.0), CONFIG)
    aside = same_spot_evidence(left, standing(650.0, at_s=3.0), CONFIG)
    small = same_spot_evidence(left, standing(height_px=80.0, at_s=3.0), CONFIG)
    assert again > CONFIG.confirm_evidence
    assert aside < 0.0
    assert small < 0.0


def test_whoever_walked_is_expected_further_on() -> None:
    """A body ahead is evidence for who walked there, and not for who stood."""
    left = standing()
    for tenth in range(1, 40):
        left = left.followed(standing(500.0 + 9.0 * tenth, at_s=0.1 * tenth))
    ahead = standing(left.x_px + 90.0, at_s=4.9)
    stood = standing(left.x_px, at_s=3.9)
    assert same_spot_evidence(left, ahead, CONFIG) > 0.0
    assert same_spot_evidence(stood, ahead, CONFIG) < 0.0


def test_who_was_hidden_goes_on_without_floor_and_looks() -> None:
    """A track that begins where one ended is the same person, by the picture alone."""
    scene = Scene()
    before = scene.play(1, 30, lambda _: [Seen("east", 1, x_px=500.0)])
    scene.play(31, 60, lambda _: [])
    after = scene.play(
        61,
        90,
        lambda _: [Seen("east", 2, x_px=505.0), Seen("east", 3, x_px=900.0)],
    )
    assert persons_of(after)["east", 2] == persons_of(before)["east", 1]
    assert persons_of(after)["east", 3] != persons_of(before)["east", 1]
