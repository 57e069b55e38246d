"""One recording, seen by three virtual cameras."""

from demo.environment import DemoEnvironment
from demo.plaza.clip import CLIP
from demo.plaza.compose import CAMERAS, DOCUMENT

PLAZA = DemoEnvironment(
    environment_id="plaza",
    camera_ids=tuple(camera.camera_id for camera in CAMERAS),
    remark="virtual camera",
    document=DOCUMENT,
    media=CLIP,
)
