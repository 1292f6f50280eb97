"""Phases: when one ends and which comes next, what is refused, and a run whose settings change on the way."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import selfplay
from selfplay.errors import UsageError
from selfplay.run.phases import Phases
from selfplay.run.recipe import Recipe
from selfplay.run.recipe_file import load_recipe, recipe_from
from selfplay.run.tables import flatten

Phase = Mapping[str, object]

SOLVER: Phase = {"name": "solver", "metric": "m", "above": 0.7, "then": "proposer"}
PROPOSER: Phase = {"name": "proposer", "metric": "m", "below": 0.3, "then": "solver"}


def recipe(*phases: Phase, **more: object) -> Recipe:
    return recipe_from({"game": {"id": "countdown"}, "phases": list(phases), **more})


def stages(phases: Phases, seen: Sequence[float | None]) -> list[str]:
    """The phase of each generation, given the metric of those before it; `None`: not measured."""
    names = []
    for generation, value in enumerate(seen):
        assert phases.current is not None
        names.append(phases.current.name)
        phases.observe(generation, {} if value is None else {"m": value})
    assert phases.current is not None
    return [*names, phases.current.name]


def test_without_phases_nothing_happens() -> None:
    phases = Phases(recipe())
    phases.observe(0, {"m": 1.0})
    assert phases.current is None


def test_a_phase_ends_after_its_generations_and_the_last_one_stays() -> None:
    phases = Phases(recipe({"name": "a", "generations": 2}, {"name": "b", "generations": 1}, {"name": "c"}))
    assert stages(phases, [None] * 5) == ["a", "a", "b", "c", "c", "c"]
    assert phases.why == "phase b has lasted 1 generations"


def test_a_last_phase_that_ends_stays_all_the_same() -> None:
    assert stages(Phases(recipe({"name": "a"} | {"generations": 1})), [None] * 3) == ["a"] * 4


def test_phases_may_name_the_one_that_follows() -> None:
    chain = [
        {"name": "a", "generations": 1, "then": "c"},
        {"name": "b", "generations": 1, "then": "a"},
        {"name": "c", "generations": 2, "then": "b"},
    ]
    assert stages(Phases(recipe(*chain)), [None] * 6) == ["a", "c", "c", "b", "a", "c", "c"]


def test_a_metric_ends_a_phase_once_it_was_high_enough_often_enough() -> None:
    phases = Phases(recipe({"name": "a", "metric": "m", "above": 0.5, "patience": 2}, {"name": "b"}))
    # one low value breaks the streak, a generation in which it is not measured does not
    assert stages(phases, [0.5, 0.4, 0.6, None, 0.5, 0.0]) == ["a"] * 5 + ["b", "b"]
    assert phases.why == "m was 0.5 in generation 4"


def test_a_metric_may_leave_a_range_on_either_side() -> None:
    either = {"name": "a", "metric": "m", "above": 0.9, "below": 0.1}
    for value, after in ((0.9, "b"), (0.5, "a"), (0.1, "b")):
        assert stages(Phases(recipe(either, {"name": "b"})), [value]) == ["a", after]


def test_a_metric_waits_until_the_phase_has_lasted_long_enough() -> None:
    phases = Phases(recipe({"name": "a", "metric": "m", "above": 0.5, "at_least": 3}, {"name": "b"}))
    assert stages(phases, [1.0] * 4) == ["a", "a", "a", "b", "b"]


def test_generations_end_a_phase_whatever_its_metric_says() -> None:
    phases = Phases(recipe({"name": "a", "metric": "m", "above": 0.5, "generations": 2}, {"name": "b"}))
    assert stages(phases, [0.0, 0.0, 0.0]) == ["a", "a", "b", "b"]


def test_length_and_streak_begin_anew_with_each_phase() -> None:
    a = {"name": "a", "metric": "m", "above": 0.5, "patience": 2, "then": "b"}
    b = {"name": "b", "generations": 1, "then": "a"}
    assert stages(Phases(recipe(a, b)), [1.0] * 6) == ["a", "a", "b", "a", "a", "b", "a"]


@given(st.lists(st.floats(0, 1), max_size=40))
def test_two_phases_alternate_with_hysteresis(seen: list[float]) -> None:
    expected = ["solver"]
    for value in seen:  # between the thresholds everything stays as it is
        expected.append("proposer" if value >= 0.7 else "solver" if value <= 0.3 else expected[-1])
    assert stages(Phases(recipe(SOLVER, PROPOSER)), seen) == expected


@pytest.mark.parametrize(
    ("phases", "words"),
    [
        ([{"name": "a", "generations": 1}, {"name": "a"}], "names of their own, not a, a"),
        ([{**SOLVER, "then": "propser"}, PROPOSER], "did you mean 'proposer'"),
        ([{"name": "a", "metric": "m"}, {"name": "b"}], "phase a: a metric goes with `above`, `below` or both"),
        ([{"name": "a", "above": 0.5}, {"name": "b"}], "phase a: a metric goes with"),
        ([{"name": "a", "metric": "m", "above": 0.3, "below": 0.7}, {"name": "b"}], "0.7 end it whatever m is"),
        ([{"name": "a"}, {"name": "b"}], "phase a never ends, so what follows it never begins"),
        ([{"name": "a", "generations": 1}, {"name": "b", "then": "a"}], "phase b never ends"),
        ([{"name": "a", "set": ["policy.base=tiny:x"]}], "sets 'policy.base', which cannot change during a run"),
        ([{"name": "a", "set": ["learning.beta=1"]}], "sets 'learning.beta'"),
        ([{"name": "a", "set": ["roles.solver.weights=frozen"]}], "sets 'roles.solver.weights'"),
    ],
)
def test_what_cannot_work_is_refused(phases: list[Phase], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Phases(recipe(*phases))


def test_a_phase_and_a_controller_cannot_set_the_same_thing() -> None:
    controller = {"kind": "schedule", "key": "game.settings.attempts", "start": 1, "end": 2}
    phase = {"name": "a", "set": ["game.settings.attempts = 4"]}
    with pytest.raises(UsageError, match="is set by phase a and by a controller"):
        Phases(recipe(phase, controllers=[controller]))


STAGES = """
[[phases]]
name = "anchored"
set = ["roles.answerer.kl=0.5", "game.settings.attempts=2"]
generations = 3

[[phases]]
name = "free"
set = ["schedule.matches=3"]
metric = "answerer/length"
above = 0
at_least = 2

[[phases]]
name = "wide"
set = ["game.settings.attempts=6", "roles.asker.update_every=0"]
"""
UNANCHORED = ["roles.asker.kl=0", "roles.answerer.kl=0"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('set = ["game.settings.atempts=2"]', "did you mean 'attempts'"),
        ('set = ["roles.answer.kl=0.1"]', "did you mean 'answerer'"),
        ('set = ["roles.answerer.kl=-1"]', "roles.answerer.kl = -1"),
        ('set = ["learning.select=rewarded"]', "learning.rule = 'policy_gradient' does not read it"),
        ('metric = "answerer/lenght"\nabove = 1', "did you mean 'answerer/length'"),
    ],
)
def test_settings_of_every_phase_are_tried_before_anything_starts(
    recipe_file: Path, tmp_path: Path, more: str, words: str
) -> None:
    recipe_file.write_text(f'{recipe_file.read_text()}\n[[phases]]\nname = "a"\ngenerations = 1\n[[phases]]\n')
    recipe_file.write_text(f'{recipe_file.read_text()}name = "b"\n{more}\n')
    with pytest.raises(UsageError, match=words):
        selfplay.league(recipe_file, root=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_run_goes_through_its_phases_and_resumes_to_the_same_bits(
    recipe_file: Path, tmp_path: Path, weights: Callable[[Path], dict[str, bytes]]
) -> None:
    recipe_file.write_text(recipe_file.read_text() + STAGES)
    run = selfplay.league(recipe_file, root=tmp_path / "runs", overrides=UNANCHORED)
    phases = [(event["generation"], event["name"]) for event in run.events("phase")]
    assert phases == [(0, "anchored"), (3, "free"), (5, "wide")]
    first, *_, last = run.events("phase")
    assert first["settings"] == ["roles.answerer.kl=0.5", "game.settings.attempts=2"]
    assert last["why"].startswith("answerer/length was") and last["why"].endswith("in generation 4")

    answers = [{sum(m.role == "answerer" for m in r.moves) for r in run.matches(g)} - {0} for g in range(6)]
    assert answers == [{2}] * 3 + [{4}] * 2 + [{6}]  # an asker's foul leaves none
    assert [len(list(run.matches(g))) for g in range(6)] == [6] * 3 + [3] * 2 + [6]
    anchored = [line["roles"]["answerer"].get("kl", 0.0) > 0 for line in run.metrics()]
    assert anchored == [False, True, True, False, False, False]  # at first there is no distance yet

    killed = selfplay.open_run(shutil.copytree(run.path, tmp_path / "killed", symlinks=True))
    shutil.rmtree(killed.folder.sealed()[-1].path)  # as if killed before its last checkpoint
    assert killed.folder.sealed()[-1].generation == 3
    resumed = selfplay.league(resume=killed.path)
    assert weights(resumed.path) == weights(run.path)
    assert [(event["generation"], event["name"]) for event in resumed.events("phase")] == phases

    folded = Phases(load_recipe(resumed.path / "config.toml")[0])
    entered = [(0, "anchored")]
    for line in resumed.metrics():
        folded.observe(line["generation"], flatten(line))
        assert folded.current is not None
        if folded.current.name != entered[-1][1]:
            entered.append((line["generation"] + 1, folded.current.name))
    assert entered == phases
