"""The loop of a run: play a generation, close it, learn from it, look at the result, again.

    pairings -> matches -> settle -> credit -> rows -> learner -> new weights -> metrics, canary, health -> checkpoint

The learner pulls: `Loop.generations` plays a generation when its first optimiser step is asked for, `Loop.learned` is
called after each step. Under which settings a generation is played is the business of `course`, what is learned from
it that of `updates`. What the loop knows is either in the checkpoint of `updates` or a fold over the run's logs (task
pool, controllers, phases, health history, totals), so resuming is: rewind the logs, load the checkpoint, fold, go on.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from selfplay.arena import Arena
from selfplay.driver import describe
from selfplay.errors import RunError
from selfplay.game import Game
from selfplay.learning.credit import CreditCounts
from selfplay.learning.health import Rule, fall_p, judge
from selfplay.learning.health import metrics as health_metrics
from selfplay.learning.learner import UpdateStats
from selfplay.record import events
from selfplay.record.live import LiveFeed
from selfplay.record.log import cannot_write
from selfplay.record.run import Run
from selfplay.record.writer import RunWriter
from selfplay.run.cast import MAIN, sampling_from
from selfplay.run.course import Course
from selfplay.run.evaluate import ExamResult, evaluate
from selfplay.run.matchmaker import mirror
from selfplay.run.parts import Parts
from selfplay.run.recipe import Recipe
from selfplay.run.resume import Salvage
from selfplay.run.snapshots import Kept, Snapshots
from selfplay.run.tables import flatten, metrics_line
from selfplay.run.updates import Updates
from selfplay.types import Ending, MatchRecord, Pairing, Player, Row


class HealthStop(RunError):
    """A health rule stopped the run."""


class StopRequested(Exception):
    """The person at the terminal asked for an end; everything is saved."""


@dataclass(slots=True)
class _Totals:
    """Counts since the run began, over all its attempts."""

    matches: int = 0
    moves: int = 0
    tokens: int = 0
    wall_s: float = 0.0


@dataclass(slots=True)
class _Generation:
    """What is known about the generation that is being learned from."""

    number: int
    records: list[MatchRecord] = field(default_factory=list)
    counts: Mapping[str, CreditCounts] = field(default_factory=dict)
    started: float = 0.0
    generate_s: float = 0.0
    reference_s: float = 0.0


class Loop:
    """One process's work on a run.

    Args:
        recipe: resolved.
        parts: built from it.
        writer: entered; its logs are already rewound.
    """

    def __init__(self, recipe: Recipe, parts: Parts, writer: RunWriter) -> None:
        self.recipe = recipe
        self.game, self.cast = parts.game, parts.cast
        self._tasks = parts.tasks
        self._course = Course(recipe, parts.game, parts.controllers, parts.phases)
        self._updates = Updates(recipe, parts.game, parts.cast, parts.learning)
        self.stop = False
        """Set it to end the run, saved, after the generation that is being played."""
        self.next = 0
        """The next generation to be played."""
        self._writer = writer
        self._run = Run(writer.folder)
        self._live = LiveFeed(writer)
        self._rules = [Rule(h.metric, h.kind, h.threshold, h.patience, h.action) for h in recipe.health]  # type: ignore[arg-type]
        self._snapshots = Snapshots(writer, self._kept(), recipe.schedule.snapshot_every)
        self._salvage = Salvage(writer.folder)
        self._totals = _Totals()
        self._history: list[dict[str, float]] = []
        self._best_marks: dict[str, list[int]] = {}
        self._now = _Generation(-1)

    # ------------------------------------------------------------------ the run

    def run(self) -> None:
        """From wherever the run stands to its end.

        Raises:
            HealthStop: a rule stopped it.
            StopRequested: `stop` was set.
            RunError: too many errors, or the disk refused.
        """
        if self.next == 0 and not any(self._run.events("canary")):
            self._canary(-1, self.recipe.evaluation.final_tasks)
        self._updates.learner.train(self.generations(), self.learned)
        if self.stop and self.next < self.recipe.schedule.generations:
            self._checkpoint()
            raise StopRequested

    def generations(self) -> Iterator[Sequence[Row]]:
        """The optimiser steps of one generation after the other; plays it when the first is asked for."""
        while self.next < self.recipe.schedule.generations and not self.stop:
            yield from self._play()

    def learned(self, step: UpdateStats) -> None:
        """Take note of an optimiser step; after a generation's last one of metrics, canary, health, checkpoint."""
        stats = self._updates.taken(step)
        if stats is None:
            return
        now, schedule = self._now, self.recipe.schedule
        last = now.number + 1 == schedule.generations
        every = self.recipe.evaluation.every
        canary: ExamResult | None = None
        if last or (every and (now.number + 1) % every == 0):
            tasks = self.recipe.evaluation.final_tasks if last else self.recipe.evaluation.tasks
            canary = self._canary(now.number, tasks, stats.update)
        self._log_metrics(stats, canary)
        self.next = now.number + 1
        self._act_on_health()
        if canary is None and (last or self._snapshots.due(now.number)):
            with self._updates.averaged():
                self._snapshots.take(now.number, stats.update, None)
        if last or self.next % schedule.checkpoint_every == 0:
            self._checkpoint()

    # -------------------------------------------------------------- a generation

    def _play(self) -> list[Sequence[Row]]:
        """A generation, and the optimiser steps that follow from it."""
        self._now = now = _Generation(self.next, started=time.monotonic())
        recipe, game, news = self._course.at(now.number)
        for event in news:
            self._writer.event(event)
        pairings = self._pairings(recipe, game, now.number)
        self._writer.event(events.generation_started(now.number, len(pairings)))
        busy = self.cast.busy_s
        kept = self._salvage.records(now.number)
        for record in self._matches(recipe, game, pairings, kept):
            now.records.append(record)
            self._writer.match(record)
            self._live.on_end(record)
        self._writer.close_generation(now.number)
        now.generate_s = self.cast.busy_s - busy
        now.records.sort(key=lambda record: record.pairing.number)
        self._settle(game, now)
        self._tasks.absorb(now.number, now.records)
        lesson = self._updates.lesson(recipe, now.number, now.records)
        now.counts, now.reference_s = lesson.counts, lesson.reference_s
        for text in lesson.warnings:
            self._writer.event(events.warning(text))
        if lesson.left_out is not None:
            self._writer.event(events.material(now.number, lesson.rows, lesson.left_out))
        return lesson.steps

    def _pairings(self, recipe: Recipe, game: Game, generation: int) -> list[Pairing]:
        return mirror(
            game,
            generation,
            seed=recipe.seed,
            matches=recipe.schedule.matches,
            replicas=recipe.schedule.replicas,
            player_of=self.cast.player_of,
            learns=self.cast.learns,
            opponents=self.cast.opponents,
            task_of=lambda deal: self._tasks.draw(generation, deal),
        )

    def _matches(
        self, recipe: Recipe, game: Game, pairings: Sequence[Pairing], kept: Mapping[str, MatchRecord]
    ) -> Iterator[MatchRecord]:
        """Finished matches that an earlier process left are taken as they are; the rest is played."""
        fast = recipe.schedule.mode == "fast"
        yield from kept.values()
        open_ = [p for p in pairings if p.id not in kept]
        number = self._now.number
        recorded = self._salvage.replies(number, open_) if fast else None
        on_move = self._salvage.watch(number, self._live.on_move) if fast else self._live.on_move
        limits, players = recipe.limits.engine(), self.cast.sampling_as(recipe)
        with Arena(
            {game.name(): game}, players, mode=recipe.schedule.mode, limits=limits, on_move=on_move,
            recorded=recorded,
        ) as arena:  # fmt: skip
            yield from arena.play(open_)
        self._salvage.clear(number)

    def _settle(self, game: Game, now: _Generation) -> None:
        """Apply what the game says once the batch is known, and log the closed generation."""
        moves = {(record.id, move.id): move for record in now.records for move in record.moves}
        try:
            changes = list(game.settle(now.records))
            for edit in changes:
                moves[edit.match, edit.move].reward = edit.reward
        except Exception as error:
            raise RunError(
                f"settle of game {game.name()} failed in generation {now.number}: {describe(error)}\n"
                "  `selfplay games check` tries it on many kinds of matches"
            ) from error
        if changes:
            self._writer.event(events.edits(now.number, changes))
        played = [move for record in now.records for move in record.moves]
        tokens = sum(len(m.completion.token_ids) for m in played if m.completion.token_ids is not None)
        earned: dict[str, list[float]] = {role: [] for role in game.roles}
        for move in played:
            if move.reward is not None:
                earned[move.role].append(move.reward)
        means = {role: sum(r) / len(r) if r else None for role, r in earned.items()}
        endings = Counter(str(record.ending) for record in now.records)
        self._writer.event(events.generation_closed(now.number, len(now.records), len(played), tokens, endings, means))
        first_error = next((r for r in now.records if r.ending is Ending.ERROR), None)
        if first_error is not None:
            self._writer.event(events.error("match", first_error.error or "", match=first_error.id))
        self._totals.matches += len(now.records)
        self._totals.moves += len(played)
        self._totals.tokens += tokens

    # --------------------------------------------------------- after an update

    def _canary(self, generation: int, tasks: int, update: int = 0) -> ExamResult | None:
        """Measure held-out skill, log it, and keep the weights if they are the best so far."""
        exam = self.game.exam()
        if exam is None:
            return None
        player = Player(MAIN, self.cast.examined(exam.role), sampling_from(self.recipe.sampling_of(exam.role)))
        with self._updates.averaged():
            result = evaluate(player, self.game, tasks=tasks, limits=self.recipe.limits.engine())
            self._writer.event(events.canary(generation, update, result.levels, result.mean))
            if self._snapshots.offer(generation, update, result):
                self._best_marks = result.levels
        return result

    def _log_metrics(self, stats: UpdateStats, canary: ExamResult | None) -> None:
        now = self._now
        wall = time.monotonic() - now.started
        self._totals.wall_s += wall
        numbers = health_metrics(now.records, stats, now.counts) | self._course.measure(now.records)
        if canary is not None:
            numbers["canary/solve_rate"] = canary.mean
            numbers["canary/fall_p"] = fall_p(*_paired(canary.levels, self._best_marks))
        timing = {"generate_s": now.generate_s, "learn_s": stats.seconds + now.reference_s}
        timing["other_s"] = max(0.0, wall - sum(timing.values()))
        line = metrics_line(numbers, stats.update, now.number, self._totals, timing)
        self._writer.metrics(line)
        self._history.append(flatten(line))
        self._course.observe(now.number, self._history[-1])

    def _act_on_health(self) -> None:
        for alarm in judge(self._history, self._rules):
            action = str(alarm.rule.action)
            self._writer.event(events.alarm(alarm.rule.metric, action, str(alarm), self._now.number))
            if action == "stop":
                self._checkpoint()
                raise HealthStop(f"health rule stopped the run after generation {self._now.number}: {alarm}")
            if action == "rollback":
                if self._snapshots.rollbacks >= self.recipe.limits.rollbacks:
                    self._checkpoint()
                    raise HealthStop(f"health: {alarm}, after {self._snapshots.rollbacks} rollbacks already")
                self._snapshots.roll_back()
                self._updates.begin_anew()

    def _checkpoint(self) -> None:
        folder = self._writer.folder
        path = folder.checkpoints / f"gen-{self.next - 1:04d}"
        if (path / "checkpoint.json").exists():
            return
        try:
            self._updates.save(path)
        except Exception as error:  # torch and safetensors have errors of their own for a full disk
            raise cannot_write(path, error) from error
        self._writer.checkpoint(path, self.next - 1, self._updates.version)
        self._salvage.forget(self.next - 1)
        self._snapshots.prune(self.recipe.schedule.keep_checkpoints)

    def _kept(self) -> dict[str, Kept]:
        """What snapshots hold: the examined role's weights first, those of other roles in folders of their names."""
        exam = self.game.exam()
        learning = [self.cast.player_of[role] for role, learns in self.cast.learns.items() if learns]
        first = self.cast.player_of[exam.role] if exam and self.cast.learns[exam.role] else learning[0]
        kept = {".": Kept(self.cast.weights[self.cast.weights_of[first]], first)}
        for player in learning:
            weights = self.cast.weights[self.cast.weights_of[player]]
            if weights.adapters is not None or weights is not kept["."].weights:
                kept.setdefault(player.partition("/")[0] if player != first else ".", Kept(weights, player))
        return kept

    # ------------------------------------------------------------------- resume

    def restore(self, generation: int, checkpoint: Any) -> None:
        """Go on after closed generation `generation`, whose learner was saved in folder `checkpoint`."""
        self._updates.load(checkpoint, self._run, generation)
        self.next = generation + 1
        for line in self._run.metrics():
            self._history.append(flatten(line))
            self._course.observe(line["generation"], self._history[-1])
            self._totals = _Totals(line["matches"], line["moves"], line["tokens"], line["wall_s"])
            self._updates.number(line["update"])
        self._course.restore(self._run)
        for number in range(max(0, self.next - self._tasks.window), self.next):
            self._tasks.absorb(number, list(self._run.matches(number)))
        self._best_marks = self._snapshots.restore(self._run)


def _paired(now: Mapping[str, Sequence[int]], best: Mapping[str, Sequence[int]]) -> tuple[list[int], list[int]]:
    """Marks of the same tasks then and now, as far as both have them."""
    pairs = [(a, b) for level in now for a, b in zip(now[level], best.get(level, ()), strict=False)]
    return [a for a, _ in pairs], [b for _, b in pairs]
