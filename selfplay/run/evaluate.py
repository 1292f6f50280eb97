"""Exams: fixed held-out tasks, answered greedily.

The one measure in a run that self-play cannot flatter: the tasks never change, are never trained on, and every seat
that is not examined is a scripted bot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from selfplay.arena import Arena, player_failed
from selfplay.driver import Limits
from selfplay.errors import RunError, UsageError
from selfplay.game import Exam, Game, role_of
from selfplay.policies.bots import ScriptedPolicy
from selfplay.seeds import derive
from selfplay.types import MatchRecord, Pairing, Player, Sampling, Task


@dataclass(frozen=True, slots=True)
class ExamResult:
    """How a player did."""

    levels: dict[str, list[int]]
    """Level -> 1 or 0 for each task, always in the same order."""
    errors: int
    """Matches that ended as errors of the game; their tasks count as not solved and are shown beside the result."""
    unanswered: int = 0
    """Matches whose player failed (an endpoint down, no memory): nobody can tell, so their tasks are left out."""

    @property
    def rates(self) -> dict[str, float]:
        """Level -> share of tasks solved; levels without a task are left out."""
        return {level: sum(marks) / len(marks) for level, marks in self.levels.items() if marks}

    @property
    def mean(self) -> float:
        """Mean over the levels, each counting alike."""
        rates = self.rates
        return sum(rates.values()) / len(rates)


def exam_of(game: Game) -> Exam:
    """The game's exam.

    Raises:
        UsageError: it has none.
    """
    exam = game.exam()
    if exam is None or not any(exam.levels.values()):
        raise UsageError(
            f"game {game.name()} has no held-out tasks\n  give it an `exam` method (docs/writing-a-game.md)"
        )
    return exam


def evaluate(
    player: Player,
    game: Game,
    *,
    tasks: int = 200,
    seed: int = 0,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> ExamResult:
    """Let `player` take the game's exam.

    Args:
        player: sampled greedily, whatever its own settings.
        game: the settings of its exam go on top of its own.
        tasks: how many of each level, the first ones.
        seed: fixes the chance of the rules and of scripted opponents.

    Raises:
        UsageError: the game has no exam.
        RunError: the player failed at every task, or reached its spending cap.
    """
    exam = exam_of(game)
    examined = type(game)(**{**game.settings(), **exam.settings})
    sampling = Sampling(temperature=0.0, max_tokens=player.sampling.max_tokens)
    players = {player.name: Player(player.name, player.policy, sampling)}
    player_of = {role: player.name for role in game.roles}
    for role, bot in exam.opponents.items():
        player_of[role] = f"scripted:{bot}"
        players[player_of[role]] = Player(player_of[role], ScriptedPolicy(bot, game))
    seats = {seat: player_of[role_of(seat)] for seat in game.seats()}
    work = [(level, i, data) for level, items in exam.levels.items() for i, data in enumerate(items[:tasks])]
    pairings = [
        Pairing(
            game.name(),
            seats,
            dict.fromkeys(seats, False),
            seed=derive(seed, "exam", level, i),
            number=number,
            task=Task(data, f"exam:{level}", str(i)),
            sampling_seed=derive(seed, "exam-sampling", level, i),
        )
        for number, (level, i, data) in enumerate(work)
    ]
    lenient = Limits(limits.step_s, limits.steps, error_share=1.0)
    with Arena({game.name(): examined}, players, limits=lenient) as arena:
        records = list(arena.play(pairings))
    seat = game.roles[exam.role].seats[0]
    levels: dict[str, list[int]] = {level: [] for level in exam.levels}
    for (level, _, _), record in zip(work, records, strict=True):
        if not player_failed(record):
            levels[level].append(_solved(record, seat))
    unanswered = sum(map(player_failed, records))
    if unanswered == len(records):
        raise RunError(f"{player.name} answered none of {unanswered} tasks; the last: {records[-1].error}")
    return ExamResult(levels, sum(record.error is not None for record in records) - unanswered, unanswered)


def _solved(record: MatchRecord, seat: str) -> int:
    scores: Mapping[str, float] = record.result or {}
    return int(scores.get(seat, 0.0) >= 1.0)
