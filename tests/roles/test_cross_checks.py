"""Dual agreement and cross-validation, on matrices written down and on any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.roles.cross_checks import FILTERS, cross_validated, dual_agreement, shares_of_worth

matrices = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(st.booleans(), min_size=width, max_size=width), min_size=1, max_size=6)
)


def matrix(*rows: str) -> list[list[bool]]:
    """``+`` accepts, ``-`` rejects."""
    return [[cell == "+" for cell in row] for row in rows]


def test_the_largest_product_of_programs_and_suites_wins() -> None:
    found = dual_agreement(matrix("++--", "++--", "--+-"))
    assert found is not None and (found.programs, found.suites) == ([0, 1], [0, 1])  # 2 * 2 against 1 * 1
    found = dual_agreement(matrix("+---", "+---", "-+++"))
    assert found is not None and (found.programs, found.suites) == ([2], [1, 2, 3])  # 1 * 3 against 2 * 1


def test_trivial_suites_lend_no_weight_where_they_would_decide() -> None:
    accepts = matrix("+++---", "+++---", "++++++")  # the first three accept everything
    plain, discriminating = (dual_agreement(accepts, discriminating=flag) for flag in (False, True))
    assert plain is None  # 2 * 3 against 1 * 6
    assert discriminating is not None and discriminating.programs == [2]  # 2 * 0 against 1 * 3
    majority = dual_agreement(matrix("+++-", "+++-", "++++"))
    assert majority is not None and majority.programs == [0, 1]  # 2 * 3 against 1 * 4: the crowd wins
    better = dual_agreement(matrix("+++-", "+++-", "++++"), discriminating=True)
    assert better is not None and better.programs == [2]


def test_where_all_suites_are_alike_all_programs_agree() -> None:
    found = dual_agreement(matrix("+-", "+-"), discriminating=True)
    assert found is not None and (found.programs, found.suites) == ([0, 1], [0])


@pytest.mark.parametrize("rows", [(), ("--", "--"), ("+-", "-+"), ("++--", "--++")])
def test_nobody_knows(rows: tuple[str, ...]) -> None:
    assert dual_agreement(matrix(*rows)) is None


def test_suites_that_all_have_passed_strengthen_the_crowd() -> None:
    accepts = matrix("--", "--", "--", "+-")
    alone, backed = (dual_agreement(accepts, discriminating=True, passed=passed) for passed in (0, 1))
    assert alone is not None and alone.programs == [3]  # 3 * 0 against 1 * 1
    assert backed is not None and (backed.programs, backed.suites) == ([0, 1, 2], [])  # 3 * 1 against 1 * 2
    assert dual_agreement(matrix("--", "+-"), passed=1) == ([1], [0])  # 1 * 1 against 1 * 2
    assert dual_agreement(matrix(), passed=1) is None


@given(matrices, st.booleans())
def test_agreement_does_not_depend_on_the_order(accepts: list[list[bool]], flag: bool) -> None:
    found = dual_agreement(accepts, discriminating=flag)
    backwards = dual_agreement(accepts[::-1], discriminating=flag)
    last = len(accepts) - 1
    assert (found is None) == (backwards is None)
    if found is not None and backwards is not None:
        assert found.programs == sorted(last - program for program in backwards.programs)
        assert all(accepts[program][suite] for program in found.programs for suite in found.suites)
        assert found.suites == backwards.suites != []


def test_programs_earn_the_worth_that_accepts_them() -> None:
    accepts = matrix("++-", "+--", "--+")
    assert shares_of_worth(accepts, [0.5, 1.5, 0.0]) == [1.0, 0.25, 0.0]
    assert shares_of_worth(accepts, [0.0, 0.0, 0.0]) is None, "nobody can tell"


def test_cross_validation_by_the_paper_and_by_the_released_code() -> None:
    agrees = matrix("+++-", "+++-", "+-+-", "---+")
    assert cross_validated(agrees, FILTERS["paper"]) == ([0, 1], [0, 2])  # more than half, of all
    assert cross_validated(agrees, FILTERS["code"]) == ([], [0, 1, 2, 3])  # every case has somebody; 3 of 4 is too few
    assert cross_validated(matrix("++++-", "++++-", "-----"), FILTERS["code"]) == ([0, 1], [0, 1, 2, 3])
    assert cross_validated(agrees, FILTERS["off"]) == ([0, 1, 2, 3], [0, 1, 2, 3])


@given(matrices)
def test_half_is_not_more_than_half(agrees: list[list[bool]]) -> None:
    functions, cases = cross_validated(agrees, FILTERS["paper"])
    assert functions == [f for f, row in enumerate(agrees) if 2 * sum(row) > len(row)]
    assert cases == [c for c in range(len(agrees[0])) if 2 * sum(row[c] for row in agrees) > len(agrees)]
