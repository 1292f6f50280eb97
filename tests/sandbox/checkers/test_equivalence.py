"""The checker ``equivalence``: proofs, exhaustive checks, counterexamples, and who is to blame."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("z3")

from adversarial import ATTACKS, MALFORMED, PROVED, REFUTED, UNPROVED, UNSAFE, VACUOUS, Attack

from selfplay.sandbox.checkers import Blame, Claim, Limits, ProofLevel, ProofStatus, ProofVerdict
from selfplay.sandbox.checkers.equivalence.checker import Equivalence
from selfplay.types import Outcome

PAIRS = 24
"""Of random functions that are compared."""
SMT, EXHAUSTIVE = ProofLevel.SMT, ProofLevel.EXHAUSTIVE
SAME_INT = "def f(n: int) -> int:\n    return n"
IDENTITY = "def g(n):\n    return n"
TOTAL = "def f(n: int) -> int:\n    requires(n >= 0)\n    decreases(n)\n    return 0 if n == 0 else n + f(n - 1)"
LOOP = """def g(n):
    s = 0
    i = 0
    while i < n:
        invariant(0 <= i <= n, s == reference(i))
        decreases(n - i)
        i += 1
        s += i
    return s"""
SQUARES = """def f(n: int) -> int:
    requires(0 <= n <= 30)
    s = 0
    for i in range(n + 1):
        s += i * i
    return s"""
DOWN = "def g(n):\n    s = 0\n    for i in range(n, 0, -1):\n        s += i * i\n    return s"


def same(reference: str, candidate: str) -> ProofVerdict:
    payload = {"reference": reference, "candidate": candidate}
    return Equivalence().check(Claim("equivalence", "same", payload, Limits()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reference", "candidate", "level"),
    [
        ("def f(n: int) -> int:\n    return n + n", "def g(m):\n    return 2 * m", SMT),
        ("def f(n: int) -> int:\n    if n > 0:\n        return n\n    return -n", "def g(n):\n    return abs(n)", SMT),
        ("def f(p: bool, q: bool) -> bool:\n    return not (p and q)", "def g(p, q):\n    return not p or not q", SMT),
        ("def f(n: int) -> int:\n    a, b = n, 1\n    a, b = b, a\n    b += a\n    return b",
         "def g(n):\n    return n + 1", SMT),
        ("def h(n: int) -> int:\n    ensures(True)\n    return n + 1\ndef f(n: int) -> int:\n    return h(h(n))",
         "def g(n):\n    return n + 2", SMT),
        (TOTAL, LOOP, SMT),
        (SQUARES, DOWN, EXHAUSTIVE),
    ],
)  # fmt: skip
def test_proved(reference: str, candidate: str, level: ProofLevel) -> None:
    found = same(reference, candidate)
    assert found.status is PROVED and found.level is level, found


def test_without_invariants_small_inputs_are_tried_and_that_is_no_proof() -> None:
    found = same(TOTAL, LOOP.replace("        invariant(0 <= i <= n, s == reference(i))\n", ""))
    assert found.status is UNPROVED and found.level is EXHAUSTIVE and found.outcome is Outcome.UNDECIDED, found


@pytest.mark.parametrize(
    ("reference", "candidate", "blame", "shown"),
    [
        (SAME_INT, "def g(n):\n    return n if n != 7919 else 0", Blame.SOLVER, {"n": 7919}),
        (SAME_INT, "def g(n):\n    return n if n * n != 62710561 else 0", Blame.SOLVER, {}),
        (SAME_INT, "def g(n):\n    return n if n != 3 else 1 // (n - 3)", Blame.SOLVER, {"n": 3}),
        ("def f(n: int) -> int:\n    x = 1 // n\n    return 3", "def g(n):\n    return 3", Blame.PROPOSER, {"n": 0}),
        ("def f(n: int) -> int:\n    return 3", "def g(n):\n    x = 1 // n\n    return 3", Blame.SOLVER, {"n": 0}),
        (SQUARES, DOWN.replace("s += i * i", "s += i * i if i != 29 else 0"), Blame.SOLVER, {}),
        ("def f(a: list[int]) -> int:\n    return len(a)", "def g(a):\n    return len(a) if len(a) != 3 else 4",
         Blame.SOLVER, {}),
    ],
)  # fmt: skip
def test_refuted_by_an_input_that_was_run(reference: str, candidate: str, blame: Blame, shown: dict[str, int]) -> None:
    found = same(reference, candidate)
    assert found.status is REFUTED and found.blame is blame, found
    assert found.counterexample is not None and shown.items() <= found.counterexample.items()
    space: dict[str, object] = {}
    words = "from selfplay.sandbox.checkers.contracts import *\n"
    exec(words + reference, space)
    exec(words + candidate, space)
    args = [value for name, value in found.counterexample.items() if name not in ("reference", "candidate", "error")]
    outcomes = []
    for name in ("f", "g"):
        try:
            outcomes.append(space[name](*args))  # type: ignore[operator]
        except ZeroDivisionError:
            outcomes.append("error")
    assert outcomes[0] != outcomes[1], "CPython agrees that they differ"


@pytest.mark.parametrize(
    ("reference", "candidate", "expected", "blame"),
    [
        ("def f(n: int) -> int:\n    requires(n > 0, n < 0)\n    return n", IDENTITY, VACUOUS, "proposer"),
        (SAME_INT, "def g(n):\n    requires(n == 0)\n    return 0", MALFORMED, "solver"),
        (SAME_INT, "def g(n):\n    ensures(True)\n    return n", MALFORMED, "solver"),
        (SAME_INT, "def g(n, m):\n    return n", MALFORMED, "solver"),
        (SAME_INT, "def g(n: bool):\n    return 0", MALFORMED, "solver"),
        (SAME_INT, "def g(n):\n    return reference(n)", MALFORMED, "solver"),
        (SAME_INT, "def g(n):\n    return g(n)", MALFORMED, "solver"),
        (SAME_INT, "def g(n):\n    decreases(0)\n    return g(n)", UNPROVED, "checker"),
        (SAME_INT, "def g(n):\n    while True:\n        decreases(0)\n    return n", UNPROVED, "checker"),
        (SAME_INT, "def g(n):\n    return __import__('os').system('x')", UNSAFE, "solver"),
        (SAME_INT, "", MALFORMED, "solver"),
        (SAME_INT, "@spec\ndef g(n: int) -> int:\n    return n", MALFORMED, "solver"),
        ("def f(n: int) -> int:\n    ensures(result == n)\n    return n", IDENTITY, MALFORMED, "proposer"),
        ("def f(n):\n    return n", IDENTITY, MALFORMED, "proposer"),
        ("import os\n" + SAME_INT, "def g(n):\n    return n", UNSAFE, "proposer"),
        ("def f(n: int) -> int:\n    while True:\n        pass", IDENTITY, MALFORMED, "proposer"),
    ],
)  # fmt: skip
def test_who_is_to_blame(reference: str, candidate: str, expected: ProofStatus, blame: str) -> None:
    found = same(reference, candidate)
    assert (found.status, found.blame) == (expected, blame), found


def test_recursion_without_end_is_never_proved() -> None:
    for body in ("return f(n)", "return f(n + 1) - 1", "return f(n - 1) + 1"):
        endless = f"def f(n: int) -> int:\n    decreases(n)\n    {body}"
        assert same(endless, endless.replace("f(", "g(")).status is not PROVED


SOLUTIONS = [attack for attack in ATTACKS if attack.problem is None and set(attack.expected) <= {MALFORMED, UNSAFE}]


@pytest.mark.parametrize("attack", SOLUTIONS, ids=lambda attack: attack.name)
def test_attacks_on_contracts_fail_here_too(attack: Attack, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    source = attack.source.replace("{canary}", str(canary))
    for found in (same(SAME_INT, source), same(source, SAME_INT.replace("f(", "g("))):
        assert found.status in (MALFORMED, UNSAFE) and found.cpu_ms < 8_000, found
    assert not canary.exists()


def random_function(rng: random.Random, name: str) -> str:
    """A function of two ints with assignments and branches, without loops."""

    def expr(depth: int) -> str:
        if depth == 0:
            return rng.choice(["x", "y", "n", "m", str(rng.randint(-2, 3))])
        a, b = expr(depth - 1), expr(depth - 1)
        return rng.choice([f"({a} + {b})", f"({a} - {b})", f"{a} * 2", f"({a}) // 2", f"min({a}, {b})", f"abs({a})"])

    lines = ["x = n", "y = m"]
    for _ in range(rng.randint(1, 3)):
        change = rng.choice([f"x = {expr(2)}", f"y += {expr(1)}", f"x, y = y, {expr(1)}"])
        lines += rng.choice([[change], [f"if {expr(1)} > {expr(1)}:", f"    {change}"]])
    body = "\n".join(f"    {line}" for line in [*lines, "return x + y"])
    return f"def {name}(n: int, m: int) -> int:\n{body}"


def changed(rng: random.Random, function: str) -> str:
    """The function with one token changed, perhaps without changing its meaning."""
    swaps = {"+": "-", "<": "<=", ">": ">=", "min": "max", "2": "3", "n": "n", "(": "(0 + "}
    old, new = rng.choice(list(swaps.items()))
    head, _, body = function.replace("def f", "def g").partition("\n")
    places = [i for i in range(len(body)) if body.startswith(old, i) and body[i - 1 : i] not in ("s", "i")]
    at = rng.choice(places) if places else 0
    found = body[:at] + new + body[at + len(old) :] if places else body
    return f"{head}\n{found}"


def test_no_proof_is_contradicted_by_cpython() -> None:
    """Random functions against small changes of themselves: some proved, some refuted, all rightly."""
    rng = random.Random(5)
    seen: Counter[ProofStatus] = Counter()
    while sum(seen.values()) < PAIRS:
        reference = random_function(rng, "f")
        candidate = changed(rng, reference)
        space: dict[str, Callable[[int, int], int]] = {}
        try:
            exec(f"{reference}\n{candidate}", space)
            alike = all(space["f"](n, m) == space["g"](n, m) for n in range(-9, 10) for m in range(-9, 10))
        except (SyntaxError, NameError, TypeError):
            continue
        found = same(reference, candidate)
        seen[found.status] += 1
        assert found.status is not PROVED or alike, (reference, candidate)
        assert found.status in (PROVED, REFUTED, UNPROVED), (found, reference, candidate)
        if found.status is REFUTED:
            assert found.counterexample is not None
            args = [found.counterexample[name] for name in ("n", "m")]
            assert space["f"](*args) != space["g"](*args), "CPython agrees"  # type: ignore[arg-type]
    assert seen[PROVED] >= PAIRS // 6 and seen[REFUTED] >= PAIRS // 6, seen
