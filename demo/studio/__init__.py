"""A room with four calibrated, synchronised cameras and three people."""

from pathlib import Path

from demo.environment import DemoEnvironment, Expectation
from demo.studio.recordings import CALIBRATION, RECORDINGS

STUDIO = DemoEnvironment(
    environment_id="studio",
    # Around the room, so that neighbours in the picture are neighbours on the floor.
    camera_ids=("cam03", "cam04", "cam01", "cam02"),
    remark="",
    document=Path(__file__).with_name("environment.json"),
    media=RECORDINGS,
    calibration=CALIBRATION,
    expectation=Expectation(persons=3, least_presence=0.95, agreement_m=0.35),
)
