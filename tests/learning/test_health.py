"""Health: the numbers, and the alarms their history raises."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import Scene

from selfplay.errors import UnknownName
from selfplay.learning.credit import credit
from selfplay.learning.health import OF_BATCH, OF_MOVES, Rule, check_metric, fall_p, judge, metrics
from selfplay.learning.learner import RoleStats, UpdateStats
from selfplay.types import Ending, Fact, Task

STATS = UpdateStats(1, 0.1, 0.5, 1e-4, 3, 12, 0.1, {"solver": RoleStats(3, 12, 1.5, 0.2, 1.0, 1.1, 0.0)})


def test_metrics_of_a_batch() -> None:
    scenes = [Scene(0), Scene(1), Scene(2, ending=Ending.ERROR)]
    for scene, text in zip(scenes, ["1 + 1", " 1 + 1 ", "2 * 3"], strict=True):
        scene.move("0", 0.5, role="proposer", text=text)
    scenes[0].move("1.0", 1.0, reply=(7, 8, 9, 9))
    scenes[0].move("1.1", 0.0)
    scenes[1].move("1.0", None)
    foul = scenes[1].move("1.1", None)
    foul.penalise("does not parse", -1.0)
    scenes[1].move("1.2", 1.0, learn=False)
    records = [s.record for s in scenes]
    got = metrics(records, STATS, credit(records, {}).counts)
    assert got["batch/error_share"] == pytest.approx(1 / 3)
    assert got["batch/duplicate_share"] == pytest.approx(np.mean([0.5, 0.5, 0.0]))
    assert got["solver/reward_mean"] == 0.0 and got["solver/reward_variance"] == pytest.approx(2 / 3)
    assert got["solver/moves"] == 4 and got["solver/foul_rate"] == 0.25 and got["solver/length"] == 2.5
    assert got["solver/masked_share"] == 0.25
    assert got["solver/zero_variance_share"] == 0.5
    assert got["proposer/zero_variance_share"] == 1.0 and got["proposer/masked_share"] == pytest.approx(1 / 3)
    assert got["solver/surprise"] == pytest.approx(np.mean([2.5, 1.5, 1.5, 1.5]))
    assert (got["solver/entropy"], got["solver/kl"], got["batch/loss"]) == (1.5, 0.2, 0.1)


def test_duplicates_are_seen_through_the_parsed_value() -> None:
    scenes = [Scene(i) for i in range(3)]
    for i, scene in enumerate(scenes):
        scene.move("0", 1.0, text=f"different words {i}").value = (1, 2, 3)
    assert metrics([s.record for s in scenes], STATS, {})["batch/duplicate_share"] == 1.0
    for scene in scenes:
        scene.record.moves[0].value = object()  # its text names an address and nothing else
    assert metrics([s.record for s in scenes], STATS, {})["batch/duplicate_share"] == 0.0


def test_what_cannot_be_known_is_absent() -> None:
    scene = Scene()
    scene.move("0", None, reply=None)
    got = metrics([scene.record], STATS, {})
    assert "solver/reward_mean" not in got and "solver/length" not in got
    assert "batch/duplicate_share" not in metrics([], STATS, {})
    assert all(value == value for value in got.values())


def test_metrics_that_rules_may_watch_are_those_that_are_measured() -> None:
    scenes = [Scene(0), Scene(1)]
    for scene in scenes:
        scene.move("0.0", 1.0, prompt=f"go {scene.record.id}")
        scene.move("0.1", 0.0, prompt=f"go {scene.record.id}")
    records = [scene.record for scene in scenes]
    got = set(metrics(records, STATS, credit(records, {}).counts))
    assert got - {"batch/matches", "batch/tokens"} == {  # totals in the log, so no rule sees them
        *(f"solver/{name}" for name in OF_MOVES), *(f"batch/{name}" for name in OF_BATCH)
    }  # fmt: skip
    for name in (*got - {"batch/matches", "batch/tokens"}, "canary/fall_p", "solver/revise/kl", "notes/size"):
        check_metric(name, ["solver"])
    for name in ("batch/matches", "solver/foulrate", "sover/kl", "fall_p", "canary/kl", "notes/", "notes/a b"):
        with pytest.raises(UnknownName, match=f"unknown metric '{name}'"):
            check_metric(name, ["solver"])


def history(name: str, *values: float | None) -> list[dict[str, float]]:
    return [{} if v is None else {name: v} for v in values]


def test_bounds() -> None:
    above, below = Rule("kl", "above", 1.0), Rule("kl", "below", 1.0)
    assert judge(history("kl", 0.5, 1.5), [above, below])[0].rule is above
    assert judge(history("kl", 1.5, 0.5), [above, below])[0].rule is below
    assert judge(history("kl", 1.0), [above, below]) == []
    assert judge([], [above]) == []


def test_below_best_remembers_the_best() -> None:
    rule = Rule("canary/solve_rate", "below_best", 0.1, action="rollback")
    assert judge(history("canary/solve_rate", 0.3, 0.5, 0.45), [rule]) == []
    (alarm,) = judge(history("canary/solve_rate", 0.3, 0.5, 0.45, 0.35), [rule])
    assert (alarm.value, alarm.bound, alarm.rule.action) == (0.35, 0.4, "rollback")
    assert str(alarm) == "canary/solve_rate is 0.35, below 0.4: rollback"


def test_patience_counts_measurements_and_passes_over_gaps() -> None:
    rule = Rule("canary", "below", 0.5, patience=2)
    assert judge(history("canary", 0.4, 0.6, 0.4), [rule]) == []
    assert len(judge(history("canary", 0.6, 0.4, None, None, 0.4), [rule])) == 1
    assert judge(history("canary", 0.4), [rule]) == []
    assert judge(history("canary", 0.4, 0.4, None), [rule]) == []  # not measured now: no second alarm


def test_rules_with_impossible_words_are_refused() -> None:
    for bad in ({"kind": "sideways"}, {"action": "panic"}, {"patience": 0}):
        with pytest.raises(ValueError):
            Rule(**{"metric": "kl", "kind": "above", "threshold": 1.0, **bad})


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0])), max_size=12))
def test_fall_p_is_the_exact_sign_test(pairs: list[tuple[float, float]]) -> None:
    now, then = [a for a, _ in pairs], [b for _, b in pairs]
    worse, better = sum(a < b for a, b in pairs), sum(a > b for a, b in pairs)
    tail = sum(comb(worse + better, k) for k in range(worse, worse + better + 1)) / 2 ** (worse + better)
    assert fall_p(now, then) == pytest.approx(tail)
    assert fall_p(now, then) + fall_p(then, now) >= 1


def test_canary() -> None:
    then = [1.0] * 30 + [0.0] * 70
    assert fall_p(then, then) >= 0.01
    assert fall_p([0.0] * 3 + then[3:], then) >= 0.01
    assert fall_p([0.0] * 8 + then[8:], then) < 0.01
    assert fall_p(then, [0.0] * 100) >= 0.01
    with pytest.raises(ValueError, match="100 and 99"):
        fall_p(then, then[1:])


def test_false_alarms_are_as_rare_as_alpha_says() -> None:
    rng = np.random.default_rng(0)
    scores = (rng.random((2, 2000, 100)) < 0.3).astype(float)
    rate = np.mean([fall_p(a.tolist(), b.tolist()) < 0.05 for a, b in zip(*scores, strict=True)])
    assert rate <= 0.05


def test_answers_to_earlier_proposals_are_no_duplicates_of_proposals() -> None:
    scenes = [Scene(0), Scene(1), Scene(2, task=Task({}, "pool:pool", "k")), Scene(3, task=Task({}, "pool:pool", "k"))]
    for scene, text in zip(scenes, ["1 + 1", "1 + 2", "3", "3"], strict=True):
        scene.move("0", 1.0, text=text)
    assert metrics([s.record for s in scenes], STATS, {})["batch/duplicate_share"] == 0.0


def test_one_answer_to_everything_has_no_entropy() -> None:
    def entropy(*said: str) -> float | None:
        scenes = [Scene(i) for i in range(len(said))]
        for i, (scene, text) in enumerate(zip(scenes, said, strict=True)):
            scene.move("0.0", 1.0, prompt=f"question {i // 2}", text=text)
        return metrics([s.record for s in scenes], STATS, {}).get("solver/answer_entropy")

    assert entropy("7", "7", "7", "7") == 0.0
    assert entropy("7", "7", "8", "8") == pytest.approx(1.0)
    assert entropy("7", "8", "9", "5") == pytest.approx(2.0)  # siblings differ too
    assert entropy("7", "7", "7", "8") == pytest.approx((0.25 * np.log(4) + 0.75 * np.log(4 / 3)) / np.log(2))
    assert entropy("7", "8") is None  # one prompt says nothing about prompts


def test_fouls_do_not_count_as_answers() -> None:
    scenes = [Scene(i) for i in range(4)]
    for i, scene in enumerate(scenes):
        scene.move("0.0", 0.0, prompt=f"question {i}", text=f"no {i}").penalise("does not parse", 0.0)
        scene.move("0.1", 0.0, prompt=f"question {i}", text="7")
    assert metrics([s.record for s in scenes], STATS, {})["solver/answer_entropy"] == 0.0


def test_numbers_that_a_game_notes_are_averaged_over_the_matches_that_note_them() -> None:
    scenes = [Scene(i) for i in range(3)]
    for scene, data in zip(
        scenes, [{"gap": 0.5, "right": True}, {"gap": 0.1}, {"word": "x", "right": False}], strict=True
    ):
        scene.record.facts.append(Fact((0,), "note", data))
    scenes[0].record.facts.append(Fact((1,), "show", {"gap": 9.0}))
    got = {name: value for name, value in metrics([s.record for s in scenes], STATS, {}).items() if "notes" in name}
    assert got == {"notes/gap": pytest.approx(0.3), "notes/right": 0.5}
