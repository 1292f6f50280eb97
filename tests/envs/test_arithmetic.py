"""Expressions: what is read, what is refused, and that complete search is complete."""

from __future__ import annotations

import random
import time
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.envs.arithmetic import DEEPEST, LONGEST, Expression, random_expression, reach
from selfplay.game import Foul


@pytest.mark.parametrize(
    ("text", "value", "numbers"),
    [
        ("7", 7, (7,)),
        ("3*5+7", 22, (3, 5, 7)),
        ("7+3*5", 22, (3, 5, 7)),
        (" ( 7 - 3 ) * 5 ", 20, (3, 5, 7)),
        ("2-3-4", -5, (2, 3, 4)),
        ("9-(3-(2-1))", 7, (1, 2, 3, 9)),
        ("12*11\n", 132, (11, 12)),
    ],
)
def test_reads_expressions(text: str, value: int, numbers: tuple[int, ...]) -> None:
    expression = Expression.parse(text)
    assert (expression.value, expression.numbers) == (value, numbers)
    assert Expression.parse(expression.text) == expression


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "+", "3+", "+3", "-3", "3 5", "3**5", "3/1", "3//1", "0", "03", "3+0", "12345", "(3", "3)", "()",
        "\u0663+1", "\u00b2", "3\u22121", "x", "3_0", "1e3", "__import__('os')", "3+5\nso 8", "3;5", "\x00", "(3)(5)",
        "3+5=8",
    ],
)  # fmt: skip
def test_refuses_everything_else(text: str) -> None:
    with pytest.raises(Foul, match=r"[a-z]"):
        Expression.parse(text)


@given(st.one_of(st.text(), st.text(alphabet="123456789+-*() ")))
def test_any_text_is_an_expression_or_a_foul(text: str) -> None:
    try:
        expression = Expression.parse(text)
    except Foul:
        return
    assert set(text) <= set("0123456789+-*()") | {c for c in text if c.isspace()}
    # Only reached once nothing but digits, + - * and parentheses is left.
    assert expression.value == eval("".join(text.split()))


@pytest.mark.parametrize(
    "text", ["(" * 100_000, "1" * 100_000, "9*" * 99 + "9", "(" * DEEPEST + "1" + ")" * DEEPEST, " " * 10**6]
)
def test_hostile_texts_cost_nothing(text: str) -> None:
    start = time.process_time()
    try:
        assert len(text) <= LONGEST and Expression.parse(text).value > 0
    except (Foul, AssertionError):
        with pytest.raises(Foul):
            Expression.parse(text)
    assert time.process_time() - start < 0.1


def test_depth_has_a_limit() -> None:
    with pytest.raises(Foul, match="inside each other"):
        Expression.parse("(" * (DEEPEST + 1) + "1" + ")" * (DEEPEST + 1))


@given(st.integers(0, 2**32), st.integers(2, 6))
def test_random_expressions_are_in_bounds_and_reached(seed: int, size: int) -> None:
    witness = random_expression(random.Random(seed), size, 9, 999)
    assert len(witness.numbers) == size and 1 <= min(witness.numbers) <= max(witness.numbers) <= 9
    assert 0 <= witness.value <= 999 and "(" not in witness.text
    found = reach(witness.numbers, witness.value)
    assert found is not None
    answer = Expression.parse(found)
    assert (answer.numbers, answer.value) == (witness.numbers, witness.value)


def _every_value(numbers: tuple[int, ...]) -> set[int]:
    """All values of all expressions over these numbers, by joining two neighbours at a time."""
    if len(numbers) == 1:
        return {numbers[0]}
    values = set()
    for order in set(permutations(numbers)):
        a, b, *rest = order
        for joined in (a + b, a - b, a * b):
            values |= _every_value((joined, *rest))
    return values


@pytest.mark.parametrize("numbers", [(1, 1, 1), (5, 5, 7), (2, 3, 7, 7), (1, 1, 4, 4), (5, 5, 5, 9)])
def test_search_is_complete(numbers: tuple[int, ...]) -> None:
    reachable = _every_value(numbers)
    for target in range(-60, 200):
        assert (reach(numbers, target) is not None) == (target in reachable), target


def test_six_numbers_take_less_than_50_ms() -> None:
    rng = random.Random(0)
    puzzles = [random_expression(rng, 6, 9, 999) for _ in range(20)]
    start = time.process_time()
    assert all(reach(puzzle.numbers, puzzle.value) for puzzle in puzzles)
    reach((1, 1, 1, 1, 1, 1), 998)  # none: all is searched
    assert (time.process_time() - start) / 21 < 0.05


def test_operators_are_counted() -> None:
    shares = [Expression.parse(text).times_share for text in ("1*2*3", "1+2*3", "1+2+3", "4")]
    assert shares == [1.0, 0.5, 0.0, 0.0]
