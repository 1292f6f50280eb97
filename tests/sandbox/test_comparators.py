"""What counts as the expected answer under each policy."""

from __future__ import annotations

import math
import time

import pytest

from selfplay.sandbox.comparators import Custom, Exact, Lines, Numeric, Tokens, Unordered

NAN = math.nan


class Nine:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("policy", "expected", "same", "other"),
    [
        (Exact(), 9, [9], [9.0, "9", True, None, [9], 10]),
        (Exact(), 1, [1], [True, 1.0]),
        (Exact(), True, [True], [1, 1.0]),
        (Exact(), 2.5, [2.5], [2, "2.5", NAN]),
        (Exact(), 2.0, [2.0], [2]),
        (Exact(), 0.0, [0.0, -0.0], [0, False]),
        (Exact(), -0.0, [0.0, -0.0], [0]),
        (Exact(), math.inf, [math.inf], [-math.inf, 1e308, NAN]),
        (Exact(), NAN, [], [NAN, 0.0]),
        (Exact(), [1, NAN], [], [[1, NAN]]),
        (Exact(nan_equal=True), [1, NAN], [[1, NAN]], [[1, 0.0], [1]]),
        (Exact(floats=True), 2.0, [2, 2.0], [True, 2.5, "2"]),
        (Exact(floats=True), [2.0, 3.5], [[2, 3.5]], [(2, 3.5), [2, 3]]),
        (Exact(floats=True), 1e300, [1e300, int(1e300)], [10**300, math.inf]),
        (Exact(), [1, 2], [[1, 2]], [(1, 2), [2, 1], [1], [1, 2, 3], {1, 2}]),
        (Exact(), "a", ["a"], [b"a", ["a"], "sa", "A"]),
        (Exact(), b"a", [b"a"], ["a", "61"]),
        (Exact(), {"a": 1, "b": 2}, [{"b": 2, "a": 1}], [{"a": 1}, {"a": 1.0, "b": 2}, {"a": 1, "b": 2, "c": 3}]),
        (Exact(), {1: "x"}, [{1: "x"}], [{True: "x"}, {1.0: "x"}]),
        (Exact(), {1, 2}, [{2, 1}], [{True, 2}, [1, 2]]),
        (Exact(), [["a,b"]], [[["a,b"]]], [[["a", "b"]], [["a"], ["b"]]]),
        (Numeric(), 9, [9, 9.0, 9.0 + 1e-10], [True, "9", 9.1, NAN, None]),
        (Numeric(rel=0, abs=0.5), [1, (2.0, "x")], [[1.4, (2, "x")]], [[1.6, (2, "x")], [1, [2, "x"]], [1, (2, "y")]]),
        (Numeric(), 10**400, [10**400], [10**400 + 1, 1e308, math.inf]),
        (Numeric(), math.inf, [math.inf], [-math.inf, 1e308]),
        (Numeric(), True, [True], [1, 1.0]),
        (Numeric(), {"a": 1.0}, [{"a": 1}], [{"b": 1}, {"a": 2}, {"a": 1, "b": 1}]),
        (Numeric(), {1: 1.0}, [{1: 1}], [{True: 1}, {1.0: 1}]),
        (Numeric(), NAN, [], [NAN]),
        (Numeric(nan_equal=True), [NAN], [[NAN]], [[0.0]]),
        (Unordered(), [1, 1, 2], [[2, 1, 1]], [[1, 2, 2], [1, 2], (1, 1, 2), [True, 1, 2], [1.0, 1, 2]]),
        (Unordered(), [[1], "a"], [["a", [1]]], [["a", 1]]),
        (Unordered(), {3, 4}, [{4, 3}], [[3, 4]]),
        (Unordered(), 5, [5], [[5], 5.0]),
        (Unordered(Exact(floats=True)), [1.0, 2], [[2, 1]], [[True, 2]]),
        (Unordered(), [NAN], [], [[NAN]]),
        (Lines(), "1\n2\n3\n", ["1\n2\n3", "1 \n2\t\r\n3\n\n\n"], ["1", "1\n2", "1\n2\n3\n4", " 1\n2\n3", b"1"]),
        (Lines(), "", ["", "\n \n"], ["x", None]),
        (Lines(), "a\x0bb", ["a\x0bb"], ["a\nb"]),
        (Tokens(), "1 2\n3", ["1\n2 3\n"], ["1 2", "1 2 3 4", "12 3", None]),
        (Custom("even", lambda expected, answer: answer % 2 == 0), 0, [2, 4], [3, "x", None, []]),
        (Custom("truthy", lambda expected, answer: answer), 0, [], [1, [0], Nine()]),
    ],
)  # fmt: skip
def test_policies(policy, expected: object, same: list[object], other: list[object]) -> None:
    assert [answer for answer in same if not policy.same(expected, answer)] == []
    assert [answer for answer in other if policy.same(expected, answer)] == []


def test_a_policys_repr_tells_it_from_others() -> None:
    policies = [Exact(), Exact(floats=True), Exact(nan_equal=True), Numeric(), Numeric(rel=0.1), Unordered(),
                Unordered(Exact(floats=True)), Lines(), Tokens(), Custom("a", max), Custom("b", max)]  # fmt: skip
    assert len(set(map(repr, policies))) == len(policies)
    assert repr(Custom("a", max)) == repr(Custom("a", lambda expected, answer: True)), "no addresses"


def test_answers_chosen_to_be_slow_are_compared_in_time() -> None:
    collide = [(2**61 - 1) * k for k in range(2_000)]
    start = time.process_time()
    assert not Unordered().same(collide, [*collide[1:], 0, 1])
    assert Unordered().same(collide, collide[::-1])
    assert not Numeric().same([10**1200] * 500, [10**1200 + 1] * 500)
    assert time.process_time() - start < 1.0
