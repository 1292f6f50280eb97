"""Does mirror self-play learn tic-tac-toe from random legal moves? `make bench-tic_tac_toe`.

Claims, named beforehand. Metric: mean result (1 won, 0 drawn, -1 lost, by a foul too) of the policy after the last
generation, sampled at temperature 1, over 300 matches on each side of the board, against the bot `random` and against
the bot `perfect`, which never loses. One arm, 3 seeds, at most 6 CPU-minutes: examples/tic_tac_toe/recipe.toml with 40
generations instead of 150. Before and after are compared at equal seeds of the bots. KL was tuned on seeds 0 and 100,
on the canary; judged are seeds 10-12 (``--first-seed 10``).

It holds if the one-sided 95 % lower bound of after - before (paired bootstrap over seeds, then matches) is above 0

    1. against `random`, and
    2. against `perfect`, where 0 is the best there is.
SPIRAL (arXiv 2506.24119) trains on tic-tac-toe among other games and reports that play against a fixed opponent gets
better; it names no number for perfect play.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from arms import Arm, Marks, Played, Study, difference, mean, per_seed
from numpy.typing import NDArray

from selfplay.arena import Arena
from selfplay.envs.tic_tac_toe import TicTacToe
from selfplay.policies.bots import ScriptedPolicy
from selfplay.policies.hf import LocalPolicy
from selfplay.policies.loading import load_hf
from selfplay.seeds import derive
from selfplay.tiny.store import find_tiny
from selfplay.types import Pairing, Player, Sampling

ARMS = {"recipe": Arm("examples/tic_tac_toe/recipe.toml", ["schedule.generations=40"])}
BOTS = ("random", "perfect")
SIDES = ("x", "o")
MATCHES = 300


class Record(NamedTuple):
    """How a policy did against one bot on one side."""

    results: NDArray[np.float64]
    """(MATCHES,) 1 won, 0 drawn, -1 lost."""
    fouls: float
    """Share of the matches that it lost by a foul."""


def play(model: LocalPolicy, bot: str, side: str) -> Record:
    """Let a model play a bot; the same seeds for every model."""
    game = TicTacToe()
    seats = {seat: "model" if seat == side else "bot" for seat in SIDES}
    players = {
        "model": Player("model", model, Sampling(max_tokens=4)),
        "bot": Player("bot", ScriptedPolicy(bot, game), Sampling()),
    }
    pairings = [
        Pairing(game.name(), seats, dict.fromkeys(seats, False), seed=i, number=i, sampling_seed=derive(i, bot, side))
        for i in range(MATCHES)
    ]
    with Arena({game.name(): game}, players) as arena:
        records = list(arena.play(pairings))
    assert all(record.error is None for record in records)
    results = [record.result[side] if record.result else -1.0 for record in records]  # none: a reply that is no number
    fouls = np.mean([any(move.foul for move in record.moves) for record in records])
    return Record(np.array(results), float(fouls))


def played(path: str) -> dict[str, list[Record]]:
    """How the model in a folder does: bot -> its record on each side."""
    model = load_hf(path, device="cpu", dtype="float32", threads=1)
    return {bot: [play(model, bot, side) for side in SIDES] for bot in BOTS}


def report(runs: Sequence[Played]) -> list[str]:
    """The results as Markdown."""
    before = [played(str(find_tiny("board")))] * len(runs)
    after = [played(_last(run)) for run in runs]
    lines = ["| policy | against | as X | as O | mean | per seed | fouls |", "|---|---|---|---|---|---|---|"]
    for name, found in (("warm start", before), ("after", after)):
        for bot in BOTS:
            marks = _marks(found, bot)
            each = " ".join(f"{score:+.3f}" for score in per_seed(marks)) if found is after else "the same model"
            sides = " | ".join(f"{side.mean():+.3f}" for side in marks)
            fouls = np.mean([record.fouls for run in found for record in run[bot]])
            lines.append(f"| {name} | {bot} | {sides} | {mean(marks):+.3f} | {each} | {fouls:.1%} |")
    wins = [difference(f"against {bot}, after - before", _marks(after, bot), _marks(before, bot), 0.0) for bot in BOTS]
    return [*lines, "", *wins]


def _marks(runs: Sequence[Mapping[str, Sequence[Record]]], bot: str) -> Marks:
    """For each side of the board (seeds, MATCHES) results."""
    return [np.array([run[bot][side].results for run in runs]) for side in range(len(SIDES))]


def _last(run: Played) -> str:
    taken = max(run.run.snapshots, key=lambda event: event["generation"])
    return str(run.run.folder.path / taken["path"])


def main() -> None:
    """Run what is missing, then print and write the table."""
    assert __doc__
    study = Study("tic_tac_toe", ARMS, seeds=3, about=__doc__.splitlines()[0])
    runs = study.play()
    study.publish(report(runs["recipe"]), runs, "board")


if __name__ == "__main__":
    main()
