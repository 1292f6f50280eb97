"""Language models that improve by playing games against each other and against their own past.

A game is a short async script over roles; batching, rewards, training, leagues, logs and viewers are supplied by the
framework around it. Write one with `Game`, `Role` and `Match`; run one with `play`, `league` and `open_run`.

The public names below are imported on first use, so `import selfplay` costs nothing but the standard library.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "Demo",
    "Exam",
    "Example",
    "Expected",
    "Foul",
    "Game",
    "Match",
    "Message",
    "Move",
    "Outcome",
    "Role",
    "Sampling",
    "Task",
    "Verdict",
    "as_gymnasium",
    "as_pettingzoo",
    "check_game",
    "from_pettingzoo",
    "league",
    "learnability",
    "mask",
    "open_run",
    "penalty",
    "play",
    "retry",
]

# In a checkout envs/, roles/ and sandbox/ lie beside this folder; an installed wheel has them inside it.
_checkout = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if os.path.isfile(os.path.join(_checkout, "pyproject.toml")):
    __path__.append(_checkout)

_HOMES = {
    "selfplay.check": ("check_game",),
    "selfplay.game": ("Demo", "Exam", "Expected", "Foul", "Game", "Role", "mask", "penalty", "retry"),
    "selfplay.interop.gymnasium": ("as_gymnasium",),
    "selfplay.interop.pettingzoo": ("as_pettingzoo", "from_pettingzoo"),
    "selfplay.match": ("Match",),
    "selfplay.record": ("open_run",),
    "selfplay.rewards": ("learnability",),
    "selfplay.run": ("league", "play"),
    "selfplay.types": ("Example", "Message", "Move", "Outcome", "Sampling", "Task", "Verdict"),
}

if TYPE_CHECKING:
    from selfplay.check import check_game
    from selfplay.game import Demo, Exam, Expected, Foul, Game, Role, mask, penalty, retry
    from selfplay.interop.gymnasium import as_gymnasium
    from selfplay.interop.pettingzoo import as_pettingzoo, from_pettingzoo
    from selfplay.match import Match
    from selfplay.record import open_run
    from selfplay.rewards import learnability
    from selfplay.run import league, play
    from selfplay.types import Example, Message, Move, Outcome, Sampling, Task, Verdict
else:

    def __getattr__(name: str) -> object:
        for home, names in _HOMES.items():
            if name in names:
                value = globals()[name] = getattr(import_module(home), name)
                return value
        raise AttributeError(f"module 'selfplay' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
