"""A game in plain values: roles, settings with their docstrings, bots, exam."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import Any

from selfplay.game import FoulPolicy, Game
from selfplay.types import Json


def describe(game: Game) -> dict[str, Json]:
    """Everything about a game that a player or recipe wants to know, as plain values."""
    exam = game.exam()
    return {
        "id": game.name(),
        "about": about(type(game)),
        "roles": {
            name: {
                "seats": list(role.seats),
                "instructions": role.instructions,
                "foul": _foul(role.foul),
                "max_tokens": role.max_tokens,
            }
            for name, role in game.roles.items()
        },
        "settings": {
            name: {"type": _type(hint), "default": game.settings()[name], "about": _meaning(type(game), name)}
            for name, hint in game.setting_types().items()
        },
        "bots": sorted(game.bots),
        "demos": _has_demos(game),
        "exam": exam and {"role": exam.role, "levels": {level: len(tasks) for level, tasks in exam.levels.items()}},
        "zero_sum": game.zero_sum,
        "result_range": list(game.result_range),
    }


def about(game: type[Game]) -> str:
    """The first line of a game's docstring, or of its module's."""
    text = game.__doc__ if game.__doc__ != Game.__doc__ else None
    module = inspect.getmodule(game)
    return ((text or (module and module.__doc__) or "").strip().splitlines() or [""])[0]


def _foul(policy: FoulPolicy) -> str:
    cost = "masked" if policy.reward is None else f"{policy.reward:g}"
    tries = "one more try" if policy.retries == 1 else f"{policy.retries} more tries"
    return f"{cost} after {tries}" if policy.retries else cost


def _type(hint: Any) -> str:
    is_plain = isinstance(hint, type) and not hasattr(hint, "__args__")
    return hint.__name__ if is_plain else str(hint).replace("typing.", "")


def _has_demos(game: Game) -> bool:
    from random import Random

    return next(iter(game.demos(Random(0))), None) is not None


def _meaning(game: type[Game], name: str) -> str:
    """The docstring below a setting, if there is one."""
    for owner in game.__mro__:
        if name not in inspect.get_annotations(owner):
            continue
        try:
            (body,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        except (OSError, SyntaxError, ValueError):
            return ""
        for line, below in pairwise(getattr(body, "body", ())):
            is_it = isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.target.id == name
            if is_it and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                return " ".join(str(below.value.value).split())
    return ""
