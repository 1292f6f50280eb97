"""Gymnasium spaces of texts. Needs the extra ``pettingzoo``."""

from __future__ import annotations

import random
import string
from itertools import islice
from typing import Any

import numpy as np
from gymnasium.spaces import Text

from selfplay.game import Game

LONGEST = 1_000_000
"""Characters in an observation or a reply."""
_LONGEST_SAMPLE = 32
_DEMOS_TRIED = 1000


class Observation(str):
    """A text that tells its dtype, as PettingZoo's own tests expect of everything that is observed."""

    dtype = np.dtype(str)


class AnyText(Text):  # type: ignore[misc, unused-ignore]
    """All texts, whatever their characters; samples are short and of printable ASCII."""

    def __init__(self) -> None:
        super().__init__(LONGEST, min_length=0, charset=string.digits + string.ascii_letters + string.punctuation + " ")

    def contains(self, x: Any) -> bool:
        return isinstance(x, str) and len(x) <= LONGEST

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        if mask is None and probability is None:
            mask = int(self.np_random.integers(_LONGEST_SAMPLE + 1)), None
        return str(super().sample(mask, probability))


class ReplyText(AnyText):
    """The replies of a role. Three of four samples are demonstrations of it, where the game offers any."""

    def __init__(self, game: Game, role: str) -> None:
        super().__init__()
        self._game, self._role = game, role

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        if mask is None and probability is None and self.np_random.random() < 0.75:
            rng = random.Random(int(self.np_random.integers(2**63)))
            for demo in islice(self._game.demos(rng), _DEMOS_TRIED):
                if demo.role == self._role:
                    return demo.reply
        return super().sample(mask, probability)
