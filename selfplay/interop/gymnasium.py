"""Gymnasium: one role of a game as an environment, the other seats played by fixed opponents."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from selfplay.errors import MissingExtra, UnknownName, UsageError
from selfplay.game import Game
from selfplay.interop.turns import as_game
from selfplay.run.players import make_players, seat_map
from selfplay.types import Sampling

if TYPE_CHECKING:
    from selfplay.interop.role_env import RoleEnv


def as_gymnasium(
    game: str | Game | type[Game],
    role: str,
    opponents: str | Mapping[str, str] = "random",
    *,
    root: str | Path = "runs",
    sampling: Sampling | None = None,
    render_mode: str | None = None,
) -> RoleEnv:
    """One seat of a game as a `gymnasium.Env` of texts.

        env = selfplay.as_gymnasium("hidden_number", "guesser", "scripted:truthful")

    Args:
        game: registered id, ``path/to/file.py:Class``, or a game.
        role: whose replies are the actions; a seat's name where the role has several, such as ``poet#1``.
        opponents: player of all other seats, or seat or role -> player (see `selfplay.run.players`); those left out
            are played by ``random``.
        root: where runs are looked for, for players such as ``last@best``.
        sampling: of the opponents; the default suits the tiny models.
        render_mode: ``ansi`` or none.

    Raises:
        MissingExtra: gymnasium is not installed.
        UnknownName: an unknown game, role, seat or player.
        UsageError: a role of several seats.
    """
    if find_spec("gymnasium") is None:
        raise MissingExtra("as_gymnasium", "pettingzoo")
    from selfplay.interop.role_env import RoleEnv

    rules = as_game(game)
    seat = _seat(rules, role)
    given = dict.fromkeys(rules.seats(), opponents) if isinstance(opponents, str) else dict(opponents)
    wanted = {other: player or "random" for other, player in seat_map(rules, given).items() if other != seat}
    players = make_players({**given, **wanted}, rules, root=root, sampling=sampling or Sampling(max_tokens=64))
    return RoleEnv(rules, seat, {other: players[player] for other, player in wanted.items()}, render_mode)


def _seat(game: Game, role: str) -> str:
    if role in game.seats():
        return role
    if role not in game.roles:
        raise UnknownName("role", role, game.roles, f"in game {game.name()}")
    seats = game.roles[role].seats
    raise UsageError(f"{role} has {len(seats)} seats\n  name one: {', '.join(seats)}")
