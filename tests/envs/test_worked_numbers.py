"""Worked numbers are ints in all but their text, and Python reads their text as what they are."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.envs.short_functions import STEPS, random_args, random_function
from selfplay.envs.worked_numbers import Worked


def test_they_say_how_they_were_worked_out() -> None:
    three, five = Worked(3), Worked(5)
    assert repr(three) == "3" and repr(sum([three * 2, five * 2])) == "3*2+5*2"
    assert repr([three - five, five // 2, (three + 1) * five, five % three, 2 + three]) == (
        "[3-5, 5//2, (3+1)*5, 5%3, 2+3]"
    )
    assert repr(three - (five - 1)) == "3-(5-1)" and repr(three + Worked(-2)) == "3+(-2)"
    assert sorted([five, three]) == [3, 5] and max(three, five) is five and [five, three].count(3) == 1


@given(st.lists(st.sampled_from("+-*/%"), min_size=1, max_size=6), st.lists(st.integers(-9, 9), min_size=7, max_size=7))
def test_python_reads_the_text_as_the_number(signs: list[str], numbers: list[int]) -> None:
    found, plain = Worked(numbers[0]), numbers[0]
    for sign, other in zip(signs, numbers[1:], strict=False):
        match sign:
            case "+":
                found, plain = found + other, plain + other
            case "-":
                found, plain = found - Worked(other), plain - other
            case "*":
                found, plain = found * other, plain * other
            case "/" if other:
                found, plain = found // other, plain // other
            case "%" if other:
                found, plain = found % Worked(other), plain % other
    assert found == plain == eval(repr(found))


@pytest.mark.parametrize("steps", STEPS)
def test_short_functions_return_them(steps: int) -> None:
    rng = random.Random(steps)
    for _ in range(60):
        function, (items, n) = random_function(rng, steps), random_args(rng)
        value = function.value(([Worked(item) for item in items], Worked(n)))
        assert eval(repr(value)) == function.value((items, n)) == value
