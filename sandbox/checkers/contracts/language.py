"""The words of contract files, so that such a file also runs as plain Python, where they do nothing.

    from selfplay.sandbox.checkers.contracts import decreases, ensures, invariant, requires, result

    def root(n: int) -> int:
        requires(n >= 0)
        ensures(result * result <= n < (result + 1) * (result + 1))
        r = 0
        while (r + 1) * (r + 1) <= n:
            invariant(r * r <= n)
            decreases(n - r)
            r += 1
        return r

Python evaluates the arguments, and `result` does not exist yet when `ensures` is called: it is a stand-in that agrees
to everything. Where that is not enough (`a[result]` of an empty list), write ``ensures(lambda result: ...)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def requires(*conditions: object) -> None:
    """What the caller guarantees."""


def ensures(*conditions: object) -> None:
    """What holds of parameters (as they were at entry) and `result` on return."""


def invariant(*conditions: object) -> None:
    """What holds whenever the loop is about to test whether to go on."""


def decreases(*measure: object) -> None:
    """An int that is never negative and gets smaller with every iteration or call; several compare like a tuple."""


def implies(premise: object, conclusion: object) -> bool:
    """``not premise or conclusion``; the verifier reads the conclusion only where the premise holds."""
    return not premise or bool(conclusion)


def old(parameter: T) -> T:
    """The value that a parameter had at entry; in plain Python the present one."""
    return parameter


def spec(function: Callable[..., T]) -> Callable[..., T]:
    """Marks a function of one return expression that only specifications use."""
    return function


class _Agreeable:
    """Stands for the result before there is one: every operation gives it back, every comparison holds."""

    def _self(self, *_: object) -> Any:
        return self

    def _yes(self, *_: object) -> bool:
        return True

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = (
        _self
    )
    __pow__ = __neg__ = __abs__ = __getitem__ = __call__ = __getattr__ = _self
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__ = _yes
    __eq__ = __ne__ = _yes
    __hash__ = object.__hash__

    def __index__(self) -> int:
        return 0

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Any]:
        return iter(())


result: Any = _Agreeable()
"""The result of the function, inside `ensures`."""
