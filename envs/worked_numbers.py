"""Whole numbers that remember how they were worked out: what ``x*n`` is for 3 and 2, they say as ``3*2``.

    >>> sum([Worked(3) * 2, Worked(5) * 2])
    3*2+5*2

For demonstrations of tests: ``assert f([3, 5], 2) == 3*2+5*2`` is how people write them, and leaves the arithmetic, at
which small models are bad, to Python. They are ints in all else: compared, sorted, counted and picked by what they are.
"""

from __future__ import annotations

from typing import Self


class Worked(int):
    """An int that prints as the sum, difference, product, quotient or remainder that it was made by."""

    text: str

    def __new__(cls, value: int, text: str | None = None) -> Self:
        number = super().__new__(cls, value)
        number.text = text or str(int(value))
        return number

    def __repr__(self) -> str:
        return self.text

    def __add__(self, other: int) -> Self:
        return type(self)(int(self) + int(other), f"{self}+{_after_plus(other)}")

    def __radd__(self, other: int) -> Self:
        if other == 0:  # what `sum` begins with
            return self
        return type(self)(int(other) + int(self), f"{other}+{_after_plus(self)}")

    def __sub__(self, other: int) -> Self:
        return type(self)(int(self) - int(other), f"{self}-{_within(other)}")

    def __mul__(self, other: int) -> Self:
        return type(self)(int(self) * int(other), f"{_within(self)}*{_within(other)}")

    def __floordiv__(self, other: int) -> Self:
        return type(self)(int(self) // int(other), f"{_within(self)}//{_within(other)}")

    def __mod__(self, other: int) -> Self:
        return type(self)(int(self) % int(other), f"{_within(self)}%{_within(other)}")


def _after_plus(number: int) -> str:
    """The text of a number that is added."""
    text = repr(number)
    return f"({text})" if text.startswith("-") else text


def _within(number: int) -> str:
    """The text of a number inside another's."""
    text = repr(number)
    return text if text.isdigit() else f"({text})"
