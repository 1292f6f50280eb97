"""Players by name, the same words everywhere (``--seat``, recipes, `selfplay.play`).

    human              the person at the terminal
    random             the game's random bot
    scripted:NAME      one of the game's bots
    tiny:FAMILY        a built-in tiny model, or ``tiny:FOLDER`` with one you made
    hf:PATH_OR_ID      any transformers causal language model
    openai:MODEL@URL   a model behind an OpenAI-compatible endpoint; without ``@URL`` OpenAI's own
    RUN@best           a snapshot of a run: ``best``, ``last`` or ``gen-7``; RUN as in `selfplay show`
    RUN@best/proposer  of a run whose roles have weights of their own, another role's than the examined one

To add a kind of player: a function from what follows the colon to a policy, in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from selfplay.errors import MissingExtra, UnknownName, UsageError
from selfplay.game import Game, role_of
from selfplay.policies.api import Endpoints
from selfplay.types import Player, Policy, Sampling

if TYPE_CHECKING:
    from selfplay.policies.hf import LocalPolicy
    from selfplay.record.run import Run


@dataclass(frozen=True, slots=True)
class Setup:
    """What players are made for."""

    game: Game
    root: str | Path = "runs"
    """Where runs are looked for."""
    device: str = "auto"
    dtype: str = "auto"
    threads: int = 0
    """CPU threads for torch; 0 leaves them as they are."""
    batch_size: int = 0
    endpoints: Endpoints = field(default_factory=Endpoints)
    """What players behind endpoints share: limits, prices, the account."""


def make_players(
    seats: Mapping[str, str],
    game: Game,
    *,
    root: str | Path = "runs",
    sampling: Sampling | None = None,
    device: str = "auto",
    threads: int = 0,
    endpoints: Endpoints | None = None,
) -> dict[str, Player]:
    """The players that take these seats, by name; the name of a player is its specification.

    Args:
        seats: seat or role -> specification.
        game: what they will play.
        endpoints: limits, prices and account of ``openai:`` players.

    Raises:
        UnknownName: an unknown seat, kind of player, bot, family, run or snapshot.
        UsageError: a model that cannot be loaded, an endpoint without a key.
        MissingExtra: a model is asked for and torch, transformers or openai is not installed.
    """
    known = {*game.seats(), *game.roles}
    for seat in seats:
        if seat not in known:
            raise UnknownName("seat", seat, game.seats(), f"seats of game {game.name()}")
    setup = Setup(game, root, device, "auto", threads, endpoints=endpoints or Endpoints())
    return {spec: Player(spec, make_policy(spec, setup), sampling or Sampling()) for spec in seats.values()}


def seat_map(game: Game, players: Mapping[str, str]) -> dict[str, str]:
    """Seat -> player, from a mapping that may name roles instead of seats."""
    return {seat: players.get(seat, players.get(role_of(seat), "")) for seat in game.seats()}


def make_policy(spec: str, setup: Setup) -> Policy:
    """The policy behind a player's specification; errors as in `make_players`."""
    kind, colon, rest = spec.partition(":")
    if colon and kind in KINDS:
        return KINDS[kind](rest, setup)
    if spec in ("human", "random"):
        return KINDS[spec]("", setup)
    if "@" in spec:
        return _snapshot(spec, setup)
    hint = "or a snapshot such as last@best"
    raise UnknownName("player", spec, [k if k in ("human", "random") else f"{k}:..." for k in KINDS], hint)


def model_policy(spec: str, setup: Setup) -> LocalPolicy:
    """A policy that can be trained.

    Raises:
        UsageError: the specification names no local model.
    """
    from selfplay.policies.hf import LocalPolicy

    policy = make_policy(spec, setup)
    if not isinstance(policy, LocalPolicy):
        raise not_local(spec)
    return policy


def not_local(spec: str) -> UsageError:
    """The error for a player that cannot be trained."""
    return UsageError(f"{spec!r} is not a local model\n  expected tiny:FAMILY, hf:PATH_OR_ID or RUN@best")


def _human(rest: str, setup: Setup) -> Policy:
    from selfplay.policies.human import HumanPolicy

    return HumanPolicy()


def _random(rest: str, setup: Setup) -> Policy:
    return _scripted("random", setup)


def _scripted(rest: str, setup: Setup) -> Policy:
    from selfplay.policies.bots import ScriptedPolicy

    return ScriptedPolicy(rest, setup.game)


def _tiny(rest: str, setup: Setup) -> Policy:
    need_models(f"tiny:{rest}")
    from selfplay.tiny import load_tiny

    return load_tiny(rest, rows=setup.batch_size or None, threads=setup.threads or None)


def _hf(rest: str, setup: Setup) -> Policy:
    need_models(f"hf:{rest}")
    from selfplay.policies.loading import load_hf

    return load_hf(
        rest, device=setup.device, dtype=setup.dtype, rows=setup.batch_size or None, threads=setup.threads or None
    )


def _openai(rest: str, setup: Setup) -> Policy:
    return setup.endpoints.policy(rest)


def _snapshot(spec: str, setup: Setup) -> Policy:
    return _hf(str(snapshot_path(spec, setup.root)), setup)


def pinned(spec: str, root: str | Path = "runs") -> str:
    """A player's specification that means the same tomorrow: ``last@best`` becomes ``3f2a@gen-7``.

    Raises:
        UnknownName: no such run or snapshot.
    """
    if "@" not in spec or spec.partition(":")[0] in KINDS:
        return spec
    run, which, role = _find_snapshot(spec, root)
    return f"{run.info.id}@{which}{role and '/'}{role}"


def snapshot_path(spec: str, root: str | Path = "runs") -> Path:
    """The folder of a snapshot given as ``RUN@best``, ``RUN@last``, ``RUN@gen-7`` or ``RUN@best/ROLE``.

    Raises:
        UnknownName: no such run, snapshot or role.
    """
    run, which, role = _find_snapshot(spec, root)
    folder = run.folder.snapshot(int(which.removeprefix("gen-")))
    inner = sorted(path.name for path in folder.iterdir() if path.is_dir()) if role and folder.is_dir() else []
    if role and role not in inner:
        raise UnknownName(
            f"weights in snapshot {which} of run {run.path.name}", role, inner, f"or {run.info.id}@{which}"
        )
    return folder / role


def _find_snapshot(spec: str, root: str | Path) -> tuple[Run, str, str]:
    """The run, which of its snapshots (``gen-7``), and whose weights in it (empty: the snapshot's own)."""
    from selfplay.record.run import open_run

    name, _, which = spec.rpartition("@")
    which, _, role = which.partition("/")
    run = open_run(name, root)
    taken = run.snapshots
    known = [f"gen-{event['generation']}" for event in taken]
    if not taken:
        raise UsageError(f"run {run.path.name} has no snapshot yet")
    if which == "last":
        which = known[-1]
    elif which == "best":
        scored = [event for event in taken if event["score"] is not None] or taken
        which = f"gen-{max(scored, key=lambda e: (e['score'] or 0.0, -e['update']))['generation']}"
    if which not in known:
        raise UnknownName(f"snapshot of run {run.path.name}", which, ["best", "last", *known])
    return run, which, role


def need_models(what: str) -> None:
    """Raises: MissingExtra: torch or transformers is not installed."""
    from importlib.util import find_spec

    if find_spec("torch") is None or find_spec("transformers") is None:
        raise MissingExtra(f"player {what}", "hf")


KINDS: dict[str, Callable[[str, Setup], Policy]] = {
    "human": _human,
    "random": _random,
    "scripted": _scripted,
    "tiny": _tiny,
    "hf": _hf,
    "openai": _openai,
}
