"""Private chance for other people's code that draws from the global generators.

TextArena and many PettingZoo environments call `random.shuffle` or `numpy.random.choice`. Here such code runs with the
global generators of Python and numpy in a state of its own, which goes on from call to call; afterwards they are put
back exactly as they were, exceptions included. So matches in one process neither disturb each other nor anybody else.

The generators are lent to the calling thread's foreign code, but every thread sees them: what other threads draw from
the global generators meanwhile comes from the lent state, and is not reproducible. Nothing of ours does that.

Both generators are Mersenne twisters. To ask for and set their states takes 0.1 ms a call, more than most environments
take for a step; their memory is copied in 1 us. numpy publishes where it is; where CPython has it is found out, and the
slow way is taken where that fails or numpy's generator is another.
"""

from __future__ import annotations

import ctypes
import functools
import random
import struct
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_BYTES = 4 * 625
"""A Mersenne twister: 624 words and the position in them."""
_GLOBAL: Any = random._inst


class Chance:
    """A state of the global generators, made from `seed`. Of normal deviates made in pairs, no half outlives a call."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._states: tuple[Any, bytes] | None = None

    def lend(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``function(*args, **kwargs)`` with the global generators in this state."""
        python, numpy = _python_state(), _Numpy()
        if self._states is None:
            random.seed(self._seed)
            numpy.random.seed(self._seed % 2**32)
        else:
            _set_python_state(self._states[0])
            numpy.load(self._states[1])
        try:
            return function(*args, **kwargs)
        finally:
            _GLOBAL.gauss_next = None
            self._states = _python_state(), numpy.lent()
            _set_python_state(python)
            numpy.put_back()


@functools.cache
def _python_address() -> int:
    """Where CPython keeps the state of `random`'s generator: the position, then the words. 0 if that is not so."""
    start = object.__basicsize__
    if sys.implementation.name != "cpython" or type(_GLOBAL).__basicsize__ < start + _BYTES:
        return 0
    position, *words = struct.unpack("625I", ctypes.string_at(id(_GLOBAL) + start, _BYTES))
    return id(_GLOBAL) + start if random.getstate()[1] == (*words, position) else 0


def _python_state() -> Any:
    address = _python_address()
    return (ctypes.string_at(address, _BYTES), _GLOBAL.gauss_next) if address else random.getstate()


def _set_python_state(state: Any) -> None:
    if len(state) == 2:
        ctypes.memmove(_python_address(), state[0], _BYTES)
        _GLOBAL.gauss_next = state[1]
    else:
        random.setstate(state)


@functools.cache
def _ours() -> Any:
    """The bit generator that numpy's global one is exchanged for."""
    from numpy.random import MT19937

    return MT19937(0)


class _Numpy:
    """numpy's global generator, exchanged for ours until it is put back.

    What no memory tells is whether half of a pair of normal deviates is still to be handed out. Drawing one does: if it
    was, the bits stay as they are.
    """

    __slots__ = ("_bits", "_half", "_theirs", "random")

    def __init__(self) -> None:
        import numpy

        random: Any = numpy.random
        self.random = random
        self._theirs: Any = random.get_bit_generator()
        self._half: float | None = None
        self._bits = b""
        if type(self._theirs) is random.MT19937:
            self._bits = _bits(self._theirs)
            half = random.standard_normal()
            self._half = half if _bits(self._theirs) == self._bits else None
        else:
            state: Any = random.get_state(legacy=False)
            self._half = state["gauss"] if state["has_gauss"] else None
        random.set_bit_generator(_ours())

    def load(self, bits: bytes) -> None:
        ctypes.memmove(_ours().ctypes.state_address, bits, _BYTES)

    def lent(self) -> bytes:
        return _bits(_ours())

    def put_back(self) -> None:
        random = self.random
        random.set_bit_generator(self._theirs)
        if self._bits:
            ctypes.memmove(self._theirs.ctypes.state_address, self._bits, _BYTES)
        if self._half is not None:
            state: Any = random.get_state(legacy=False)
            random.set_state({**state, "has_gauss": 1, "gauss": self._half})


def _bits(generator: Any) -> bytes:
    return ctypes.string_at(generator.ctypes.state_address, _BYTES)
