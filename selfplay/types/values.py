"""What may be logged: JSON values, finite numbers, and where in a match something happened."""

from __future__ import annotations

from typing import Any

from selfplay.errors import GameError

Json = Any
"""Whatever `json.dumps` takes: the type of tasks, published items, notes and tool results."""


Path = tuple[int, ...]
"""Where in a match something happened: step numbers, and branch numbers under `gather`; sorts in playing order. What is
no step itself (a note) has the path of the step that follows it."""


def finite(value: float | None, what: str) -> float | None:
    """`value` as a float.

    Raises:
        GameError: it is not a finite number.
    """
    if value is None:
        return None
    number = float(value)
    if number - number != 0.0:  # nan and both infinities
        raise GameError(f"{what} is {value!r}; a finite number or None was expected")
    return number


def plain(value: Json, what: str) -> Json:
    """A copy of `value` in plain JSON values (a tuple becomes a list), so that what is recorded cannot change later.

    Raises:
        GameError: JSON cannot hold it.
    """
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and value - value == 0.0:
        return value
    if isinstance(value, list | tuple):
        return [plain(item, what) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain(item, what) for key, item in value.items()}
    raise GameError(
        f"{what} holds {value!r:.80} ({type(value).__name__}); plain JSON values were expected: "
        "None, bool, int, finite float, str, list, dict with str keys"
    )
