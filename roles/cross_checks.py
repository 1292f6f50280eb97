"""Replies of two roles that check each other, where nobody has an answer key: programs and tests, functions and cases.

    programs x suites      dual agreement: CodeT (arXiv 2207.10397, section 2.3), for Sol-Ver (arXiv 2502.14948)
    functions x cases      cross-validation: AutoIF (arXiv 2406.13542, section 3.1), and as its released code has it

Both take a *matrix* of bools, a row per program (function), a column per suite (case): does the suite accept the
program, does the function say of the case what its author says? Cells that nobody could judge have no place in it:
leave out the row or the column. All functions are pure.

What agreement cannot do: tell truth from a conspiracy. Programs that all do the same wrong thing and tests that expect
it agree perfectly; games have to make that dear (`selfplay.envs.code_and_tests` says how).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

Matrix = Sequence[Sequence[bool]]
"""Rows of equal length."""


class Agreement(NamedTuple):
    """Programs that are accepted by the same suites, and these suites."""

    programs: list[int]
    suites: list[int]


def dual_agreement(accepts: Matrix, *, discriminating: bool = False, passed: int = 0) -> Agreement | None:
    """The programs with the largest product of how many they are and how many suites accept them.

    Args:
        accepts: a row per program, a column per suite.
        discriminating: suites that accept all programs or none do not count, unless all suites are like that. Otherwise
            a suite that accepts everything makes the largest group win, whatever the other suites say.
        passed: suites outside the matrix that are known to be true and that all these programs have passed: public
            examples. They count for every group; where suites are poor, that keeps a single one, wrong in the same way
            as one program, from overruling several programs that do the same.

    Returns:
        `None` if no suite that counts accepts a program, or if two groups are equally good: nobody knows then.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for program, row in enumerate(accepts):
        groups.setdefault(tuple(suite for suite, accepted in enumerate(row) if accepted), []).append(program)
    counted = {suite for suites in groups for suite in suites}
    if discriminating and len(groups) > 1:
        counted = {suite for suite in counted if not all(suite in suites for suites in groups)}
    scores = {
        suites: len(programs) * (passed + len(counted.intersection(suites))) for suites, programs in groups.items()
    }
    best = max(scores.values(), default=0)
    winners = [suites for suites, score in scores.items() if score == best]
    if best == 0 or len(winners) > 1:
        return None
    return Agreement(groups[winners[0]], list(winners[0]))


def shares_of_worth(accepts: Matrix, worth: Sequence[float]) -> list[float] | None:
    """For each program what the suites that accept it are worth, as a share of what all are worth.

    `None` if no suite is worth anything.
    """
    total = sum(worth)
    if total <= 0.0:
        return None
    return [sum(value for value, accepted in zip(worth, row, strict=True) if accepted) / total for row in accepts]


class Filter(NamedTuple):
    """Which functions and cases are kept, by the share of the others that agrees with them."""

    keeps_case: Callable[[float], bool]
    keeps_function: Callable[[float], bool]
    by_kept_cases: bool
    """Functions are measured by the cases that are kept, not by all."""


FILTERS = {
    "paper": Filter(lambda share: share > 0.5, lambda share: share > 0.5, by_kept_cases=False),
    "code": Filter(lambda share: share > 0.0, lambda share: share >= 0.8, by_kept_cases=True),
    "off": Filter(lambda share: True, lambda share: True, by_kept_cases=False),
}
"""AutoIF's, by the name that a setting of a game can have."""


def cross_validated(agrees: Matrix, by: Filter) -> tuple[list[int], list[int]]:
    """The functions and the cases that are kept.

    Args:
        agrees: a row per function, a column per case.
    """
    columns = list(zip(*agrees, strict=True))
    cases = [case for case, column in enumerate(columns) if by.keeps_case(_share(column))]
    rows = [[row[case] for case in cases] for row in agrees] if by.by_kept_cases else agrees
    return [function for function, row in enumerate(rows) if row and by.keeps_function(_share(row))], cases


def _share(cells: Sequence[bool]) -> float:
    return sum(cells) / len(cells)
