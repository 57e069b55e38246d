"""How a camera's pictures are cut, scaled and coloured before anything sees them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.common.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class FrameTransform:
    """Crop, then scale, then colour.

    Attributes:
        crop_region: Part of the decoded picture to keep: x_min, y_min, x_max, y_max,
            pixels. None keeps all. Edges are rounded to whole pixels.
        scale: Factor on the size of the part. Range: (0, 4].
        colour_gain: Factors on red, green and blue.
        colour_offset: Values added to red, green and blue after the factors.
    """

    crop_region: tuple[float, float, float, float] | None = None
    scale: float = 1.0
    colour_gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    colour_offset: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def changes_colours(self) -> bool:
        """Whether any sample value changes."""
        return (self.colour_gain, self.colour_offset) != ((1.0,) * 3, (0.0,) * 3)

    def crop_px(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return the whole pixels that are kept of a picture of this size.

        Raises:
            InvalidInput: The crop region lies outside the picture.
        """
        if self.crop_region is None:
            return 0, 0, width, height
        x_min, y_min, x_max, y_max = (round(edge) for edge in self.crop_region)
        if not (0 <= x_min < x_max <= width and 0 <= y_min < y_max <= height):
            raise InvalidInput(
                f"does not lie inside the picture of {width}x{height} pixels",
                field="camera.transform.crop_region",
            )
        return x_min, y_min, x_max, y_max

    def output_size_px(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height after the transform, pixels."""
        x_min, y_min, x_max, y_max = self.crop_px(width, height)
        return (
            max(1, round((x_max - x_min) * self.scale)),
            max(1, round((y_max - y_min) * self.scale)),
        )

    def decoded_to_frame(self, width: int, height: int) -> npt.NDArray[np.float64]:
        """Return the map from points of the decoded picture to points of the frame.

        Points are continuous: the picture's top-left corner is (0, 0) and its
        bottom-right corner (width, height). The factors are those of the rounded
        sizes, so they may differ a little between x and y.

        Returns:
            Homogeneous matrix, shape (3, 3). A homography of the whole picture
            becomes the frame's when multiplied by its inverse from the right.

        >>> FrameTransform((10, 20, 110, 70), 0.5).decoded_to_frame(200, 100)
        array([[  0.5,   0. ,  -5. ],
               [  0. ,   0.5, -10. ],
               [  0. ,   0. ,   1. ]])
        """
        x_min, y_min, x_max, y_max = self.crop_px(width, height)
        out_width, out_height = self.output_size_px(width, height)
        x_scale = out_width / (x_max - x_min)
        y_scale = out_height / (y_max - y_min)
        return np.array(
            [
                [x_scale, 0.0, -x_min * x_scale],
                [0.0, y_scale, -y_min * y_scale],
                [0.0, 0.0, 1.0],
            ]
        )

    def colour_table(self) -> npt.NDArray[np.uint8]:
        """Return each channel's new value for each old one, shape (256, 3)."""
        values = np.arange(256.0)[:, None] * self.colour_gain + self.colour_offset
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)
