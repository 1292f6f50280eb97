"""Controllers: each kind is a fold that does what it says; contradictions are errors; a resumed run goes on alike."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import selfplay
from selfplay.errors import UsageError
from selfplay.policies.hf import LocalPolicy
from selfplay.run.balance import balance, balance_scores, grid
from selfplay.run.controllers import Controller, make_controller
from selfplay.run.parts import Parts
from selfplay.run.recipe import ControllerSection
from selfplay.run.recipe_file import changed, load_recipe
from selfplay.types import Completion, Fact, Request

KEY = "game.settings.attempts"


def controller(kind: str, **settings: object) -> Controller:
    return make_controller(ControllerSection(kind=kind, key=KEY, **settings))  # type: ignore[arg-type]


def values(made: Controller, seen: Sequence[float | None]) -> list[float]:
    """What it wants in each generation, given the metric of each; `None`: not measured."""
    wanted = []
    for generation, value in enumerate(seen):
        wanted.append(made.override(generation).value)
        made.observe(generation, {} if value is None else {"m": value})
    return [*wanted, made.override(len(seen)).value]


def test_a_schedule_is_a_line_that_stops_at_its_end() -> None:
    assert values(controller("schedule", start=1, end=3, generations=2), [None] * 3) == [1, 2, 3, 3]


def test_a_switch_has_hysteresis() -> None:
    made = controller("switch", metric="m", start=0, end=1, above=0.7, below=0.3)
    assert values(made, [0.5, 0.7, 0.5, None, 0.3, 0.5]) == [0, 0, 1, 1, 1, 0, 0]


def test_a_frontier_moves_after_enough_good_generations_and_never_back() -> None:
    made = controller("frontier", metric="m", start=3, end=5, step=1, above=0.9, patience=2)
    assert values(made, [0.9, 0.8, 0.95, None, 0.9, 0.0, 1, 1, 1, 1]) == [3, 3, 3, 3, 3, 4, 4, 4, 5, 5, 5]


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=30), st.integers(1, 3))
def test_a_frontier_is_monotone_and_stays_in_its_range(seen: list[float | None], patience: int) -> None:
    made = controller("frontier", metric="m", start=0.9, end=0.3, step=-0.25, above=0.5, patience=patience)
    got = values(made, seen)
    assert got == sorted(got, reverse=True) and got[0] == 0.9 and got[-1] >= 0.3


def test_climbing_goes_on_while_it_gets_better_and_back_when_it_gets_worse() -> None:
    made = controller("climb", metric="m", start=0.5, end=1.2, step=0.1)
    assert values(made, [0.1, 0.2, 0.3, 0.25, 0.3, 0.28]) == [0.5, 0.6, 0.7, 0.8, 0.7, 0.6, 0.7]


def test_climbing_turns_round_at_the_ends_and_averages_measurements() -> None:
    made = controller("climb", metric="m", start=0.0, end=1.0, step=1.0, patience=2)
    assert values(made, [0, 1, 1, 1, 1, 0]) == [0, 0, 1, 1, 0, 0, 1]


@given(st.lists(st.floats(0, 1), max_size=40))
def test_climbing_stays_in_its_range(seen: list[float]) -> None:
    got = values(controller("climb", metric="m", start=0.5, end=1.2, step=0.3), seen)
    assert all(0.5 <= value <= 1.2 for value in got)


def noted(*questions: dict[str, object]) -> SimpleNamespace:
    return SimpleNamespace(facts=[Fact((0,), "note", question) for question in questions])  # type: ignore[arg-type]


def test_the_balance_score_is_the_published_one() -> None:
    answers = [(0.9, True), (0.8, True), (0.4, False), (0.4, True)]
    assert balance(answers, 0.0, wanted=8) == 3 / 8 * 3 / 4
    assert balance(answers, 0.5, wanted=8) == 2 / 8
    assert balance(answers, 0.5, wanted=2) == 1.0
    assert balance(answers, 0.95, wanted=2) == 0.0
    assert grid(0.5, 1.2, 0.05) == [round(0.5 + 0.05 * i, 2) for i in range(15)]


def test_balance_chooses_the_threshold_that_served_the_last_generation_best() -> None:
    made = controller("balance", start=0, end=1, step=0.5, wanted=2)
    easy = {"scores": [1.0, 1.0, 0.2], "correct": [True, True, False]}
    assert made.override(0).value == 0
    made.observe(0, made.measure([noted(easy)]))  # type: ignore[list-item]
    assert made.override(1).value == 0.5  # 1.0 does as well, but selects less
    strict = {"scores": [1.0, 0.5, 0.6], "correct": [True, False, False]}
    made.observe(1, made.measure([noted(strict, easy)]))  # type: ignore[list-item]
    assert made.override(2).value == 1.0
    made.observe(2, made.measure([noted({"other": 1})]))  # type: ignore[list-item]
    assert made.override(3).value == 1.0  # nothing was measured, nothing changes


def test_what_is_not_known_is_in_no_balance_score() -> None:
    known = {"scores": [1.0, 0.0], "correct": [True, False]}
    unknown = {"scores": [1.0, None, 0.0, 1.0], "correct": [True, True, False, None]}
    odd = {"scores": [1.0], "correct": [True, False]}
    expected = balance_scores([noted(known)], [0.0, 1.0], 1)  # type: ignore[list-item]
    assert balance_scores([noted(unknown, odd), noted()], [0.0, 1.0], 1) == expected  # type: ignore[list-item]
    assert expected == {"balance/0": 0.5, "balance/1": 1.0, "balance/best": 1.0}
    assert balance_scores([noted(odd)], [0.0], 1) == {}  # type: ignore[list-item]


# ------------------------------------------------------------------ contradictions


def section(kind: str, key: str = KEY, **settings: object) -> str:
    lines = [f"{name} = {json.dumps(value)}" for name, value in {"kind": kind, "key": key, **settings}.items()]
    return "\n".join(["", "[[controllers]]", *lines, ""])


LINE = section("schedule", start=1, end=2)


@pytest.mark.parametrize(
    ("more", "sets", "words"),
    [
        (LINE + LINE, [], f"2 controllers change {KEY}"),
        ("", ["roles.asker.update_every=0", "roles.answerer.update_every=0"], "no role ever learns"),
        (
            "",
            ["roles.asker.update_every=7", "roles.answerer.player=random"],
            "no role ever learns in the 6",
        ),
        (section("schedule", "roles.asker.weight", end=1), ["roles.asker.weights=frozen"], "changes nothing"),
        (section("schedule", start=1, end=-2, key="roles.asker.weight"), [], "greater than or equal to 0"),
        (section("schedule", "game.settings.words", end=1), [], "words"),
        (section("schedule", "learning.lr", end=1), [], "cannot change during a run"),
        (section("schedule", "sampling.temperature", start=1, end=2), [], "policy_gradient"),
        (section("switch", start=1, end=2), [], "a switch needs a metric"),
        (section("frontier", start=1, end=2, metric="asker/length"), [], "a frontier needs a metric, and a step"),
        (section("climb", start=1, end=2, step=3, metric="asker/length"), [], "a climb needs"),
        (section("balance", start=1, end=2), [], "a balance needs start < end"),
        (section("climb", start=1, end=2, step=1, metric="balance/best"), [], "only for a controller of kind"),
        (section("climb", start=1, end=2, step=1, metric="balance/bets"), [], "did you mean 'balance/best'"),
        ("", ["roles.asker.return_bounds=[1, 0]"], "must be below the second"),
        ("", ["roles.asker.baseline_decay=1"], "less than 1"),
    ],
)
def test_schedules_that_contradict_themselves_never_start(
    more: str, sets: list[str], words: str, recipe_file: Path, tmp_path: Path, game_file: Path
) -> None:
    wordy = tmp_path / "wordy.py"
    wordy.write_text(
        game_file.read_text().replace("    attempts:", '    words: tuple[str, ...] = ("a",)\n    attempts:')
    )
    recipe_file.write_text(recipe_file.read_text() + more)
    with pytest.raises(UsageError, match=words) as caught:
        selfplay.league(recipe_file, root=tmp_path / "runs", overrides=[f"game.id={wordy}:Vowels", *sets])
    assert caught.value.exit_code == 2
    assert not (tmp_path / "runs").exists()


def test_a_role_that_a_controller_wakes_up_may_begin_asleep(recipe_file: Path, tmp_path: Path) -> None:
    wake = section("schedule", "roles.answerer.update_every", start=0, end=1, generations=1)
    recipe_file.write_text(recipe_file.read_text() + wake)
    sets = ["roles.asker.weights=frozen", "roles.answerer.update_every=0", "schedule.generations=2"]
    run = selfplay.league(recipe_file, root=tmp_path / "runs", overrides=sets)
    assert [event["value"] for event in run.events("override")] == [0, 1]


def test_players_sample_at_the_temperature_that_a_controller_wants(recipe_file: Path) -> None:
    recipe, _ = load_recipe(recipe_file, ["roles.asker.sampling.max_tokens=3"])
    cast = Parts.of(recipe, "runs").cast
    assert cast.sampling_as(recipe) == cast.players
    warmer = cast.sampling_as(changed(recipe, "sampling.temperature", 0.5))
    found = {name: (player.sampling.temperature, player.sampling.max_tokens) for name, player in warmer.items()}
    assert found == {"main": (0.5, 8), "main/asker": (1.0, 3)}


# ------------------------------------------------------------------------- resume


@pytest.fixture
def remembering(recipe_file: Path, tmp_path: Path, game_file: Path) -> Path:
    """A recipe whose every update depends on what controllers and baselines saw before it."""
    game = tmp_path / "noting.py"
    game.write_text(
        game_file.read_text()
        .replace("    attempts:", "    least: float = 0.0\n    attempts:")
        .replace('answer.reward = sum(c in "aeiou" for c in answer.text)', "answer.reward = self.pay(answer.text)")
        .replace(
            "        match.note(good=good)\n",
            "        match.note(good=good, scores=[len(a.text) / 30 for a in answers],"
            " correct=['a' in a.text for a in answers])\n",
        )
        .replace(
            "    def exam(self):",
            "    def pay(self, text):\n"
            "        return max(self.least, sum(c in 'aeiou' for c in text))\n\n    def exam(self):",
        )
    )
    text = recipe_file.read_text().replace("[roles.asker]", '[roles.asker]\ncredit = "role_baseline"')
    text = text.replace("[roles.answerer]", '[roles.answerer]\ncredit = "role_baseline"\nbaseline_decay = 0.8')
    text += section("balance", "game.settings.least", start=0.0, end=1.0, step=0.25)
    text += section("frontier", start=2, end=6, step=1, above=0.0, metric="answerer/length", patience=2)
    recipe_file.write_text(text.replace(f"{game_file}:", f"{game}:"))
    return recipe_file


def test_baselines_and_controllers_survive_a_kill_bit_for_bit(
    remembering: Path, tmp_path: Path, weights: Callable[[Path], dict[str, bytes]]
) -> None:
    calm = selfplay.league(remembering, root=tmp_path / "runs")
    assert sorted(json.loads((calm.folder.sealed()[-1].path / "credit.json").read_text())) != []
    attempts = [event["value"] for event in calm.events("override") if event["key"] == KEY]
    assert attempts == [2, 3, 4]  # in generations 0, 2 and 4
    copies = [selfplay.open_run(shutil.copytree(calm.path, tmp_path / name, symlinks=True)) for name in ("a", "b")]
    for killed in copies:
        shutil.rmtree(killed.folder.sealed()[-1].path)  # as if killed before its last checkpoint
    kept, lost = copies
    (lost.folder.sealed()[-1].path / "credit.json").unlink()
    again = selfplay.league(resume=kept.path)
    assert weights(again.path) == weights(calm.path)
    assert [e["value"] for e in again.events("override")] == [e["value"] for e in calm.events("override")]
    assert weights(selfplay.league(resume=lost.path).path) != weights(calm.path)  # so the memory does matter


def test_the_balance_score_is_logged_by_threshold(remembering: Path, tmp_path: Path) -> None:
    run = selfplay.league(remembering, root=tmp_path / "runs", overrides=["schedule.generations=1"])
    (line,) = run.metrics()
    assert set(line["balance"]) == {"0", "0.25", "0.5", "0.75", "1", "best"}
    assert 0 <= line["balance"]["best"] <= 1


def test_b_star_changes_threshold_and_temperature_and_survives_a_kill(
    remembering: Path, tmp_path: Path, weights: Callable[[Path], dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    climb = section("climb", "sampling.temperature", start=0.5, end=1.2, step=0.2, metric="balance/best")
    remembering.write_text(remembering.read_text() + climb)
    sampled: list[float] = []
    complete = LocalPolicy.complete

    def spy(self: LocalPolicy, requests: Sequence[Request]) -> list[list[Completion]]:
        sampled.extend(request.sampling.temperature for request in requests if request.sampling.temperature)
        return complete(self, requests)

    monkeypatch.setattr(LocalPolicy, "complete", spy)
    sets = ["learning.rule=sft", 'learning.select=["rewarded"]', "roles.asker.kl=0", "roles.answerer.kl=0"]
    calm = selfplay.league(remembering, root=tmp_path / "runs", overrides=sets)
    wanted = [e["value"] for e in calm.events("override") if e["key"] == "sampling.temperature"]
    assert wanted[:2] == [0.5, 0.7] and len(wanted) > 2
    assert list(dict.fromkeys(sampled)) == list(dict.fromkeys(wanted))
    killed = selfplay.open_run(shutil.copytree(calm.path, tmp_path / "killed", symlinks=True))
    shutil.rmtree(killed.folder.sealed()[-1].path)
    assert weights(selfplay.league(resume=killed.path).path) == weights(calm.path)


def test_groups_of_one_and_equal_rewards_are_counted_and_harm_nothing(recipe_file: Path, tmp_path: Path) -> None:
    sets = ["schedule.generations=2", "game.settings.attempts=1", "schedule.matches=1"]
    for estimator in ("group_zscore", "leave_one_out", "per_class", "per_role", "bounded_returns", "role_baseline"):
        credit = [f"roles.{role}.credit={estimator}" for role in ("asker", "answerer")]
        run = selfplay.league(recipe_file, root=tmp_path / estimator, overrides=[*sets, *credit])
        assert run.status() == "done"
        for line in run.metrics():
            assert line["roles"]["answerer"]["zero_variance_share"] == 1.0
            assert line["loss"] == line["loss"] and line["grad_norm"] == line["grad_norm"]  # no NaN
        said = [event["text"] for event in run.events("warning")]  # once, and not where one reply is enough
        assert ["1 of 1 groups have a single member" in text for text in said] == (
            [] if estimator == "role_baseline" else [True, True]
        )


def test_moves_that_all_have_no_reward_are_named(recipe_file: Path, game_file: Path, tmp_path: Path) -> None:
    game = tmp_path / "silent.py"
    game.write_text(game_file.read_text().replace("asked.reward = good / self.attempts", 'asked.mask("too few")'))
    recipe_file.write_text(recipe_file.read_text().replace(f"{game_file}:", f"{game}:"))
    run = selfplay.league(recipe_file, root=tmp_path / "runs", overrides=["schedule.generations=2"])
    said = [event["text"] for event in run.events("warning")]
    assert len(said) == 1 and said[0].startswith("asker learns nothing from the first generation: none of its 6 moves")
