"""One colour per kind of operator, the same in reports, plots and terminals.

The colours are those of Paul Tol's muted scheme (personal.sron.nl/~pault), which stays distinguishable with the common
kinds of colour blindness, with a lighter indigo. Attention is blue, Mamba warm, the delta rule green. The code of an
operator is always written beside its colour, so that colour is never the only sign.
"""

import hashlib

from nas_search.space.operators.registry import operator_types

FEED_FORWARD_COLOUR = "#C9CBD1"
DARK_INK, LIGHT_INK = "#1B1E24", "#FFFFFF"

_COLOURS = {
    "a": "#4A5FC1",
    "swa": "#88CCEE",
    "m": "#DDCC77",
    "m2": "#CC6677",
    "d": "#117733",
    "gd": "#44AA99",
    "gla": "#AA4499",
    "r7": "#882255",
    "f": FEED_FORWARD_COLOUR,
}
# For operators of other packages; none of them is taken above.
_OTHERS = ("#EE7733", "#999933", "#0077BB", "#EE99AA", "#BBCC33", "#8A6A00", "#33BBEE", "#6E4B8B")
# For the lines of a plot, in this order: mid-tones that read on white and on black.
_LINES = ("#2F6DB5", "#D1550B", "#2E9E6B", "#AA4499", "#B8860B", "#33A0B8", "#CC6677", "#8C9AB2", "#7A8C2E", "#8A6FD1")


def line_colour(index: int) -> str:
    """``#RRGGBB`` of a plot's line number ``index``; after ten they begin again."""
    return _LINES[index % len(_LINES)]


def translucent(colour: str, share: float) -> str:
    """``#RRGGBB`` as a CSS colour that lets the rest of the light through."""
    red, green, blue = _channels(colour)
    return f"rgba({red}, {green}, {blue}, {share:g})"


def operator_colour(code: str) -> str:
    """``#RRGGBB`` of an operator's code; a code of another package gets one by its hash, the same everywhere."""
    if code in _COLOURS:
        return _COLOURS[code]
    return _OTHERS[int.from_bytes(hashlib.sha256(code.encode()).digest()[:8], "big") % len(_OTHERS)]


def ink_on(colour: str) -> str:
    """The text colour, dark or light, that has the higher contrast (WCAG 2.2) on ``#RRGGBB``."""
    background = luminance(colour)
    dark = (background + 0.05) / (luminance(DARK_INK) + 0.05)
    light = (luminance(LIGHT_INK) + 0.05) / (background + 0.05)
    return DARK_INK if dark >= light else LIGHT_INK


def luminance(colour: str) -> float:
    """Relative luminance of ``#RRGGBB`` (WCAG 2.2), from 0 to 1."""
    channels = (channel / 255 for channel in _channels(colour))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def operator_title(code: str) -> str:
    """The operator's full name, or its code if no installed package knows it."""
    spec = operator_types().get(code)
    return spec.title if spec else code


def _channels(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return red, green, blue
