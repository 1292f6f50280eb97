"""When a program's answer counts as the expected one: a policy that each task names.

    Exact      the same types and values (the default)
    Numeric    numbers within a tolerance, everything else exact
    Unordered  a list, tuple or set of the same items, in any order
    Lines      the same lines, spaces at their ends aside (whole outputs of programs)
    Tokens     the same words, however they are spaced (whole outputs of programs)
    Custom     what a trusted function says

What all but `Custom` have in common: a bool is never a number, -0.0 is 0.0, and NaN is nothing, not even NaN, unless
the policy says `nan_equal`. The answer comes from `values.decode`, so it is built from plain types within limits; the
policies compare it in time that grows with its size (times its logarithm), whatever was chosen to slow them down.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from selfplay.sandbox.inside.values import encode


class Comparator(Protocol):
    """Decides whether `answer` is as good as `expected`. Its `repr` tells it from every other (it is part of the name
    under which verdicts are kept)."""

    def same(self, expected: object, answer: object) -> bool: ...


@dataclass(frozen=True)
class Exact:
    """The same types all the way down: a list is no tuple, 1 is not 1.0 and not True."""

    floats: bool = False
    """The task is about floats: an int counts as the float that equals it."""
    nan_equal: bool = False

    def same(self, expected: object, answer: object) -> bool:
        wanted, given = self.canonical(expected), self.canonical(answer)
        return wanted is not None and wanted == given

    def canonical(self, value: object) -> str | None:
        """A text that two values share if and only if they are the same; `None` if the value is the same as none."""
        try:
            return self._text(value)
        except _HoldsNan:
            return None

    def _text(self, value: object) -> str:
        if isinstance(value, float):
            return self._float(value)
        if isinstance(value, list | tuple):
            return f"{type(value).__name__}({','.join(map(self._text, value))})"
        if isinstance(value, set):
            return f"set({','.join(sorted(map(self._text, value)))})"
        if isinstance(value, dict):
            return f"dict({','.join(sorted(f'{self._text(k)}:{self._text(v)}' for k, v in value.items()))})"
        return encode(value)  # quoted, so no value looks like the text of another

    def _float(self, value: float) -> str:
        if math.isnan(value) and not self.nan_equal:
            raise _HoldsNan
        if self.floats and value.is_integer():
            return encode(int(value))
        return encode(value or 0.0)


@dataclass(frozen=True)
class Numeric:
    """Numbers may differ by `abs`, or by the share `rel` of the larger one; int or float does not matter.

    Keys of dicts and elements of sets are compared exactly.
    """

    rel: float = 1e-9
    abs: float = 0.0
    nan_equal: bool = False

    def same(self, expected: object, answer: object) -> bool:
        if _is_number(expected) and _is_number(answer):
            return self._close(expected, answer)  # type: ignore[arg-type] # is_number says so
        if type(expected) is not type(answer):
            return False
        if isinstance(expected, list | tuple) and isinstance(answer, list | tuple):
            return len(expected) == len(answer) and all(map(self.same, expected, answer))
        if isinstance(expected, dict) and isinstance(answer, dict):
            return _KEYS.same(set(expected), set(answer)) and all(self.same(expected[k], answer[k]) for k in expected)
        return Exact(nan_equal=self.nan_equal).same(expected, answer)

    def _close(self, one: float, other: float) -> bool:
        if one == other:
            return True
        if one != one or other != other:  # math.isnan fails for ints that no float can hold
            return self.nan_equal and one != one and other != other
        try:
            return math.isclose(one, other, rel_tol=self.rel, abs_tol=self.abs)
        except OverflowError:  # an int that no float can hold is close to itself only
            return False


_KEYS = Exact()


def _is_number(value: object) -> bool:
    return type(value) is int or type(value) is float


@dataclass(frozen=True)
class Unordered:
    """The same items, each as often, whatever their order; the outer types (list, tuple, set) agree."""

    items: Exact = Exact()

    def same(self, expected: object, answer: object) -> bool:
        if not isinstance(expected, list | tuple | set) or type(expected) is not type(answer):
            return self.items.same(expected, answer)
        wanted, given = ([self.items.canonical(item) for item in each] for each in (expected, answer))
        return None not in wanted and None not in given and sorted(wanted) == sorted(given)  # type: ignore[type-var]


@dataclass(frozen=True)
class Lines:
    """The same lines. Blanks at the end of a line and empty lines at the end do not count."""

    def same(self, expected: object, answer: object) -> bool:
        return isinstance(answer, str) and isinstance(expected, str) and _lines(expected) == _lines(answer)


def _lines(text: str) -> list[str]:
    lines = [line.rstrip(" \t\r") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


@dataclass(frozen=True)
class Tokens:
    """The same words in the same order, whatever blanks and line ends are between them."""

    def same(self, expected: object, answer: object) -> bool:
        return isinstance(answer, str) and isinstance(expected, str) and expected.split() == answer.split()


@dataclass(frozen=True)
class Custom:
    """What a function of the task's author says. It runs in the trusted parent: it must not evaluate the answer, and
    must be done in milliseconds. If it raises, the answer is not the expected one: only the answer can be at fault,
    because a task makes sure that the function finds every expected value as good as itself."""

    name: str
    """Another function has another name."""
    function: Callable[[object, object], bool]

    def same(self, expected: object, answer: object) -> bool:
        try:
            return self.function(expected, answer) is True
        except Exception:
            return False

    def __repr__(self) -> str:
        return f"Custom({self.name!r})"


class _HoldsNan(Exception):
    """Somewhere in a value there is a NaN, which equals nothing."""
