"""Cameras around a floor, and their calibrations as other systems write them."""

from dataclasses import dataclass

import cv2
import numpy as np

from services.mapper.domain.homography import FloatArray

QUALISYS_CAMERA = """
    <camera active="1" avg-residual="0.4" model="none" serial="{serial}" \
viewrotation="0">
      <fov_video bottom="1919" left="0" right="1087" top="0"/>
      <transform r11="{r[0]}" r12="{r[1]}" r13="{r[2]}" r21="{r[3]}" r22="{r[4]}" \
r23="{r[5]}" r31="{r[6]}" r32="{r[7]}" r33="{r[8]}" x="{x}" y="{y}" z="{z}"/>
      <intrinsic centerPointU="{cu}" centerPointV="{cv}" focalLengthU="{fu}" \
focalLengthV="{fv}" radialDistortion1="{k1}" radialDistortion2="{k2}" \
radialDistortion3="0.000000" skew="0.000000" tangentalDistortion1="{p1}" \
tangentalDistortion2="{p2}"/>
    </camera>"""


@dataclass(frozen=True)
class RigCamera:
    """A camera in OpenCV's terms, metres."""

    name: str
    focal_px: float
    centre_px: tuple[float, float]
    distortion: tuple[float, float, float, float]
    rotation: FloatArray
    position_m: FloatArray

    @property
    def matrix(self) -> FloatArray:
        """The camera matrix."""
        (cx, cy), f = self.centre_px, self.focal_px
        return np.array([[f, 0.0, cx], [0.0, f, cy], [0.0, 0.0, 1.0]])

    @property
    def translation_m(self) -> FloatArray:
        """The world's origin as the camera sees it."""
        translation: FloatArray = -self.rotation @ self.position_m
        return translation

    def see(self, points_m: FloatArray) -> FloatArray:
        """Return pixels of points in the room, by OpenCV."""
        turn, _ = cv2.Rodrigues(self.rotation)
        distortion = np.array(self.distortion)
        seen, _ = cv2.projectPoints(
            points_m, turn, self.translation_m, self.matrix, distortion
        )
        return np.asarray(seen[:, 0], dtype=np.float64)


def looking_at(
    name: str, position_m: tuple[float, float, float], target_m: tuple[float, ...]
) -> RigCamera:
    """Return a camera at a place that looks at a point, upright."""
    position = np.array(position_m)
    ahead = np.array(target_m) - position
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(ahead, right), ahead])
    return RigCamera(
        name, 1680.0, (540.0, 955.0), (-0.05, 0.14, 6e-4, 7e-4), rotation, position
    )


CAMERAS = (
    looking_at("Cam 01", (3.0, -4.0, 2.2), (0.0, 0.0, 0.0)),
    looking_at("Cam 02", (-4.0, -3.0, 3.0), (0.5, 0.0, 0.2)),
)


def qualisys(cameras: tuple[RigCamera, ...] = CAMERAS) -> str:
    """Return a `.qca.txt`."""
    entries = []
    for camera in cameras:
        x, y, z = camera.position_m * 1000
        k1, k2, p1, p2 = camera.distortion
        cu, cv = (64 * value for value in camera.centre_px)
        focal = 64 * camera.focal_px
        axes = (np.diag([1, -1, -1]) @ camera.rotation).ravel().tolist()
        entries.append(
            QUALISYS_CAMERA.format(
                serial=camera.name,
                r=axes,
                x=x,
                y=y,
                z=z,
                cu=cu,
                cv=cv,
                fu=focal,
                fv=focal,
                k1=k1,
                k2=k2,
                p1=p1,
                p2=p2,
            )
        )
    return (
        "<?xml version='1.0' encoding='ASCII'?>\n"
        '<calibration created="2026-05-01" source="test" type="regular">\n'
        f"  <cameras>{''.join(entries)}\n  </cameras>\n</calibration>\n"
    )


def file_storage(suffix: str, **entries: object) -> str:
    """Return what OpenCV writes: `suffix` is yml, json or xml."""
    mode = cv2.FILE_STORAGE_WRITE | cv2.FILE_STORAGE_MEMORY
    storage = cv2.FileStorage(f".{suffix}", mode)
    storage.write("calibration_time", "Fri May  1 12:00:00 2026")
    storage.write("avg_reprojection_error", float("nan"))
    storage.writeComment("flags: +fix_aspect_ratio")
    for name, value in entries.items():
        storage.write(name, value)
    storage.write("image_points", np.zeros((2, 3, 2), np.float32))
    return str(storage.releaseAndGetString())


def opencv(camera: RigCamera, suffix: str) -> str:
    """Return a file with optics and pose, in OpenCV's form."""
    turn, _ = cv2.Rodrigues(camera.rotation)
    return file_storage(
        suffix,
        image_width=1088,
        image_height=1920,
        camera_matrix=camera.matrix,
        distortion_coefficients=np.array([*camera.distortion, 0.0])[:, None],
        rvec=turn,
        tvec=camera.translation_m,
    )


def wildtrack(camera: RigCamera) -> tuple[str, str]:
    """Return the two files of a camera."""
    turn, _ = cv2.Rodrigues(camera.rotation)
    rvec = " ".join(map(repr, turn.ravel().tolist()))
    tvec = " ".join(map(repr, (camera.translation_m * 100).tolist()))
    intrinsic = file_storage(
        "xml",
        camera_matrix=camera.matrix,
        distortion_coefficients=np.array(camera.distortion),
    )
    extrinsic = (
        '<?xml version="1.0"?>\n<opencv_storage>\n'
        f"<rvec>\n  {rvec}</rvec>\n<tvec>\n  {tvec}</tvec>\n</opencv_storage>\n"
    )
    return intrinsic, extrinsic
