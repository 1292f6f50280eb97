"""Rows: what merges, what splits, and that no sampled token is learned from twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import Scene

from selfplay.learning.rows import rows_from
from selfplay.types import Move


def build(scene: Scene, *, without: tuple[str, ...] = ()):
    wanted = {(scene.record.id, m.id): float(i + 1) for i, m in enumerate(scene.record.moves) if m.id not in without}
    return rows_from([scene.record], wanted)


def conversation(scene: Scene, n: int, **changes: dict[str, object]) -> list[Move]:
    moves: list[Move] = []
    for i in range(n):
        after = moves[-1] if moves else None
        moves.append(scene.move(str(i), after=after, reply=(10 + i, 20 + i), **changes.get(str(i), {})))
    return moves


def test_a_conversation_is_one_row() -> None:
    scene = Scene()
    conversation(scene, 3)
    (row,) = build(scene).rows
    assert row.prompt_ids.tolist() == [3, 4, 0]
    assert row.completion_ids.tolist() == [10, 20, 3, 4, 1, 11, 21, 3, 4, 2, 12, 22]
    assert row.mask.tolist() == [True, True, False, False, False] * 2 + [True, True]
    assert row.advantages.tolist() == [1, 1, 0, 0, 0, 2, 2, 0, 0, 0, 3, 3]
    assert row.logprobs.tolist() == [-1, -2, 0, 0, 0, -1, -2, 0, 0, 0, -1, -2]
    assert row.moves == ("0", "1", "2") and row.match == scene.record.id


def test_siblings_are_rows_of_their_own_and_each_can_be_continued() -> None:
    scene = Scene()
    first = scene.move("0.0")
    second = scene.move("0.1")
    scene.move("1", after=second)
    scene.move("2", after=first)
    assert [row.moves for row in build(scene).rows] == [("0.0", "2"), ("0.1", "1")]


def test_the_second_branch_from_a_move_starts_a_row_with_its_whole_context_as_prompt() -> None:
    scene = Scene()
    (root,) = conversation(scene, 1)
    scene.move("1.0", after=root)
    scene.move("1.1", after=root)
    first, second = build(scene).rows
    assert first.moves == ("0", "1.0")
    assert second.prompt_ids.tolist() == [3, 4, 0, 10, 20, 3, 4, 2] and second.completion_ids.tolist() == [7, 8]


@pytest.mark.parametrize("change", [{"player": "other"}, {"version": 1}, {"role": "critic"}, {"tag": "revise"}])
def test_splits_where_the_player_its_weights_or_the_kind_of_move_change(change: dict[str, object]) -> None:
    scene = Scene()
    conversation(scene, 3, **{"1": change})
    made = build(scene).rows
    assert [row.moves for row in made] == [("0",), ("1",), ("2",)]
    assert [len(row.prompt_ids) for row in made] == [3, 8, 13]


def test_a_masked_move_in_between_is_context() -> None:
    scene = Scene()
    conversation(scene, 3)
    (row,) = build(scene, without=("1",)).rows
    assert row.moves == ("0", "2")
    assert row.mask.tolist() == [True, True] + [False] * 8 + [True, True]
    assert row.advantages[2:10].tolist() == [0] * 8


def test_masked_moves_at_the_ends_cost_nothing() -> None:
    scene = Scene()
    conversation(scene, 3)
    (row,) = build(scene, without=("0", "2")).rows
    assert row.prompt_ids.tolist() == [3, 4, 0, 10, 20, 3, 4, 1] and row.completion_ids.tolist() == [11, 21]


@pytest.mark.parametrize("reply", [None, ()])
def test_moves_without_tokens_are_skipped_and_counted(reply: object) -> None:
    scene = Scene()
    scene.move("0", reply=reply)
    scene.move("1")
    made = build(scene)
    assert [row.moves for row in made.rows] == [("1",)] and made.without_tokens == 1


def test_a_context_without_tokens_cannot_be_learned_from() -> None:
    scene = Scene()
    scene.move("1", after=scene.move("0", reply=None))
    assert build(scene) == ([], 2)


def test_records_do_not_mix() -> None:
    scenes = [Scene(0), Scene(1)]
    for scene in scenes:
        conversation(scene, 1)
    made = rows_from([s.record for s in scenes], {(s.record.id, "0"): 1.0 for s in scenes})
    assert [row.match for row in made.rows] == ["g0000-m0000", "g0000-m0001"]


@given(st.lists(st.tuples(st.integers(-1, 10), st.booleans(), st.sampled_from(["", "x"])), min_size=1, max_size=10))
def test_every_learned_token_is_in_exactly_one_row_with_its_true_context(plan: list[tuple[int, bool, str]]) -> None:
    """Random trees: whatever merges, each learned reply stands once, right after all that its seat had seen."""
    scene = Scene()
    for i, (parent, _, tag) in enumerate(plan):
        after = scene.record.moves[parent] if 0 <= parent < i else None
        scene.move(str(i), after=after, tag=tag, reply=(100 + i, 200 + i))
    learned = {i for i, (_, learn, _) in enumerate(plan) if learn}
    made = rows_from([scene.record], {(scene.record.id, str(i)): float(i) for i in learned}).rows
    seen = []
    for row in made:
        ids = [*row.prompt_ids.tolist(), *row.completion_ids.tolist()]
        for t in range(len(row.mask)):
            if row.mask[t] and row.completion_ids[t] < 200:
                i = int(row.completion_ids[t]) - 100
                seen.append(i)
                assert ids[: len(row.prompt_ids) + t + 2] == full_context(scene.record.moves[i])
                assert row.advantages[t] == row.advantages[t + 1] == i and row.mask[t + 1]
        assert row.mask[0] and row.mask[-1]
    assert sorted(seen) == sorted(learned)
    assert sum(int(row.mask.sum()) for row in made) == 2 * len(learned)


def full_context(move: Move) -> list[int]:
    before = full_context(move.parent) if move.parent else []
    return [*before, *move.completion.prompt_ids.tolist(), *move.completion.token_ids.tolist()]
