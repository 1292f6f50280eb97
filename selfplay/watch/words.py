"""Numbers, curves and other people's text, as they appear on a screen.

Model text is hostile. It reaches the terminal only through `inert` and only inside `rich.text.Text` objects, so neither
escape sequences nor markup in it mean anything.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from rich.cells import cell_len, set_cell_size

BLOCKS = "▁▂▃▄▅▆▇█"
_PICTURES = {**{i: chr(0x2400 + i) for i in range(32)}, 0x7F: "\u2421"}
_PICTURES[ord("\n")] = "\n"
_PICTURES[ord("\t")] = "    "
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories without a glyph of their own: controls, direction overrides, surrogates, separators."""


def inert(text: str) -> str:
    """`text` with everything that could act on a terminal replaced by something visible; line breaks stay."""
    text = text.translate(_PICTURES)
    if text.isascii():
        return text
    return "".join(f"<U+{ord(c):04X}>" if unicodedata.category(c) in _HIDDEN and c != "\n" else c for c in text)


def one_line(text: str, width: int) -> str:
    """`text`, inert, on one line of at most `width` columns."""
    line = " ⏎ ".join(inert(text[: 4 * width]).split("\n"))
    return line if cell_len(line) <= width else set_cell_size(line, max(0, width - 1)) + "…"


def share(value: float | None) -> str:
    """A number around 0 to 1 in four characters: ``.34``, ``1.0``, ``-.05``."""
    if value is None or math.isnan(value):
        return "-"
    text = f"{value:.2f}"
    if abs(value) >= 0.995:
        return f"{value:.1f}"
    return text.replace("0.", ".", 1).replace("-.00", ".00")


def percent(value: float | None) -> str:
    """A share as ``2.1%``."""
    if value is None or math.isnan(value):
        return "-"
    return f"{100 * value:.0f}%" if value >= 0.0995 else f"{100 * value:.1f}%"


def number(value: float | None) -> str:
    """Any measured number in about five characters."""
    if value is None or math.isnan(value):
        return "-"
    size = abs(value)
    if value and (size < 0.0005 or size >= 99_999.5):
        return f"{value:.0e}"
    return f"{value:.3f}" if 0 < size < 0.0995 else f"{value:.2f}" if size < 9.995 else f"{value:.0f}"


def rate(per_second: float | None) -> str:
    """``930`` or ``18.5k`` (per second)."""
    if per_second is None or math.isnan(per_second):
        return "-"
    return f"{per_second / 1000:.1f}k" if per_second >= 1000 else f"{per_second:.0f}"


def clock(seconds: float | None) -> str:
    """``00:03:05``."""
    if seconds is None or math.isnan(seconds):
        return "--:--:--"
    whole = max(0, int(seconds))
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def span(seconds: float | None) -> str:
    """``45s``, ``3m50``, ``2h05``."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m{whole % 60:02d}" if whole < 3600 else f"{whole // 3600}h{whole // 60 % 60:02d}"


def sparkline(values: Sequence[float | None], width: int, low: float | None = None, high: float | None = None) -> str:
    """The course of `values` in at most `width` characters; unknown ones are blank.

    Longer series are averaged over stretches of equal length. The scale runs from `low` to `high`, by default from the
    smallest to the largest of the averages; a flat line is drawn in the middle.
    """
    if width <= 0 or not values:
        return ""
    count = min(width, len(values))
    edges = [i * len(values) // count for i in range(count + 1)]
    points = [_mean(values[a:b]) for a, b in pairwise(edges)]
    known = [p for p in points if p is not None]
    if not known:
        return " " * count
    bottom, top = min(known) if low is None else low, max(known) if high is None else high
    return "".join(_block(point, bottom, top) for point in points)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None and math.isfinite(v)]
    return sum(known) / len(known) if known else None


def _block(value: float | None, bottom: float, top: float) -> str:
    if value is None:
        return " "
    if top - bottom <= 1e-12 * max(1.0, abs(top)):
        return BLOCKS[3]
    return BLOCKS[min(7, max(0, int(8 * (value - bottom) / (top - bottom))))]
