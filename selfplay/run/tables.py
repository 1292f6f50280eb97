"""Between the flat names of health metrics (``solver/foul_rate``) and the nested lines of ``metrics.jsonl``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

from selfplay.record.events import Metrics

_TOP = "batch"
_SIDES = ("canary", "notes", "balance")
"""Owners with a table of their own beside the roles."""
_COUNTS = ("matches", "tokens")
"""Per batch in the flat metrics, totals in the log."""


class Totals(Protocol):
    """Counts since the run began."""

    matches: int
    moves: int
    tokens: int
    wall_s: float


def metrics_line(
    numbers: Mapping[str, float], update: int, generation: int, totals: Totals, timing: Mapping[str, float]
) -> Metrics:
    """One line of ``metrics.jsonl``."""
    line: dict[str, Any] = {
        "update": update,
        "generation": generation,
        "wall_s": totals.wall_s,
        "matches": totals.matches,
        "moves": totals.moves,
        "tokens": totals.tokens,
        "roles": {},
        "timing": dict(timing),
    }
    for name, value in numbers.items():
        owner, _, what = name.rpartition("/")
        if owner == _TOP:
            if what not in _COUNTS:
                line[what] = value
        elif owner in _SIDES:
            line.setdefault(owner, {})[what] = value
        else:
            line["roles"].setdefault(owner, {})[what] = value
    return cast(Metrics, line)


def flatten(line: Mapping[str, Any]) -> dict[str, float]:
    """The flat metrics in a line, for rules and controllers."""
    flat = {f"{side}/{what}": value for side in _SIDES for what, value in line.get(side, {}).items()}
    for role, numbers in line["roles"].items():
        flat |= {f"{role}/{what}": value for what, value in numbers.items()}
    skip = {"update", "generation", "wall_s", "time", "moves", *_COUNTS}
    flat |= {f"{_TOP}/{k}": v for k, v in line.items() if isinstance(v, int | float) and k not in skip}
    return flat
