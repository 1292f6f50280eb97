"""Around the learner: optimiser steps of an update, starting again, several steps as one, several learners as one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import worlds
from hypothesis import given
from hypothesis import strategies as st

from selfplay.learning.batches import minibatches
from selfplay.learning.learner import LearnerSettings, RoleStats, UpdateStats, make_learner
from selfplay.learning.start import Start
from selfplay.learning.statistics import in_sequence, side_by_side
from selfplay.learning.team import Team
from selfplay.types import Row

ROWS = worlds.rows(0, 30)

# ------------------------------------------------------------------ minibatches


def numbers(steps: Sequence[Sequence[Row]]) -> list[list[int]]:
    """Which rows each step has."""
    known = {id(row): i for i, row in enumerate(ROWS)}
    return [[known[id(row)] for row in step] for step in steps]


@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 35), st.integers(0, 5))
def test_every_row_is_in_every_epoch_once(count: int, epochs: int, size: int, seed: int) -> None:
    steps = numbers(minibatches(ROWS[:count], epochs, size, seed))
    each = -(-count // size) if size else 1
    assert len(steps) == epochs * each
    for epoch in range(epochs):
        own = steps[epoch * each : (epoch + 1) * each]
        assert sorted(i for step in own for i in step) == list(range(count))
        assert all(len(step) == (size or count) for step in own[:-1])


@given(st.integers(0, 30), st.integers(1, 3), st.integers(0, 10), st.integers(0, 5))
def test_minibatches_follow_from_the_seed(count: int, epochs: int, size: int, seed: int) -> None:
    assert numbers(minibatches(ROWS[:count], epochs, size, seed)) == numbers(
        minibatches(ROWS[:count], epochs, size, seed)
    )


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    first, second = (numbers([step])[0] for step in minibatches(ROWS, 2, 30, 0))
    (other,) = numbers(minibatches(ROWS, 1, 30, 1))
    assert len({tuple(first), tuple(second), tuple(other), tuple(range(30))}) == 4


def test_all_rows_at_once_keep_their_order() -> None:
    assert numbers(minibatches(ROWS, 2, 0, 7)) == [list(range(30))] * 2


@pytest.mark.parametrize("size", [0, 8])
def test_without_rows_there_is_one_empty_step(size: int) -> None:
    assert [list(step) for step in minibatches([], 3, size, 0)] == [[]]


# ------------------------------------------------------------------------ start


def weights_of(model: torch.nn.Module) -> list[torch.Tensor]:
    return [weight.detach().clone() for weight in model.parameters()]


def same(a: Sequence[torch.Tensor], b: Sequence[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_starting_again_undoes_what_was_learned_and_what_the_optimiser_remembers(one_thread: None) -> None:
    model = worlds.model(0)
    settings = LearnerSettings(kind="plain", rule="sft", lr=1e-2)
    learner = make_learner(model, worlds.tokenizer(), settings)
    start, base = Start(model.parameters(), needed=True), weights_of(model)
    ends = []
    for _ in range(2):
        learner.train(iter([ROWS[:8], ROWS[8:16]]), lambda stats: None)
        ends.append(weights_of(model))
        start.begin_again(learner)
        assert same(weights_of(model), base) and not same(ends[-1], base)
    assert same(*ends)  # with Adam's moments kept, the second time would end elsewhere


def test_a_start_that_nobody_needs_holds_nothing(one_thread: None) -> None:
    model = worlds.model(0)
    start = Start(model.parameters(), needed=False)
    with torch.no_grad():
        next(iter(model.parameters())).add_(1.0)
    now = weights_of(model)
    start.begin_again(make_learner(model, worlds.tokenizer(), LearnerSettings(kind="plain")))
    assert same(weights_of(model), now)


# ------------------------------------------------------------------- statistics

SOLVER = RoleStats(rows=2, tokens=10, entropy=1.0, kl=0.5, ratio_max=3.0, nll=2.0)
LATER = RoleStats(rows=4, tokens=30, entropy=2.0, kl=None, ratio_max=1.0, nll=4.0)
ASKER = RoleStats(rows=1, tokens=5, entropy=0.1)
FIRST = UpdateStats(3, 1.0, 0.5, 1e-3, 3, 15, 2.0, {"solver": SOLVER, "asker": ASKER})
SECOND = UpdateStats(4, 4.0, 1.5, 5e-4, 4, 30, 1.0, {"solver": LATER})
SOLVER_TOGETHER = RoleStats(rows=6, tokens=40, entropy=1.75, kl=0.5, ratio_max=3.0, nll=3.5)


def test_learners_side_by_side_are_summed() -> None:
    together = side_by_side([FIRST, replace(SECOND, update=3)])
    assert together == UpdateStats(3, 5.0, 1.5, 1e-3, 7, 45, 3.0, {"solver": SOLVER_TOGETHER, "asker": ASKER})


def test_steps_in_sequence_are_averaged() -> None:
    together = in_sequence([FIRST, SECOND])
    assert together == UpdateStats(4, 2.5, 1.0, 5e-4, 7, 45, 3.0, {"solver": SOLVER_TOGETHER, "asker": ASKER})
    assert in_sequence([FIRST]) is FIRST


def test_steps_without_tokens_do_not_pull_means_down() -> None:
    resting = replace(SOLVER, rows=0, tokens=0, entropy=0.0, kl=0.0, nll=0.0)
    assert in_sequence([FIRST, replace(FIRST, roles={"solver": resting})]).roles["solver"] == SOLVER


# ------------------------------------------------------------------------- team


class Noting:
    """A learner that notes which rows it got, in which thread; it fails at one of its updates."""

    def __init__(self, fails_at: int = 0) -> None:
        self.fails_at, self.seen, self.threads = fails_at, list[list[str]](), set[str]()

    def train(self, batches: Iterator[Sequence[Row]], on_update: Callable[[UpdateStats], None]) -> None:
        for update, rows in enumerate(batches, start=1):
            if update == self.fails_at:
                raise ValueError("a member failed")
            self.threads.add(threading.current_thread().name)
            self.seen.append([row.role for row in rows])
            on_update(UpdateStats(update, 1.0, 1.0, 1e-3, len(rows), 0, 0.0, {}))

    def configure(self, settings: LearnerSettings) -> None:
        self.settings = settings

    def forget(self) -> None:
        self.seen.clear()

    def save(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "seen").write_text(str(len(self.seen)))

    def load(self, folder: Path) -> None:
        self.seen = [[]] * int((folder / "seen").read_text())


def played_by(player: str, role: str) -> Row:
    return replace(ROWS[0], player=player, role=role)


HOME = {"main": "shared", "main/solver": "shared", "rival": "own"}
BATCH = [played_by("main", "asker"), played_by("rival", "rival"), played_by("main/solver", "solver")]


def learner_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "learner"]


def test_each_member_gets_the_rows_of_its_own_weights_and_all_step_together() -> None:
    members = {"shared": Noting(), "own": Noting()}
    steps: list[UpdateStats] = []
    pulled: list[int] = []

    def batches() -> Iterator[list[Row]]:
        for _ in range(2):
            pulled.append(len(steps))  # the step before must have been reported by now
            yield BATCH
        yield [BATCH[1]]

    Team(members, HOME).train(batches(), steps.append)
    assert members["shared"].seen == [["asker", "solver"]] * 2 + [[]]  # an empty step is one, too
    assert members["own"].seen == [["rival"]] * 3
    assert pulled == [0, 1] and [(step.update, step.rows) for step in steps] == [(1, 3), (2, 3), (3, 1)]
    assert members["shared"].threads == {"learner"} and not learner_threads()


def test_an_error_of_a_member_is_raised_where_the_team_was_asked_and_ends_all_threads() -> None:
    members = {"shared": Noting(), "own": Noting(fails_at=2)}
    steps: list[UpdateStats] = []
    with pytest.raises(ValueError, match="a member failed"):
        Team(members, HOME).train(iter([BATCH] * 3), steps.append)
    assert len(steps) == 1 and len(members["shared"].seen) == 2
    assert not learner_threads()


def test_an_error_of_who_plays_ends_all_threads_too() -> None:
    def batches() -> Iterator[list[Row]]:
        yield BATCH
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Team({"shared": Noting(), "own": Noting()}, HOME).train(batches(), lambda stats: None)
    assert not learner_threads()


def test_a_team_is_configured_saved_and_loaded_member_by_member(tmp_path: Path) -> None:
    def team() -> tuple[Team, dict[str, Noting]]:
        members = {"shared": Noting(), "own": Noting()}
        return Team(members, HOME), members

    first, members = team()
    first.train(iter([BATCH] * 2), lambda stats: None)
    settings = LearnerSettings(lr=0.5)
    first.configure(settings)
    assert all(member.settings is settings for member in members.values())
    first.save(tmp_path)
    second, restored = team()
    second.load(tmp_path)
    assert [len(member.seen) for member in restored.values()] == [2, 2]
    first.forget()
    assert [member.seen for member in members.values()] == [[], []]


def test_a_team_learns_what_its_members_would_alone(one_thread: None) -> None:
    settings = LearnerSettings(kind="plain", rule="sft", lr=1e-2)
    rows = [replace(row, player="ab"[i % 2]) for i, row in enumerate(ROWS[:12])]

    def learner(seed: int):
        model = worlds.model(seed)
        return model, make_learner(model, worlds.tokenizer(), settings)

    alone = []
    for seed, player in enumerate("ab"):
        model, member = learner(seed)
        member.train(iter([[row for row in rows if row.player == player]] * 3), lambda stats: None)
        alone.append(weights_of(model))
    (model_a, a), (model_b, b) = learner(0), learner(1)
    Team({"a": a, "b": b}, {"a": "a", "b": "b"}).train(iter([rows] * 3), lambda stats: None)
    assert same(weights_of(model_a), alone[0]) and same(weights_of(model_b), alone[1])
