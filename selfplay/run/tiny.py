"""Making a tiny model for games that offer demonstrations, and measuring it on those games."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from selfplay.errors import UsageError
from selfplay.game import Demo, Foul, Game
from selfplay.record.info import git_state
from selfplay.run.evaluate import evaluate
from selfplay.seeds import derive, rng
from selfplay.types import Json, Player, Request, Sampling

if TYPE_CHECKING:
    from selfplay.policies.hf import LocalPolicy
    from selfplay.tiny.make import Card
    from selfplay.tiny.model import Shape

PROBES = 500
"""Replies per role by which a card's parse rates are measured."""
PARSES = 0.95
"""Share of replies of every role that must parse before a model may know enough."""
GLANCE = 100
"""Replies per role, and exam tasks per level, by which that is judged while the model is made."""


def make_family(
    games: Sequence[Game],
    out: Path,
    *,
    name: str,
    steps: int | None = None,
    rows: int = 256,
    lr: float = 2e-3,
    seed: int = 0,
    shape: Shape | None = None,
    exam_tasks: int = 200,
    until: float | None = None,
    on_progress: Callable[[int, int, float], None] | None = None,
) -> Card:
    """Warm-start a tiny model on the demonstrations of `games`, evenly mixed, and write it to folder `out`.

    Args:
        games: each must offer demonstrations (`Game.demos`).
        name: of the family.
        steps: of training; the default is that of `tiny:countdown`.
        rows: demonstrations in each step.
        lr: peak learning rate; small networks bear 5e-3.
        shape: of the network; the default is that of `tiny:countdown`.
        exam_tasks: held-out tasks per level for the card.
        until: end as soon as every role's replies parse and the mean held-out solve rate over the games is this much,
            so that something is left to learn. Games without an exam only need to parse.
        on_progress: called with (step, steps, loss).

    Raises:
        UsageError: a game offers no demonstrations.
        MissingExtra: torch or transformers is not installed.
    """
    from selfplay.run.players import need_models

    need_models("making a tiny model")
    from selfplay.tiny.make import STEPS, make_tiny

    def scores(policy: LocalPolicy) -> dict[str, Json]:
        return {game.name(): score(policy, game, seed, exam_tasks) for game in games}

    def knows_enough(policy: LocalPolicy) -> bool:
        if any(min(parse_rates(policy, game, seed, GLANCE).values()) < PARSES for game in games):
            return False
        exams = [game for game in games if game.exam() is not None]
        rates = [evaluate(Player("tiny", policy), game, tasks=GLANCE).mean for game in exams]
        return until is not None and sum(rates) >= until * len(exams)

    state = git_state(Path.cwd()) or {}
    return make_tiny(
        mixed_demos(games, seed),
        name=name,
        out=out,
        steps=steps or STEPS,
        batch=rows,
        lr=lr,
        seed=seed,
        shape=shape,
        games=[game.name() for game in games],
        commit=state.get("commit") or "",
        evaluate=scores,
        enough=None if until is None else knows_enough,
        on_progress=on_progress,
    )


def mixed_demos(games: Sequence[Game], seed: int) -> Iterator[Demo]:
    """Demonstrations of all games in turn, endlessly.

    Raises:
        UsageError: a game offers none.
    """
    streams = []
    for game in games:
        stream = game.demos(rng(seed, "demos", game.name()))
        first = next(stream, None)
        if first is None:
            raise UsageError(
                f"game {game.name()} offers no demonstrations\n  give it a `demos` method (docs/writing-a-game.md)"
            )
        streams.append(itertools.chain([first], stream))
    for stream in itertools.cycle(streams):
        demo = next(stream, None)
        if demo is None:
            return
        yield demo


def score(policy: LocalPolicy, game: Game, seed: int, exam_tasks: int) -> dict[str, Json]:
    """What a model can do in a game: share of replies that parse, per role, and held-out solve rates."""
    found: dict[str, Json] = {"parses": parse_rates(policy, game, seed)}
    if game.exam() is not None:
        result = evaluate(Player("tiny", policy), game, tasks=exam_tasks)
        found["held_out"] = {level: round(rate, 4) for level, rate in result.rates.items()}
        found["held_out_mean"] = round(result.mean, 4)
    return found


def parse_rates(policy: LocalPolicy, game: Game, seed: int, probes: int = PROBES) -> dict[str, float]:
    """Role -> share of sampled replies (temperature 1) to fresh demonstration prompts that the role can parse."""
    wanted: dict[str, list[Demo]] = {role: [] for role in game.roles}
    for demo in itertools.islice(game.demos(rng(seed, "probe", game.name())), probes * 20):
        if len(wanted[demo.role]) < probes:
            wanted[demo.role].append(demo)
    rates = {}
    for role, demos in wanted.items():
        requests = [
            Request(role, role, None, demo.messages, Sampling(max_tokens=128), (derive(seed, "probe", role, i),), i)
            for i, demo in enumerate(demos)
        ]
        replies = [completions[0].text for completions in policy.complete(requests)] if requests else []
        good = sum(_parses(game, role, reply) for reply in replies)
        rates[role] = round(good / len(replies), 4) if replies else 0.0
    return rates


def _parses(game: Game, role: str, reply: str) -> bool:
    try:
        game.roles[role].parse(reply)
    except Foul:
        return False
    return True
