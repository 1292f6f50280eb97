"""What the contracts checker accepts and proves beyond the benchmark, and what it says where it does not."""

from __future__ import annotations

from contextlib import suppress

import pytest

pytest.importorskip("z3")

from hypothesis import given, settings
from hypothesis import strategies as st

from selfplay.sandbox.checkers import Blame, Claim, Limits, ProofStatus, ProofVerdict
from selfplay.sandbox.checkers.benchmark import Graded, load
from selfplay.sandbox.checkers.contracts.checker import Contracts
from selfplay.sandbox.checkers.contracts.faults import Fault
from selfplay.sandbox.checkers.contracts.forms import read_file


def check(source: str, **limits: int) -> ProofVerdict:
    return Contracts().check(Claim("contracts", "file", {"source": source}, Limits(**limits)))


PROVED = {
    "negative indices": """
def f(a: list[int]) -> int:
    requires(len(a) > 2)
    ensures(result == a[len(a) - 2])
    i = 0 - 2
    return a[i]
""",
    "slices are clipped": """
def f(a: list[int], k: int) -> list[int]:
    ensures(implies(k > len(a), result == a) and implies(k == -1 and len(a) > 0, len(result) == len(a) - 1))
    return a[:k]
""",
    "steps": """
def f(n: int) -> int:
    requires(n >= 0)
    ensures(2 * result >= n and 2 * result <= n + 1)
    c = 0
    for i in range(0, n, 2):
        invariant(2 * c == i)
        c += 1
    return c
""",
    "downwards": """
def f(n: int) -> int:
    requires(n >= 0)
    ensures(result == n)
    c = 0
    for i in range(n - 1, -1, -1):
        invariant(c == n - 1 - i)
        c += 1
    return c
""",
    "break and continue": """
def f(a: list[int]) -> bool:
    ensures(result == (0 in a))
    found = False
    for i in range(len(a)):
        invariant(not found and all(a[k] != 0 for k in range(i)))
        if a[i] != 0:
            continue
        found = True
        break
    return found
""",
    "helpers": """
def double(n: int) -> int:
    ensures(result == 2 * n)
    return n + n
def f(n: int) -> int:
    ensures(result == 4 * n)
    return double(double(n))
""",
    "lemma": """
@spec
def up(n: int) -> int:
    decreases(n)
    return 0 if n <= 0 else 1 + up(n - 1)
def lemma(n: int) -> None:
    requires(n >= 0)
    ensures(up(n) == n)
    decreases(n)
    if n > 0:
        lemma(n - 1)
def f(n: int) -> int:
    requires(n >= 0)
    ensures(result == up(n))
    lemma(n)
    return n
""",
    "lexicographic": """
def f(m: int, n: int) -> int:
    requires(m >= 0 and n >= 0)
    ensures(result >= 1)
    decreases(m, n)
    if m == 0:
        return n + 1
    if n == 0:
        return f(m - 1, 1)
    return f(m - 1, f(m, n - 1))
""",
    "nested lists": """
def f(n: int) -> list[list[int]]:
    requires(n >= 0)
    ensures(len(result) == n and all(len(row) == n for row in result))
    m = []
    for i in range(n):
        invariant(len(m) == i and all(len(row) == n for row in m))
        m.append([0] * n)
    return m
""",
    "old": """
def f(n: int) -> int:
    requires(n >= 0)
    ensures(result == n * 2)
    s = 0
    while n > 0:
        invariant(n >= 0 and s == 2 * (old(n) - n))
        decreases(n)
        s += 2
        n -= 1
    return s
""",
    "copies may be changed": """
def f(a: list[int]) -> list[int]:
    requires(len(a) > 0)
    ensures(len(result) == len(a) and result[0] == 0)
    a = a[:]
    a[0] = 0
    return a
""",
    "ensures as a lambda": """
def f(a: list[int]) -> int:
    requires(len(a) > 0)
    ensures(lambda result: 0 <= result < len(a) and a[result] >= a[0])
    return 0
""",
}


@pytest.mark.parametrize("source", PROVED.values(), ids=PROVED)
def test_proved(source: str) -> None:
    found = check(source)
    assert found.status is ProofStatus.PROVED, found


NOTES = {
    "weak": "def f(n: int) -> int:\n    ensures(result >= n)\n    return n + 1\n",
    "hard to sample": "def f(n: int) -> int:\n    requires(n == 123456789 * 987654321)\n"
    "    ensures(result == n)\n    return n\n",
    "determinate": "def f(n: int) -> int:\n    ensures(2 * result == n + n)\n    return n\n",
    "several results": "def f(n: int) -> int:\n    ensures(result * result == 1)\n    return 1\n",
}


@pytest.mark.parametrize("note", NOTES)
def test_the_lint_remarks(note: str) -> None:
    found = check(NOTES[note])
    assert found.status is ProofStatus.PROVED, found
    assert any(remark.startswith(note) for remark in found.notes), found.notes


def test_sortedness_alone_is_weak() -> None:
    ordered = "ensures(all(result[i] <= result[i + 1] for i in range(len(result) - 1)))"
    found = check(f"def f(a: list[int]) -> list[int]:\n    {ordered}\n    return []\n")
    assert any("weak: `return []`" in note for note in found.notes), found


@pytest.mark.parametrize("graded", load(), ids=lambda graded: graded.name)
def test_the_benchmark_has_sound_contracts(graded: Graded) -> None:
    found = Contracts().check(Claim("contracts", "specification", {"problem": graded.problem.to_json()}))
    assert found.status is ProofStatus.PROVED, found
    assert not any("ill-defined" in note for note in found.notes), found


def test_a_refutation_names_line_input_and_result() -> None:
    found = check("def f(n: int) -> int:\n    ensures(result > n)\n    return n\n")
    assert (found.status, found.line, found.blame) == (ProofStatus.REFUTED, 2, Blame.SOLVER)
    assert found.counterexample is not None and found.counterexample["n"] == found.counterexample["result"]


def test_a_weak_invariant_is_no_refutation() -> None:
    loop = "s = 0\n    for i in range(n):\n        s += 1\n    return s"
    found = check(f"def f(n: int) -> int:\n    requires(n >= 0)\n    ensures(result == n)\n    {loop}\n")
    assert found.status is ProofStatus.UNPROVED and found.obligation == "ensures", found


@pytest.mark.parametrize(
    ("field", "value"),
    [("requires", ["n >"]), ("ensures", ["resul == n"]), ("spec_defs", "import os"), ("returns", "float")],
)
def test_faults_of_the_problem_are_the_proposers(field: str, value: object) -> None:
    problem = {"name": "f", "params": {"n": "int"}, "returns": "int", "requires": [], "ensures": ["result == n"]}
    claim = Claim(
        "contracts", "solution", {"problem": {**problem, field: value}, "solution": "def f(n):\n    return n"}
    )  # type: ignore[dict-item]
    found = Contracts().check(claim)
    assert found.status in (ProofStatus.MALFORMED, ProofStatus.UNSAFE) and found.blame is Blame.PROPOSER, found


def test_contract_files_run_as_python() -> None:
    space: dict[str, object] = {}
    words = "from selfplay.sandbox.checkers.contracts import *\n"
    exec(words + PROVED["ensures as a lambda"] + PROVED["old"].replace("def f", "def g"), space)
    assert space["f"]([3, 1]) == 0 and space["g"](4) == 8  # type: ignore[operator]


HEADS = ["def f(n: int) -> int:\n    ", "while n > 0:\n        ", "for i in range(n):\n", "ensures(", "decreases(n)"]
PIECES = [
    "return n",
    "result",
    ")",
    "(",
    "[",
    "]",
    "n",
    " == ",
    ":",
    "\n",
    "    ",
    "1",
    "lambda",
    "a.b",
    "'",
    "\0",
    "**",
]
WORDS = st.sampled_from([*HEADS, *PIECES])


@given(st.one_of(st.text(), st.lists(WORDS, max_size=25).map("".join)))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Fault):
        read_file(text, Limits())
