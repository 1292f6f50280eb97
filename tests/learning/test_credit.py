"""Credit: the published formulas, and what masks, trajectories and degenerate groups do to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import Scene

from selfplay.errors import UnknownName
from selfplay.learning.credit import CreditRule, credit
from selfplay.learning.estimators import ESTIMATORS
from selfplay.types import Ending

rewards = st.lists(st.one_of(st.none(), st.integers(-20, 20).map(lambda i: i / 4)), min_size=1, max_size=10)


def siblings(values: list[float | None], number: int = 0) -> Scene:
    scene = Scene(number)
    for i, value in enumerate(values):
        scene.move(f"1.{i}", value)
    return scene


def advantages(values: list[float | None], estimator: str) -> list[float]:
    scene = siblings(values)
    result = credit([scene.record], {"*": CreditRule(estimator)})
    return [result.advantages[scene.record.id, f"1.{i}"] for i, v in enumerate(values) if v is not None]


def test_formulas() -> None:
    r = np.array([1.0, 0.0, 0.0, 3.0])
    assert advantages(list(r), "raw") == list(r)
    assert advantages(list(r), "mean_only") == list(r - 1)
    assert advantages(list(r), "leave_one_out") == pytest.approx([0.0, -4 / 3, -4 / 3, 8 / 3])
    assert advantages(list(r), "group_zscore") == pytest.approx((r - 1) / (np.sqrt(2.0) + 1e-4))


@given(rewards, st.sampled_from(sorted(ESTIMATORS)))
def test_masked_moves_get_nothing_and_change_nothing(values: list[float | None], estimator: str) -> None:
    kept = [v for v in values if v is not None]
    result = credit([siblings(values).record], {"*": CreditRule(estimator)})
    assert len(result.advantages) == len(kept)
    assert advantages(values, estimator) == advantages(kept, estimator)
    assert (result.counts["solver"].moves, result.counts["solver"].masked) == (len(values), len(values) - len(kept))


@given(rewards, st.sampled_from(["group_zscore", "mean_only", "leave_one_out"]), st.integers(-8, 8))
def test_relative_estimators_sum_to_zero_and_ignore_a_shift(values: list[float | None], estimator: str, c: int) -> None:
    got = advantages(values, estimator)
    assert sum(got) == pytest.approx(0, abs=1e-8)
    assert advantages([None if v is None else v + c for v in values], estimator) == pytest.approx(got, abs=1e-9)


@given(
    st.lists(st.integers(-8, 8).map(float), min_size=2, max_size=8), st.sampled_from(sorted(ESTIMATORS)), st.randoms()
)
def test_order_does_not_matter(values: list[float], estimator: str, random) -> None:
    order = random.sample(range(len(values)), len(values))
    got = advantages(values, estimator)
    assert advantages([values[i] for i in order], estimator) == pytest.approx([got[i] for i in order], abs=1e-9)


@given(st.lists(st.integers(-8, 8).map(float), min_size=2, max_size=8))
def test_leave_one_out_is_the_centred_reward_scaled_up(values: list[float]) -> None:
    n = len(values)
    assert advantages(values, "leave_one_out") == pytest.approx(
        [a * n / (n - 1) for a in advantages(values, "mean_only")]
    )


@pytest.mark.parametrize("estimator", ["group_zscore", "mean_only", "leave_one_out"])
def test_equal_rewards_and_single_moves_give_exactly_zero_and_are_counted(estimator: str) -> None:
    assert advantages([0.1] * 3, estimator) == [0.0] * 3
    rules = {"*": CreditRule(estimator)}
    result = credit([siblings([0.1] * 3).record, siblings([1.0], 1).record, siblings([0.0, 1.0], 2).record], rules)
    assert (result.counts["solver"].groups, result.counts["solver"].zero_variance) == (3, 1)
    assert result.counts["solver"].singletons == 1
    assert result.advantages["g0000-m0001", "1.0"] == 0.0


def test_raw_keeps_single_rewards() -> None:
    assert advantages([0.5], "raw") == [0.5]


def test_a_trajectory_counts_once_however_many_moves_it_has() -> None:
    """One match wins in three moves, one loses in one: the baseline is 1/2, not 3/4."""
    scene = Scene()
    first = scene.move("1.0", 1.0)
    second = scene.move("2", 1.0, after=first)
    scene.move("3", 1.0, after=second)
    scene.move("1.1", 0.0)
    result = credit([scene.record], {"*": CreditRule("mean_only")})
    assert list(result.advantages.values()) == [0.5, 0.5, 0.5, -0.5]


def test_continued_moves_inherit_the_roots_group_and_are_compared_by_tag() -> None:
    scene = Scene()
    for i, reward in enumerate([1.0, 0.0]):
        root = scene.move(f"1.{i}", 0.0, tag="draft")
        scene.move(f"2.{i}", reward, after=root, tag="final", prompt=f"your draft {i} was criticised")
    result = credit([scene.record], {"*": CreditRule("mean_only")})
    assert [result.advantages["g0000-m0000", f"2.{i}"] for i in range(2)] == [0.5, -0.5]
    assert result.counts["solver/draft"].zero_variance == 1


def test_several_replies_to_one_earlier_move_are_trajectories_of_their_own_if_their_tag_is() -> None:
    scene = Scene()
    draft = scene.move("1", 0.0, tag="draft")
    finals = [scene.move(f"2.{i}", float(i), after=draft, tag="final") for i in range(2)]
    scene.move("3", 1.0, after=finals[1], tag="final")
    result = credit([scene.record], {"*": CreditRule("mean_only")})
    assert list(result.advantages.values()) == [0.0, -0.5, 0.5, 0.5]
    assert result.counts["solver/final"].singletons == 0


def proposals() -> list[Scene]:
    scenes = [Scene(i) for i in range(2)]
    for i, scene in enumerate(scenes):
        scene.move("0", float(i), role="proposer", prompt="propose")
        scene.move("1.0", 1.0, prompt="puzzle")
        scene.move("1.1", float(i), prompt="puzzle")
    return scenes


def test_groups_stay_within_a_match_unless_the_rule_says_otherwise() -> None:
    records = [s.record for s in proposals()]
    default = credit(records, {"*": CreditRule("mean_only")})
    assert [default.advantages[r.id, "0"] for r in records] == [0.0, 0.0]
    assert default.counts["proposer"].singletons == 2 and default.counts["solver"].groups == 2
    by_prompt = credit(records, {"proposer": CreditRule("mean_only", "prompt"), "*": CreditRule("mean_only")})
    assert [by_prompt.advantages[r.id, "0"] for r in records] == [-0.5, 0.5]
    assert by_prompt.advantages[records[0].id, "1.0"] == 0.5


def test_replicas_of_a_task_share_a_group_only_with_the_same_seed() -> None:
    scenes = [Scene(i, seed=i // 2) for i in range(4)]
    for i, scene in enumerate(scenes):
        scene.move("0", float(i), prompt=f"deal {i}")
    result = credit([s.record for s in scenes], {"*": CreditRule("mean_only", "task")})
    assert list(result.advantages.values()) == [-0.5, 0.5, -0.5, 0.5]


def test_by_role_everything_of_a_kind_shares_one_baseline() -> None:
    result = credit([s.record for s in proposals()], {"*": CreditRule("mean_only", "role")})
    assert result.counts["solver"].groups == 1 and result.counts["proposer"].groups == 1


def test_ask_group_overrides_and_reaches_across_matches() -> None:
    scenes = [Scene(i) for i in range(2)]
    for i, scene in enumerate(scenes):
        root = scene.move("0", float(i), prompt=f"{i}", group="topic")
        scene.move("1", float(i), after=root)
    result = credit([s.record for s in scenes], {"*": CreditRule("mean_only")})
    assert list(result.advantages.values()) == [-0.5, -0.5, 0.5, 0.5]


@pytest.mark.parametrize("different", [{"player": "old"}, {"version": 1}, {"role": "critic"}, {"tag": "other"}])
def test_unlike_moves_never_share_a_baseline(different: dict[str, object]) -> None:
    scene = Scene()
    scene.move("1.0", 1.0)
    scene.move("1.1", 0.0, **different)
    result = credit([scene.record], {"*": CreditRule("mean_only", "role")})
    assert set(result.advantages.values()) == {0.0}
    assert sum(c.singletons for c in result.counts.values()) == 2


def test_moves_that_may_not_be_learned_from_are_left_out() -> None:
    scene, broken = Scene(), Scene(1, ending=Ending.ERROR)
    scene.move("0", 1.0, learn=False)
    broken.move("0", 1.0)
    result = credit([scene.record, broken.record], {})
    assert result.advantages == {}
    assert (result.counts["solver"].moves, result.counts["solver"].masked) == (1, 1)


def test_weight_and_the_most_specific_rule() -> None:
    scene = Scene()
    for tag in ("", "x"):
        for i in range(2):
            scene.move(f"{tag}{i}", float(i), tag=tag)
    rules = {"*": CreditRule("raw"), "solver": CreditRule("mean_only"), "solver/x": CreditRule("mean_only", weight=0.1)}
    assert list(credit([scene.record], rules).advantages.values()) == pytest.approx([-0.5, 0.5, -0.05, 0.05])


def test_unknown_names() -> None:
    with pytest.raises(UnknownName, match="did you mean 'mean_only'"):
        CreditRule("mean_onli")
    with pytest.raises(ValueError, match="batchwise"):
        CreditRule("raw", "batchwise")
