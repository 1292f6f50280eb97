"""Different things out of random draws."""

from __future__ import annotations

import random
from itertools import count

from selfplay.roles.exams import different


def test_order_is_that_of_the_draws_and_nothing_comes_twice() -> None:
    drawn = iter([3, 1, None, 3, 2, 1, 7, 8])
    assert different(lambda: next(drawn), 4) == (3, 1, 2, 7)
    assert next(drawn) == 8


def test_the_key_says_what_is_the_same_and_the_first_one_stays() -> None:
    drawn = count()
    assert different(lambda: (next(drawn), "x"), 3, key=lambda one: one[0] // 10) == ((0, "x"), (10, "x"), (20, "x"))


def test_it_gives_up_only_after_so_many_draws_in_a_row() -> None:
    rng = random.Random(0)
    assert set(different(lambda: rng.randrange(5), 9, patience=100)) == set(range(5))
    nothing = iter([None] * 8)
    assert different(lambda: next(nothing), 1, patience=7) == ()
    assert len(list(nothing)) == 1
    late = iter([1, 1, 1, 2, 2, 2, 3])
    assert different(lambda: next(late), 3, patience=3) == (1, 2, 3)
