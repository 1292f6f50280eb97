"""Selections and pair builders: what is chosen, what is left out and why; pairs always answer the same prompt."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import Scene

from selfplay.learning.candidates import Choice, Pair, Sampled, Written, conversation_before
from selfplay.learning.diversity import distance, most_different, without_outliers
from selfplay.learning.pairs import PAIR_BUILDERS
from selfplay.learning.selection import SELECTIONS
from selfplay.types import Ending, Fact

REWARDS = st.lists(st.one_of(st.none(), st.integers(0, 8).map(lambda i: i / 8)), min_size=1, max_size=8)


def answers(values: list[float | None], number: int = 0, prompt: str = "go", **options: object) -> Scene:
    scene = Scene(number)
    for i, value in enumerate(values):
        scene.move(f"1.{i}", value, prompt=prompt, text=f"answer {i}", reply=(7, 10 + i), **options)
    return scene


def fact(scene: Scene, kind: str, **data: object) -> None:
    scene.record.facts.append(Fact((len(scene.record.facts),), kind, data))


def select(name: str, *scenes: Scene, **options: object) -> tuple[list[str], Counter[str]]:
    """Which moves (or texts) were chosen, and why others were not."""
    items = list(SELECTIONS[name]([s.record for s in scenes], Choice(**options)))
    chosen = [
        i.reply.move.id if isinstance(i.reply, Sampled) else i.reply.text for i in items if not isinstance(i, str)
    ]
    return chosen, Counter(i for i in items if isinstance(i, str))


def build(name: str, *scenes: Scene, **options: object) -> tuple[list[Pair], Counter[str]]:
    items = list(PAIR_BUILDERS[name]([s.record for s in scenes], Choice(**options)))
    return [i for i in items if isinstance(i, Pair)], Counter(i for i in items if isinstance(i, str))


def names(pairs: list[Pair]) -> list[tuple[str, str]]:
    return [tuple(r.move.text if isinstance(r, Sampled) else r.text for r in pair[:2]) for pair in pairs]


# ------------------------------------------------------------------ selections


def test_kept_is_what_the_game_marked() -> None:
    scene = answers([None, 1.0, None])
    scene.record.moves[0].keep = True
    scene.move("2", learn=False).keep = True
    assert select("kept", scene) == (["1.0"], Counter())
    broken = Scene(1, ending=Ending.ERROR)
    broken.move("0").keep = True
    assert select("kept", broken) == ([], Counter())


@given(REWARDS, st.integers(0, 3))
def test_rewarded_takes_good_moves_and_accounts_for_all_others(values: list[float | None], cap: int) -> None:
    chosen, left = select("rewarded", answers(values), per_prompt=cap)
    good = [v for v in values if v is not None and v >= 0.5]
    assert len(chosen) == (min(cap, len(good)) if cap else len(good))
    assert len(chosen) + left.total() == sum(v is not None for v in values)
    rewards = sorted((values[int(i.partition(".")[2])] for i in chosen), reverse=True)
    assert rewards == sorted(good, reverse=True)[: len(chosen)]


def test_a_cap_counts_repeated_texts_once() -> None:
    scene = Scene()
    for i, text in enumerate(["a", "a", "b"]):
        scene.move(f"1.{i}", 1.0, text=text)
    assert select("rewarded", scene, per_prompt=2) == (["1.0", "1.2"], Counter({"beyond per_prompt, or repeated": 1}))


def test_best_of_group_takes_at_most_one_of_a_prompt_across_matches() -> None:
    scenes = [answers([0.5, 0.75], 0), answers([1.0], 1), answers([0.25], 2, prompt="other")]
    chosen, left = select("best_of_group", *scenes)
    assert chosen == ["1.0"]
    assert left == {"not the best of its prompt": 2, "reward below the threshold": 1}


def test_examples_stand_where_their_prompt_was_asked() -> None:
    scene = answers([0.0], prompt="2 + 2?")
    fact(scene, "example", role="solver", prompt="2 + 2?", text="4", weight=0.5)
    fact(scene, "example", role="solver", prompt="3 + 3?", text="6", weight=1.0)
    first, second = SELECTIONS["examples"]([scene.record], Choice())
    assert (first.reply.text, first.weight, first.reply.asked) == ("4", 0.5, scene.record.moves[0])
    assert (second.reply.text, second.reply.asked) == ("6", None)


# ----------------------------------------------------------------------- pairs


@given(st.lists(REWARDS, min_size=1, max_size=3), st.sampled_from(sorted(PAIR_BUILDERS)), st.integers(0, 3))
def test_every_pair_answers_one_prompt_and_prefers_the_higher_reward(groups, name: str, cap: int) -> None:
    scenes = [answers(values, i, prompt=f"prompt {i % 2}") for i, values in enumerate(groups)]
    for scene in scenes:
        fact(scene, "example", role="solver", prompt=scene.record.moves[0].messages[0].text, text="ideal", weight=1.0)
        if len(scene.record.moves) > 1:
            fact(scene, "prefer", better={"move": "1.1"}, worse={"move": "1.0"}, weight=2.0)
    pairs, left = build(name, *scenes, per_prompt=cap)
    assert all(isinstance(why, str) for why in left)
    for better, worse, weight in pairs:
        assert weight > 0 and isinstance(worse, Sampled)
        if isinstance(better, Written):
            assert better.asked is not None and conversation_before(better.asked) == conversation_before(worse.move)
        else:
            assert conversation_before(better.move) == conversation_before(worse.move)
            assert better.move is not worse.move
            if name != "preferred":
                assert better.reward > worse.reward


@given(REWARDS, st.sampled_from(["best_worst", "pass_fail", "length_tiered", "diverse"]), st.integers(0, 5))
def test_masked_moves_change_nothing(values: list[float | None], name: str, where: int) -> None:
    scene = answers(values)
    more = answers(values)
    more.move("9", None, text="masked")
    more.record.moves.insert(where % len(more.record.moves), more.record.moves.pop())
    assert [(p.weight, n) for p, n in zip(*_both(name, scene), strict=True)] == [
        (p.weight, n) for p, n in zip(*_both(name, more), strict=True)
    ]


def _both(name: str, scene: Scene) -> tuple[list[Pair], list[tuple[str, str]]]:
    pairs, _ = build(name, scene)
    return pairs, names(pairs)


def test_preferred_are_the_games_own() -> None:
    scene = answers([None, None])
    fact(scene, "prefer", better={"move": "1.1"}, worse={"move": "1.0"}, weight=0.25)
    fact(scene, "prefer", better={"role": "solver", "prompt": "go", "text": "ideal"}, worse={"move": "1.0"}, weight=1.0)
    pairs, _ = build("preferred", scene)
    assert names(pairs) == [("answer 1", "answer 0"), ("ideal", "answer 0")]
    assert [pair.weight for pair in pairs] == [0.25, 1.0]


def test_best_worst_weighs_by_vote_share() -> None:
    """ScPO: (V+ - V-) / k with rewards V / k, and the best answer needs enough votes."""
    votes = [5 / 8] * 5 + [2 / 8] * 2 + [1 / 8]
    ((better, worse, weight),), _ = build("best_worst", answers(votes))
    assert (better.move.id, worse.move.id, weight) == ("1.0", "1.7", 0.5)
    assert build("best_worst", answers(votes), weighted=False)[0][0].weight == 1.0
    assert build("best_worst", answers(votes), threshold=0.7) == ([], {"no good reply": 1})
    assert build("best_worst", answers([1.0, 1.0])) == ([], {"all rewards equal": 1})
    assert build("best_worst", answers([1.0])) == ([], {"only one reply to the prompt": 1})


def test_best_worst_compares_across_matches_with_the_same_prompt_only() -> None:
    assert names(build("best_worst", answers([1.0]), answers([0.0], 1))[0]) == [("answer 0", "answer 0")]
    assert build("best_worst", answers([1.0]), answers([0.0], 1, prompt="other"))[0] == []
    assert build("best_worst", answers([1.0]), answers([0.0], 1, tag="revise"))[0] == []


def test_pass_fail_pairs_up_in_order() -> None:
    pairs, _ = build("pass_fail", answers([0.0, 1.0, 1.0, 0.0, 1.0]))
    assert names(pairs) == [("answer 1", "answer 0"), ("answer 2", "answer 3")]
    assert len(build("pass_fail", answers([0.0, 1.0, 1.0, 0.0]), per_prompt=1)[0]) == 1
    assert build("pass_fail", answers([1.0, 1.0])) == ([], {"all replies good": 1})
    assert build("pass_fail", answers([0.0])) == ([], {"no good reply": 1})


def test_length_tiered_prefers_short_among_the_best_and_rejects_long_among_the_worst() -> None:
    scene = Scene()
    for i, (reward, length) in enumerate([(1.0, 9), (0.9, 2), (0.5, 1), (0.1, 3), (0.0, 2)]):
        scene.move(f"1.{i}", reward, reply=(7,) * length, text=f"{i}")
    assert names(build("length_tiered", scene, tier=0.3)[0]) == [("1", "3")]
    assert names(build("length_tiered", scene, tier=0.0)[0]) == [("0", "4")]


def test_refined_answers_the_first_prompt() -> None:
    scene = Scene()
    original = scene.move("0", 0.0, text="draft", reply=(7,))
    critic = scene.move("1", 1.0, role="critic", text="no good")
    middle = scene.move("2", 0.5, after=original, prompt="try again", text="better", reply=(8,))
    scene.move("3", 1.0, after=middle, prompt="and again", text="best", reply=(9, 9))
    ((better, worse, weight),), left = build("refined", scene)
    assert (better.text, better.asked, better.source.text, better.prompt) == ("best", original, "best", "go")
    assert (worse.move, weight, left) == (original, 1.0, Counter())
    scene.record.moves[-1].reward = middle.reward = 0.0
    assert build("refined", scene) == ([], {"no better refinement": 1})
    assert critic.parent is None  # another role's move on its own is no pair


def test_against_example_prefers_the_demonstration_to_every_other_reply() -> None:
    scene = answers([None, None], learn=False)  # an opponent's replies do not learn, and are good enough to be worse
    scene.move("2", text="ideal", learn=False)
    scene.move("3", text="other", prompt="other")
    fact(scene, "example", role="solver", prompt="go", text="ideal", weight=0.5)
    fact(scene, "example", role="solver", prompt="never asked", text="ideal", weight=0.5)
    pairs, left = build("against_example", scene)
    assert names(pairs) == [("ideal", "answer 0"), ("ideal", "answer 1")] and pairs[0].weight == 0.5
    assert left == {"reply equals the example": 1, "nobody answered the example's prompt": 1}


# ------------------------------------------------------------------- diversity


def replies(*ids: tuple[int, ...], rewards: list[float] | None = None) -> list[Sampled]:
    scene = Scene()
    for i, reply in enumerate(ids):
        scene.move(f"1.{i}", rewards[i] if rewards else 1.0, reply=reply, text=str(reply))
    return [Sampled(scene.record, move) for move in scene.record.moves]


def test_an_outlier_is_dropped_and_a_small_group_is_left_alone() -> None:
    alike = [(1, 2, 3, 4, 5, n) for n in range(6, 10)]
    group = replies(*alike, (30, 31, 32))
    assert without_outliers(group) == group[:-1]
    assert without_outliers(group[-3:]) == group[-3:]


def test_diverse_takes_what_is_far_from_what_it_has() -> None:
    group = replies((1, 2, 3, 4), (1, 2, 3, 5), (1, 2, 3, 4), (9, 8, 7), rewards=[0.9, 1.0, 1.0, 0.6])
    assert [r.move.id for r in most_different(group, 2)] == ["1.1", "1.3"]
    assert len(most_different(group, 9)) == 3  # the repeated reply counts once


@given(st.lists(st.lists(st.integers(3, 9), max_size=5).map(tuple), min_size=2, max_size=7, unique=True))
def test_the_first_two_are_never_closer_than_another_choice_after_the_first(ids: list[tuple[int, ...]]) -> None:
    from selfplay.learning.diversity import _grams

    group = replies(*ids)
    first, second = most_different(group, 2)
    away = {r.move.id: distance(_grams(first), _grams(r)) for r in group if r is not first}
    assert away[second.move.id] == max(away.values())
    assert all(
        distance(_grams(a), _grams(a)) == 0 and 0 <= distance(_grams(a), _grams(b)) <= 1
        for a, b in product(group, group)
    )


def test_diverse_pairs_both_sides() -> None:
    scene = Scene()
    for i, reply in enumerate([(1, 2), (1, 2), (8, 9), (3, 4), (5, 6), (5, 6)]):
        scene.move(f"1.{i}", float(i < 3), reply=reply, text=str(reply))
    pairs, _ = build("diverse", scene)
    assert {a for a, _ in names(pairs)} == {"(1, 2)", "(8, 9)"} and {b for _, b in names(pairs)} == {"(3, 4)", "(5, 6)"}


@pytest.mark.parametrize("bad", [{"tier": 0.5}, {"per_prompt": -1}])
def test_impossible_choices_are_refused(bad: dict[str, object]) -> None:
    from selfplay.errors import UsageError

    with pytest.raises(UsageError, match=next(iter(bad))):
        Choice(**bad)
