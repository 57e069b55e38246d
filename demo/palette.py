"""One colour for each person, the same in every picture."""

import colorsys

_GOLDEN_RATIO = 0.618_034
_LIGHTNESS = (0.52, 0.42, 0.62)

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""


def colour_of(label: int) -> Colour:
    """Return the colour of a person; neighbours in number differ much.

    Args:
        label: Number of the person within the timeline. 0 is nobody known, grey.
    """
    if label <= 0:
        return (150, 150, 150)
    hue = (label * _GOLDEN_RATIO) % 1.0
    lightness = _LIGHTNESS[label % len(_LIGHTNESS)]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.85)
    return round(red * 255), round(green * 255), round(blue * 255)


def hex_of(label: int) -> str:
    """Return the colour of a person as `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*colour_of(label))
