"""Private chance for other people's code that draws from the global generators.

TextArena and many PettingZoo environments call `random.shuffle` or `numpy.random.choice`. Here such code runs with the
global generators of Python and numpy in a state of its own, which goes on from call to call; afterwards they are put
back exactly as they were, exceptions included. So matches in one process neither disturb each other nor anybody else.

The generators are lent to the calling thread's foreign code, but every thread sees them: what other threads draw from
the global generators meanwhile comes from the lent state, and is not reproducible. Nothing of ours does that.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Chance:
    """A state of the global generators, made from `seed`. A call costs about 0.2 ms, nearly all of it for numpy's."""

    def __init__(self, seed: int) -> None:
        import numpy as np

        self._python: tuple[Any, ...] = random.Random(seed).getstate()
        self._numpy: Any = np.random.RandomState(seed % 2**32).get_state()

    def lend(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``function(*args, **kwargs)`` with the global generators in this state."""
        import numpy as np

        python, numpy = random.getstate(), np.random.get_state()
        random.setstate(self._python)
        np.random.set_state(self._numpy)
        try:
            return function(*args, **kwargs)
        finally:
            self._python, self._numpy = random.getstate(), np.random.get_state()
            random.setstate(python)
            np.random.set_state(numpy)
