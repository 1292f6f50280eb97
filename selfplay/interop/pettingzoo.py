"""PettingZoo, both ways: our games as its environments, and its environments as Games.

    env = selfplay.as_pettingzoo("countdown")                        an AECEnv of texts
    ConnectFour = selfplay.from_pettingzoo(connect_four_v3.env)      a Game class
    selfplay play pettingzoo:classic.connect_four_v3                 the same, by name

A name is one that is registered with PettingZoo, or any module that can be imported and has a function `env` or
`parallel_env` (``mpe2.simple_spread_v3``); ``classic.rps_v2:parallel_env`` picks one of both.
How the environments become text: `selfplay.interop.words`. Needs the extra ``pettingzoo``; importing this does not.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from selfplay.errors import MissingExtra, UnknownName, UsageError
from selfplay.game import FoulPolicy, Game, penalty
from selfplay.interop.turns import as_game

if TYPE_CHECKING:
    from selfplay.interop.game_env import GameEnv
    from selfplay.interop.words import Words

EXTRA = "pettingzoo"
MAKERS = ("env", "parallel_env")


def as_pettingzoo(game: str | Game | type[Game], *, render_mode: str | None = None) -> GameEnv:
    """A game as an `AECEnv` whose agents are its seats; see `selfplay.interop.game_env.GameEnv`.

    Args:
        game: registered id, ``path/to/file.py:Class``, or a game.
        render_mode: ``ansi`` or none.

    Raises:
        MissingExtra: PettingZoo is not installed.
        UnknownName: an unknown game.
    """
    _need("as_pettingzoo")
    from selfplay.interop.game_env import GameEnv

    return GameEnv(as_game(game), render_mode)


def from_pettingzoo(
    env_fn: Callable[..., Any],
    *,
    name: str = "",
    words: Words | None = None,
    foul: FoulPolicy = penalty(-1.0),  # noqa: B008 - frozen
) -> type[Game]:
    """An AEC or Parallel environment as a Game; see `selfplay.interop.zoo_game.ZooGame`.

    Args:
        env_fn: makes the environment; called once here, and once for every match.
        name: the game's id; by default the name that the environment gives itself.
        words: how observations and actions are told; by default those of `selfplay.interop.words.words_for`.
        foul: what a reply costs that is no legal move.

    Raises:
        MissingExtra: PettingZoo is not installed.
        UsageError: what `env_fn` makes cannot be played by text: it is no environment of PettingZoo, does not know its
            agents beforehand, or has actions that are neither discrete nor texts.
    """
    _need("from_pettingzoo")
    from selfplay.interop.zoo_game import zoo_game

    return zoo_game(env_fn, name=name, words=words, foul=foul)


@functools.cache
def pettingzoo_game(name: str) -> type[Game]:
    """The door ``pettingzoo:NAME``; errors as in `from_pettingzoo`.

    Raises:
        UnknownName: there is no such environment.
    """
    _need(f"game pettingzoo:{name}")
    path, _, maker = name.partition(":")
    module = _module(path)
    found = [each for each in MAKERS if hasattr(module, each)]
    if not found:
        raise UsageError(f"{module.__name__} has no function {' or '.join(MAKERS)}, so it is no environment")
    if maker and maker not in found:
        raise UnknownName(f"maker of {path}", maker, found)
    return from_pettingzoo(getattr(module, maker or found[0]), name=f"pettingzoo:{name}")


def environments() -> dict[str, str]:
    """Name -> module of all environments registered with PettingZoo, whether or not what they need is installed."""
    from pettingzoo.env_registry.registration import aec_registry, parallel_registry

    points = {id: spec.entry_point for id, spec in (parallel_registry | aec_registry).items()}
    return {
        re.sub(r"-(v[0-9]+)$", r"_\1", id).replace("/", "."): point.partition(":")[0]
        for id, point in points.items()
        if isinstance(point, str)
    }


def _module(path: str) -> ModuleType:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # pygame greets on standard output
    known = environments().get(path)
    hint = "or a module that can be imported, such as mpe2.simple_spread_v3"
    try:
        return import_module(known or path)
    except ImportError as error:
        if known is None and f"{path}.".startswith(f"{error.name}."):
            raise UnknownName("environment of PettingZoo", path, environments(), hint) from None
        needs = f"what it needs: pip install 'pettingzoo[{path.partition('.')[0]}]'" if known else "is it complete?"
        raise UsageError(f"pettingzoo:{path} cannot be imported: {error}\n  {needs}") from error
    except (TypeError, ValueError):  # "" and "..x" are no module names at all
        raise UnknownName("environment of PettingZoo", path, environments(), hint) from None


def _need(what: str) -> None:
    if find_spec("pettingzoo") is None:
        raise MissingExtra(what, EXTRA)
