"""Every error this package raises on purpose.

    SelfplayError
    |- UsageError            the person asked for something impossible; nothing was started (exit code 2)
    |  |- UnknownName        a game, role, seat, player or recipe key nobody knows (offers the nearest names)
    |  |- MissingExtra       an optional package is not installed (names the command that installs it)
    |- RunError              work had started and could not go on (exit code 1)
    |- GameError             a game broke the rules of this framework; becomes a record, never a crash
    |  |- GameHung           `play` computed for too long without awaiting anything
    |  |- GameEndless        `play` went on for more steps than the match allows
    |- NoVerdict             somebody asked "did it pass?" of a check that could not tell

An error message says what failed, the value and where it came from, what was allowed, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager


class SelfplayError(Exception):
    """Base of all errors raised on purpose; its text is meant for a person and needs no traceback."""

    exit_code = 1


class UsageError(SelfplayError):
    """Wrong input, found before any work started."""

    exit_code = 2


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """`` - did you mean 'kept'?``, or nothing if no known name is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" - did you mean {near[0]!r}?" if near else ""


class UnknownName(UsageError):
    """A name that is not among the known ones.

    Args:
        kind: what was looked up, for example ``"game"``.
        name: the name as given.
        known: the names that would have been accepted.
        hint: what to do next, one sentence.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        text = f"unknown {kind} {name!r}{did_you_mean(name, self.known)}"
        if self.known:
            text += f"\n  known: {', '.join(self.known)}"
        super().__init__(text + (f"\n  {hint}" if hint else ""))

    def __reduce__(self) -> tuple[type[UnknownName], tuple[str, str, list[str]]]:
        return (type(self), (self.kind, self.name, self.known))


class MissingExtra(UsageError):
    """An optional package is needed; the message is the command that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional package\n  install it with: pip install 'selfplay[{extra}]'")


@contextmanager
def comes_from(where: str) -> Iterator[None]:
    """Inside it, a `UsageError` is given a note that says where the wrong value came from."""
    try:
        yield
    except UsageError as error:
        error.add_note(f"  from {where}")
        raise


class RunError(SelfplayError):
    """A run that had started could not go on; what it had finished is in the run folder."""


class GameError(SelfplayError):
    """A game did something the engine cannot carry out (an illegal await, a reward that is not a number)."""


class GameHung(GameError):
    """`play` computed longer than the engine's step limit without awaiting a `match` verb."""


class GameEndless(GameError):
    """`play` took more steps than the engine's limit for one match."""


class NoVerdict(SelfplayError):
    """A truth value was asked of a verdict that has none; see `selfplay.types.Outcome.NO_VERDICT`."""
