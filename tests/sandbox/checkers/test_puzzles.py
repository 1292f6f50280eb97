"""The checker ``puzzles``: every family solved, checked, found unique or not; what is refused."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("z3")

from selfplay.envs.logic_puzzle_makers import MAKERS, count_solutions
from selfplay.sandbox.checkers import Claim, Limits, ProofStatus, ProofVerdict
from selfplay.sandbox.checkers.algebra.find import Finder
from selfplay.sandbox.checkers.algebra.questions import unique
from selfplay.sandbox.checkers.contracts.faults import Fault
from selfplay.sandbox.checkers.puzzles import FAMILIES, read_puzzle
from selfplay.sandbox.checkers.puzzles.checker import Puzzles
from selfplay.types import Outcome

PROVED, REFUTED, MALFORMED, IMPOSSIBLE = (
    ProofStatus.PROVED, ProofStatus.REFUTED, ProofStatus.MALFORMED, ProofStatus.IMPOSSIBLE,
)  # fmt: skip
ROOMS = "color: red green blue; pet: cat dog fish; red=cat; green<blue; dog<<fish; cat=1"
EINSTEIN = """nation: english spanish japanese ukrainian norwegian
color: red green ivory yellow blue
drink: coffee tea milk juice water
smoke: gold kools chester lucky parl
pet: dog snails fox horse zebra
english=red; spanish=dog; coffee=green; ukrainian=tea; ivory<<green; gold=snails; kools=yellow; milk=3; norwegian=1
chester~fox; kools~horse; lucky=juice; japanese=parl; norwegian~blue"""


def ask(kind: str, family: str, puzzle: str, answer: str = "") -> ProofVerdict:
    payload = {"family": family, "puzzle": puzzle, **({"answer": answer} if answer else {})}
    return Puzzles().check(Claim("puzzles", kind, payload, Limits()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("family", "puzzle", "solution", "wrong"),
    [
        ("knights", "A:!A|!B", "KN", "KK"),
        ("knights", "A:#1 B:#2 C:#3 D:!A&!B", "KNNN", "NNNK"),
        ("zebra", ROOMS, "color: red green blue; pet: cat dog fish", "color: red green blue; pet: cat fish dog"),
        ("colouring", "3: a-b b-c a-c c-d d-b a=1 b=2", "a=1 b=2 c=3 d=1", "a=1 b=2 c=3 d=2"),
        ("sudoku", "1.../..3./.4../...2", "1324/4231/2413/3142", "1234/3412/2143/4321"),
    ],
)
def test_one_solution(family: str, puzzle: str, solution: str, wrong: str) -> None:
    found = ask("unique", family, puzzle)
    assert found.status is PROVED and found.witness == {"answer": solution}, found
    assert ask("solvable", family, puzzle).witness == {"answer": solution}
    assert ask("satisfies", family, puzzle, solution).status is PROVED
    refuted = ask("satisfies", family, puzzle, wrong)
    assert refuted.status is REFUTED and refuted.counterexample and refuted.outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("family", "puzzle", "expected"),
    [
        ("knights", "A:A", REFUTED),
        ("knights", "A:!A", IMPOSSIBLE),
        ("zebra", "color: red green; pet: cat dog; red=cat", REFUTED),
        ("zebra", "color: red green; pet: cat dog; red=cat; red=dog", IMPOSSIBLE),
        ("colouring", "3: a-b b-c", REFUTED),
        ("colouring", "2: a-b b-c a-c", IMPOSSIBLE),
        ("sudoku", "..../..../..../....", REFUTED),
        ("sudoku", "11../..../..../....", IMPOSSIBLE),
    ],
)
def test_several_solutions_or_none_are_the_proposers_fault(family: str, puzzle: str, expected: ProofStatus) -> None:
    found = ask("unique", family, puzzle)
    assert found.status is expected and found.outcome is Outcome.INVALID_CLAIM, found
    if expected is REFUTED:
        assert found.counterexample is not None
        first, second = (str(found.counterexample[key]) for key in ("first", "second"))
        assert first != second and all(ask("satisfies", family, puzzle, a).status is PROVED for a in (first, second))


def test_minimal() -> None:
    assert ask("minimal", "zebra", ROOMS).status is PROVED
    found = ask("minimal", "zebra", ROOMS + "; fish=3")
    assert found.status is REFUTED and found.counterexample is not None and "without" in found.counterexample
    assert ask("minimal", "knights", "A:!A|!B B:!A&B C:!A").status is REFUTED
    assert ask("minimal", "sudoku", "1.../..3./.4../...2").status is PROVED


def test_the_zebra_of_1962() -> None:
    found = ask("unique", "zebra", EINSTEIN)
    assert found.status is PROVED and found.witness is not None
    assert str(found.witness["answer"]).endswith("pet: fox horse snails dog zebra")


@pytest.mark.parametrize("family", FAMILIES)
def test_prover_and_search_agree(family: str) -> None:
    rng = random.Random(1)
    size = {"knights": 3, "zebra": 3, "colouring": 5, "sudoku": 7}[family]
    seen = set()
    for _ in range(12):
        puzzle = read_puzzle(family, MAKERS[family](rng, size))
        found = unique(puzzle.problem, Finder(Limits(), few=0)).status
        assert found is {0: IMPOSSIBLE, 1: PROVED, 2: REFUTED}[count_solutions(puzzle)]
        seen.add(found)
    assert len(seen) > 1, "the comparison must see more than one outcome"


@pytest.mark.parametrize(
    ("family", "puzzle"),
    [
        ("chess", "e4"), ("knights", ""), ("knights", "A"), ("knights", "A:"), ("knights", "A:B B"),
        ("knights", "x A:B"),
        ("knights", "A:" + "(" * 60 + "A"), ("knights", "A:" + "!" * 60 + "A"), ("knights", "A:A&"),
        ("knights", "A:(A"),
        ("knights", "A:\uff21"), ("knights", "A:__import__('os')"), ("knights", "A:A" * 3000), ("knights", "A:#123"),
        ("knights", " ".join(f"{letter}:A" for letter in "ABCDEFGHIJKLMNOP")), ("knights", "A:A" + "|A" * 200),
        ("zebra", "import os"), ("zebra", "a: b c; d: e"), ("zebra", "a: b c; a: d e"), ("zebra", "a: b b"),
        ("zebra", "a: b c; b=zz"), ("zebra", "a: b c; b=3"), ("zebra", "a: b c; b==c"), ("zebra", "a: " + "b " * 2000),
        ("colouring", "3:"), ("colouring", "0: a-b"), ("colouring", "3: a-a"), ("colouring", "3: a-b a=4"),
        ("colouring", "3: a--b"), ("colouring", "99999999999: a-b"), ("colouring", "3: " + "a-b " * 400),
        ("sudoku", "12"), ("sudoku", "1..5/..../..../...."), ("sudoku", "." * 17), ("sudoku", "1234\0" * 4),
    ],
)  # fmt: skip
def test_what_is_no_puzzle_is_the_proposers_fault(family: str, puzzle: str) -> None:
    found = ask("unique", family, puzzle)
    assert found.status is MALFORMED and found.outcome is Outcome.INVALID_CLAIM, found
    assert found.cpu_ms < 1_000


@pytest.mark.parametrize(
    ("family", "puzzle", "answer"),
    [
        ("knights", "A:!B", "K"), ("knights", "A:!B", "KX"), ("knights", "A:!B", "K N"),
        ("zebra", ROOMS, "color: red green blue"), ("zebra", ROOMS, "color: red green blue; pet: cat dog cow"),
        ("colouring", "2: a-b", "a=1"), ("colouring", "2: a-b", "a=1 b=2 b=1"), ("colouring", "2: a-b", "a=1 b=x"),
        ("sudoku", "1.../..3./.4../...2", "1.../..3./.4../...2"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_the_solvers_fault(family: str, puzzle: str, answer: str) -> None:
    found = ask("satisfies", family, puzzle, answer)
    assert found.status is MALFORMED and found.outcome is Outcome.FAIL, found


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FAMILIES)), st.text(alphabet="ABCab12:;=!|&#()<~-. \n/\u00e9", max_size=40))
def test_any_text_is_read_or_refused(family: str, text: str) -> None:
    try:
        puzzle = read_puzzle(family, text)
    except Fault as fault:
        assert fault.reason and fault.status is MALFORMED
    else:
        assert puzzle.problem.domains
