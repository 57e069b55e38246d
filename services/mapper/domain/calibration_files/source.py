"""Files as they came, and what is read out of them."""

import math
from dataclasses import dataclass

from services.common.errors import InvalidInput
from services.mapper.domain.environment import ImageSize, Lens
from services.mapper.domain.homography import FloatArray


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it came.

    Attributes:
        name: Its name, for people and to pair files.
        content: Its text.
        field: Path of the request field that holds the content.
    """

    name: str
    content: str
    field: str

    @property
    def stem(self) -> str:
        """The name without folder and last suffix.

        >>> SourceFile("rig/cam01.yml", "", "").stem
        'cam01'
        """
        base = self.name.replace("\\", "/").rpartition("/")[2]
        return base.rpartition(".")[0] or base

    def refusal(self, place: str, message: str) -> InvalidInput:
        """Return the error of something at a place in the file."""
        where = f"{self.name[:100]!r}, {place}" if place else f"{self.name[:100]!r}"
        return InvalidInput(f"{where}: {message}", field=self.field)

    def number(self, text: str | None, place: str) -> float:
        """Return the number that a text spells.

        Raises:
            InvalidInput: It is missing or not a finite number.
        """
        if text is None:
            raise self.refusal(place, "is missing")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.refusal(place, f"{text[:40]!r} is not a finite number")
        return value


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a camera is, as its file tells.

    Attributes:
        rotation: float64, shape (3, 3), from the file's world to the camera: x to the
            right, y downwards, z along the optical axis.
        translation: float64, shape (3,), the world's origin as the camera sees it, in
            the file's unit.
    """

    rotation: FloatArray
    translation: FloatArray


@dataclass(frozen=True, slots=True)
class FileCamera:
    """A camera that a file describes.

    Attributes:
        name: As the file calls it.
        field: Path of the request field of the file.
        lens: Its optics.
        image_size: Size of its picture; None when the file does not tell.
        pose: Where it is; None when the file does not tell.
    """

    name: str
    field: str
    lens: Lens
    image_size: ImageSize | None
    pose: Pose | None
