"""The model that only waits."""

import time

import numpy as np

from services.detector.domain.geometry import Size
from tests.bench.null_detector import NULL_MODEL_S, NullDetector


def test_it_waits_without_computing_and_finds_four_people() -> None:
    """Two milliseconds pass for each picture, and the processor is free meanwhile."""
    detector = NullDetector(Size(480, 480))
    picture = np.zeros((480, 300, 3), np.uint8)
    began_s, cpu_began_s = time.perf_counter(), time.thread_time()
    found = [detector.detect([picture])[0] for _ in range(20)]
    assert time.perf_counter() - began_s >= 20 * NULL_MODEL_S
    assert time.thread_time() - cpu_began_s < 10 * NULL_MODEL_S
    for people in found:
        assert len(people) == 4
        assert len(people.inside(Size(300, 480))) == 4
        np.testing.assert_array_equal(people.boxes_px, found[0].boxes_px)
