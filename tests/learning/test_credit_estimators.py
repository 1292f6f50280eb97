"""Estimators that look beyond one group: the published formulas, what they remember, and what must not matter."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import Scene

from selfplay.errors import UsageError
from selfplay.learning.credit import CreditResult, CreditRule, credit
from selfplay.learning.estimators import ESTIMATORS, RunningMean
from selfplay.types import Ending, MatchRecord

values = st.integers(-20, 20).map(lambda i: i / 4)
batches = st.lists(values, min_size=1, max_size=10)
RAE = {"*": CreditRule("role_baseline", decay=0.9)}


def matches(rewards: list[float | None], start: int = 0) -> list[MatchRecord]:
    """One match of one move for each reward."""
    scenes = [Scene(start + i) for i in range(len(rewards))]
    for scene, reward in zip(scenes, rewards, strict=True):
        scene.move("0", reward)
    return [scene.record for scene in scenes]


def by_match(result: CreditResult) -> list[float]:
    return [result.advantages[key] for key in sorted(result.advantages)]


# ------------------------------------------------------------------ role_baseline


@given(batches, st.floats(0.0, 0.99))
def test_the_running_mean_is_the_bias_corrected_exponential_average(rewards: list[float], decay: float) -> None:
    result = credit(matches(rewards), {"*": CreditRule("role_baseline", decay=decay)})
    n = len(rewards)
    weights = [(1 - decay) * decay ** (n - 1 - i) for i in range(n)]
    expected = sum(w * r for w, r in zip(weights, rewards, strict=True)) / sum(weights)
    assert result.state["game/learner/solver"].value == pytest.approx(expected, abs=1e-9)


@given(batches, batches)
def test_the_baseline_is_read_before_the_match_is_folded_in(before: list[float], after: list[float]) -> None:
    """The advantage of each match is its reward minus what was known before it, whatever comes later."""
    known = credit(matches(before), RAE).state["game/learner/solver"].value
    got = by_match(credit(matches([*before, 1.0, *after]), RAE))
    assert got[: len(before)] == by_match(credit(matches(before), RAE))
    assert got[len(before)] == 1.0 - known
    assert got[0] == 0.0  # nothing to be compared with


@given(batches, batches)
def test_two_batches_with_the_saved_state_give_what_one_gives(first: list[float], second: list[float]) -> None:
    whole = credit(matches([*first, *second]), RAE)
    begun = credit(matches(first), RAE)
    saved = {name: RunningMean(*pair) for name, pair in json.loads(json.dumps(begun.state)).items()}
    resumed = credit(matches(second, len(first)), RAE, saved)
    assert [*by_match(begun), *by_match(resumed)] == by_match(whole)
    assert resumed.state == whole.state


def test_credit_leaves_the_state_it_was_given_alone() -> None:
    state = {"game/learner/solver": RunningMean(0.5, 1.0)}
    result = credit(matches([1.0]), RAE, state)
    assert state == {"game/learner/solver": RunningMean(0.5, 1.0)}
    assert result.state["game/learner/solver"].value == pytest.approx(0.55)


@given(batches, st.randoms())
def test_the_order_in_which_matches_ended_does_not_matter(rewards: list[float], random) -> None:
    records = matches(rewards)
    shuffled = random.sample(records, len(records))
    assert by_match(credit(shuffled, RAE)) == by_match(credit(records, RAE))


def test_a_seat_is_folded_once_per_match_and_judged_by_earlier_matches_only() -> None:
    """Three moves of a seat are one value; the two seats of a role do not see each other's result."""
    scene = Scene(1)
    for i in range(3):
        scene.move(f"{i}", 1.0).seat = "solver#1"
    scene.move("3", -1.0).seat = "solver#2"
    result = credit([*matches([0.5]), scene.record], RAE)
    assert [result.advantages[scene.record.id, str(i)] for i in range(4)] == [0.5, 0.5, 0.5, -1.5]
    by_hand = RunningMean().fold(0.5, 0.9).fold(1.0, 0.9).fold(-1.0, 0.9)
    assert result.state["game/learner/solver"] == by_hand


def test_what_is_not_learned_from_is_not_remembered() -> None:
    broken = Scene(1, ending=Ending.ERROR)
    broken.move("0", 9.0)
    asked = Scene(2)
    asked.move("0", 9.0, learn=False)
    records = [*matches([0.5]), broken.record, asked.record, *matches([None], 3)]
    assert credit(records, RAE).state == credit(matches([0.5]), RAE).state


def test_games_players_and_kinds_of_moves_have_baselines_of_their_own() -> None:
    scene = Scene()
    scene.move("0", 1.0, role="white")
    scene.move("1", -1.0, role="black")
    scene.move("2", 0.5, role="black", tag="clue")
    scene.move("3", 0.2, role="black", player="old")
    other = Scene(1)
    other.move("0", 0.1, role="white")
    other.record.pairing.game = "other"
    means = {name: mean.value for name, mean in credit([scene.record, other.record], RAE).state.items()}
    assert means == {
        "game/learner/white": 1.0,
        "game/learner/black": -1.0,
        "game/learner/black/clue": 0.5,
        "game/old/black": 0.2,
        "other/learner/white": 0.1,
    }


def test_new_weights_keep_the_baseline() -> None:
    old, new = Scene(0), Scene(1)
    old.move("0", 1.0, version=0)
    new.move("0", 0.0, version=1)
    assert by_match(credit([old.record, new.record], RAE)) == [0.0, -1.0]


@given(batches, values)
def test_a_shift_of_all_rewards_does_not_matter_and_a_factor_goes_through(rewards: list[float], c: float) -> None:
    got = by_match(credit(matches(rewards), RAE))
    assert by_match(credit(matches([r + c for r in rewards]), RAE)) == pytest.approx(got, abs=1e-9)
    assert by_match(credit(matches([r * 3 for r in rewards]), RAE)) == pytest.approx([a * 3 for a in got], abs=1e-9)


def test_equal_rewards_give_exactly_zero_for_ever() -> None:
    assert by_match(credit(matches([0.1] * 50), RAE)) == [0.0] * 50


# ----------------------------------------------------------- per_class and per_role


def classed(pairs: list[tuple[str, float]]) -> list[MatchRecord]:
    scenes = [Scene(i) for i in range(len(pairs))]
    for scene, (name, reward) in zip(scenes, pairs, strict=True):
        scene.move("0", reward, prompt=f"document {scene.record.id}", group=f"class:{name}")
    return [scene.record for scene in scenes]


def zscore(r: np.ndarray) -> list[float]:
    return list((r - r.mean()) / (r.std(ddof=1) + 1e-4))


def test_classes_are_normalised_apart_over_the_whole_batch() -> None:
    easy, hard = [0.9, 0.7, 0.8], [0.1, 0.4]
    result = credit(classed([("1", r) for r in easy] + [("4", r) for r in hard]), {"*": CreditRule("per_class")})
    assert by_match(result) == pytest.approx([*zscore(np.array(easy)), *zscore(np.array(hard))])
    assert result.counts["solver"].groups == 2


def test_alone_in_its_class_a_move_is_measured_against_the_whole_batch_not_against_zero() -> None:
    """Trap 10: the paper's code would give the lone 0.9 an advantage of 0.9, though it is below average here."""
    rewards = [1.0, 1.0, 0.96, 0.9]
    result = credit(classed([("1", r) for r in rewards[:3]] + [("4", 0.9)]), {"*": CreditRule("per_class")})
    assert by_match(result)[3] == pytest.approx(zscore(np.array(rewards))[3]) and by_match(result)[3] < 0
    assert result.counts["solver"].singletons == 1


@given(st.lists(st.tuples(st.sampled_from("123"), values), min_size=4, max_size=12), values, st.randoms())
def test_what_one_class_earns_does_not_matter_to_another(pairs: list[tuple[str, float]], c: float, random) -> None:
    """Where no class is alone: a shift of one class, and the order, change nothing."""
    pairs = [*pairs, *((name, 0.0) for name in "123"), *((name, 1.0) for name in "123")]
    got = by_match(credit(classed(pairs), {"*": CreditRule("per_class")}))
    shifted = [(name, r + c if name == "2" else r) for name, r in pairs]
    assert by_match(credit(classed(shifted), {"*": CreditRule("per_class")})) == pytest.approx(got, abs=1e-6)
    order = random.sample(range(len(pairs)), len(pairs))
    moved = by_match(credit(classed([pairs[i] for i in order]), {"*": CreditRule("per_class")}))
    assert moved == pytest.approx([got[i] for i in order], abs=1e-6)


def test_a_class_of_equal_returns_teaches_nothing_even_where_its_moves_differ() -> None:
    scenes = [Scene(i) for i in range(3)]
    for scene in scenes[:2]:
        root = scene.move("0", 1.0, group="class:a")
        scene.move("1", 0.0, after=root)
    for i in range(2):
        scenes[2].move(f"0.{i}", float(i), group="class:b")
    result = credit([s.record for s in scenes], {"*": CreditRule("per_class")})
    assert by_match(result)[:4] == [0.0] * 4 and by_match(result)[5] > 0
    assert (result.counts["solver"].groups, result.counts["solver"].zero_variance) == (2, 1)


def test_other_estimators_do_not_see_classes() -> None:
    """So one game serves HRPO and GRPO."""
    scenes = [Scene(i) for i in range(2)]
    for scene in scenes:
        for i in range(2):
            scene.move(f"0.{i}", float(i + 2 * scene.record.pairing.number), group="class:2")
    result = credit([s.record for s in scenes], {"*": CreditRule("mean_only")})
    assert by_match(result) == [-0.5, 0.5, -0.5, 0.5]


def test_per_role_is_one_normaliser_for_all_moves_of_a_kind() -> None:
    scenes = [Scene(i) for i in range(2)]
    rewards = {"solve": [0.0, 1.0], "propose": [0.5, 0.75]}
    for i, scene in enumerate(scenes):
        for role, given_ in rewards.items():
            scene.move(role, given_[i], role=role, prompt=f"{i}", group=f"topic {i}")
    result = credit([s.record for s in scenes], {"*": CreditRule("per_role")})
    for role, given_ in rewards.items():
        got = [result.advantages[s.record.id, role] for s in scenes]
        assert got == pytest.approx(zscore(np.array(given_)))


# ---------------------------------------------------------------- bounded_returns


def segments(rewards: list[list[float | None]], rule: CreditRule, tags: tuple[str, ...] = ("",)) -> CreditResult:
    scene = Scene()
    longest = max(map(len, rewards))
    lasts: dict[int, object] = {}
    for t in range(longest):  # in path order, as records are
        for i, given_ in enumerate(rewards):
            if t < len(given_):
                lasts[i] = scene.move(f"{t}.{i}", given_[t], after=lasts.get(i), tag=tags[t % len(tags)])  # type: ignore[arg-type]
    return credit([scene.record], {"*": rule})


def test_returns_are_bounded_and_normalised_over_all_segments() -> None:
    rule = CreditRule("bounded_returns", discount=0.5, bounds=(-1.0, 1.0))
    result = segments([[1.0, 0.0, 1.0], [-1.0, 0.0]], rule)
    # G: 1, 0 + .5, clip(1 + .25) = 1; and 0, clip(-1 + 0) = -1
    returns = {"2.0": 1.0, "1.0": 0.5, "0.0": 1.0, "1.1": 0.0, "0.1": -1.0}
    expected = dict(zip(returns, zscore(np.array(list(returns.values()))), strict=True))
    assert {move: a for (_, move), a in result.advantages.items()} == pytest.approx(expected)


def test_without_bounds_a_long_reply_collects_more_than_the_task_is_worth() -> None:
    long, short = [1.0] * 8, [1.0]
    bounded = segments([long, short, [0.0]], CreditRule("bounded_returns"))
    assert bounded.advantages["g0000-m0000", "0.0"] == bounded.advantages["g0000-m0000", "0.1"]
    free = segments([long, short, [0.0]], CreditRule("bounded_returns", bounds=(-math.inf, math.inf)))
    assert free.advantages["g0000-m0000", "0.0"] > free.advantages["g0000-m0000", "0.1"]


def test_segments_with_different_tags_are_one_reply() -> None:
    plain = segments([[0.0, 1.0], [0.0, 0.0]], CreditRule("bounded_returns"))
    tagged = segments([[0.0, 1.0], [0.0, 0.0]], CreditRule("bounded_returns"), tags=("statement", "critique"))
    assert tagged.advantages == plain.advantages
    assert tagged.advantages["g0000-m0000", "0.0"] > 0  # the statement is paid for what follows


def test_before_a_masked_segment_returns_are_not_known() -> None:
    result = segments([[0.0, 0.0, None], [0.0, 1.0], [0.0, None, 1.0]], CreditRule("bounded_returns"))
    assert {move for _, move in result.advantages} == {"0.1", "1.1", "2.2"}
    assert result.counts["solver"].masked == 5


@given(st.lists(st.lists(values, min_size=1, max_size=4), min_size=1, max_size=4), st.floats(0, 1))
def test_bounded_returns_follow_the_published_recursion(rewards: list[list[float]], discount: float) -> None:
    low, high = -1.5, 2.0
    result = segments(rewards, CreditRule("bounded_returns", discount=discount, bounds=(low, high)))  # type: ignore[arg-type]
    returns = {}
    for i, given_ in enumerate(rewards):
        after = 0.0
        for t in reversed(range(len(given_))):
            after = returns[f"{t}.{i}"] = min(high, max(low, given_[t] + discount * after))
    r = np.array(list(returns.values()))
    expected = zscore(r) if np.ptp(r) > 0 else [0.0] * len(r)
    got = [result.advantages["g0000-m0000", move] for move in returns]
    assert got == pytest.approx(expected, abs=1e-6)


# ------------------------------------------------------------------ all estimators


@given(
    st.lists(st.lists(st.one_of(st.none(), values), min_size=1, max_size=4), min_size=1, max_size=4),
    st.sampled_from(sorted(ESTIMATORS)),
)
def test_whatever_the_batch_looks_like_advantages_are_numbers(rewards: list, estimator: str) -> None:
    records = []
    for number, given_ in enumerate(rewards):
        scene = Scene(number)
        for i, reward in enumerate(given_):
            scene.move(f"0.{i}", reward, group=f"class:{i % 2}" if number % 2 else None)
        records.append(scene.record)
    result = credit(records, {"*": CreditRule(estimator)})
    assert all(math.isfinite(a) for a in result.advantages.values())
    flat = [r for given_ in rewards for r in given_]
    assert len(result.advantages) == sum(r is not None for r in flat)
    if flat:
        assert result.counts["solver"].masked == sum(r is None for r in flat)


@pytest.mark.parametrize(
    ("settings", "words"), [({"decay": 1.0}, "less than 1"), ({"bounds": (1.0, -1.0)}, "below the second")]
)
def test_rules_that_cannot_work(settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        CreditRule("role_baseline", **settings)  # type: ignore[arg-type]
