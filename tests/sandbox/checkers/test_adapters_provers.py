"""Coq, Dafny and Why3 themselves, where they are installed, through the pool."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from adapter_claims import ADAPTERS, SOLUTION, STATEMENT, claim

from selfplay.cli import run
from selfplay.sandbox.checkers import Blame, Limits, Pool, ProofLevel, ProofStatus, ProofVerdict
from selfplay.sandbox.checkers.adapters import box
from selfplay.sandbox.checkers.adapters.coq import audit

PROGRAMS = {name: ADAPTERS[name].program for name in ("coq", "dafny", "why3")}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(workers=1) as pool:
        yield pool


def needs(name: str) -> None:
    if shutil.which(PROGRAMS[name]) is None:
        pytest.skip(f"{PROGRAMS[name]} is not installed: {ADAPTERS[name].install}")


def check(pool: Pool, name: str, statement: str, solution: str, context: str = "") -> ProofVerdict:
    needs(name)
    return pool.check(claim(name, statement, solution, context))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_right_solution(pool: Pool, name: str) -> None:
    found = check(pool, name, STATEMENT[name], SOLUTION[name])
    assert found.status is ProofStatus.PROVED, found
    assert found.level is (ProofLevel.KERNEL if name == "coq" else ProofLevel.SMT)
    assert found.proved == found.obligations > 0
    assert found.backend and found.cpu_ms > 50, "the prover's name, and its time"


UNPROVED = {
    "coq": [
        (STATEMENT["coq"].replace(">=", ">"), "intros.\nnia.", 2),
        (STATEMENT["coq"], "intros.", None),
    ],
    "dafny": [
        (STATEMENT["dafny"], SOLUTION["dafny"].replace("s + i;", "s + i + 1;"), 5),
        (STATEMENT["dafny"], "s := n * (n + 1) / 2;\nwhile s > 1 { }", 2),
    ],
    "why3": [
        (STATEMENT["why3"], SOLUTION["why3"].replace("return r", "return r + 1"), None),
        (STATEMENT["why3"], SOLUTION["why3"].replace("    #@ variant n - r\n", ""), 2),
    ],
}


@pytest.mark.parametrize(("name", "number"), [(name, i) for name, cases in UNPROVED.items() for i in range(len(cases))])
def test_a_wrong_solution_is_not_proved_and_not_refuted_either(pool: Pool, name: str, number: int) -> None:
    statement, solution, line = UNPROVED[name][number]
    found = check(pool, name, statement, solution)
    assert found.status in (ProofStatus.UNPROVED, ProofStatus.UNKNOWN), found
    assert (found.blame, found.line, found.level) == (Blame.SOLVER, line, None)


MALFORMED = {
    "coq": ("intros.\nnia ;; nia.", 2),
    "dafny": ("s := 0;\ns := q;", 2),
    "why3": ("x = 1\nreturn q", 2),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_not_in_the_language(pool: Pool, name: str) -> None:
    solution, line = MALFORMED[name]
    found = check(pool, name, STATEMENT[name], solution)
    assert (found.status, found.line, found.blame) == (ProofStatus.MALFORMED, line, Blame.SOLVER), found


PROBLEMS_FAULT = {
    "coq": [("forall n : Z, f n = n", "auto.", ""), ("f = 1", "auto.", "Definition f := g.")],
    "dafny": [
        ("method M(a: array<int>) returns (s: int) ensures s == a[0]", "s := 1;", ""),
    ],
    "why3": [("def f(n: int) -> int:\n    #@ ensures result == g(n)", "return n", "")],
}


@pytest.mark.parametrize(("name", "number"), [(n, i) for n, cases in PROBLEMS_FAULT.items() for i in range(len(cases))])
def test_a_faulty_problem_is_the_proposers_fault(pool: Pool, name: str, number: int) -> None:
    found = check(pool, name, *PROBLEMS_FAULT[name][number])
    assert (found.status, found.blame) == (ProofStatus.MALFORMED, Blame.PROPOSER), found


def test_with_a_context(pool: Pool) -> None:
    fixpoint = "Fixpoint sum (n : nat) : nat := match n with 0 => 0 | S m => n + sum m end."
    proof = "induction n as [| n IH].\n- reflexivity.\n- simpl sum. lia."
    statement = "forall n : nat, 2 * sum n = n * (n + 1)"
    assert check(pool, "coq", statement, proof, fixpoint).status is ProofStatus.PROVED
    context = "#@ function twice(x: int) -> int = x + x"
    head = "def f(n: int) -> int:\n    #@ ensures result == twice(n)"
    assert check(pool, "why3", head, "return 2 * n", context).status is ProofStatus.PROVED
    function = "function sum(n: nat): nat { if n == 0 then 0 else n + sum(n - 1) }"
    lemma = "lemma Sum(n: nat)\n  ensures 2 * sum(n) == n * (n + 1)"
    assert check(pool, "dafny", lemma, "if n > 0 { Sum(n - 1); }", function).status is ProofStatus.PROVED


def test_dafny_bodies_that_are_missing_are_ways_out(pool: Pool) -> None:
    """Dafny itself says "1 verified, 0 errors", whatever is to be shown; of loops and of `forall` statements."""
    body = "var i := 0;\nwhile i != 1\n  invariant i == 0 || i == 1\nwhile i != 2\nforall x | x > 0 ensures false"
    found = check(pool, "dafny", STATEMENT["dafny"], body)
    assert found.status is ProofStatus.UNSAFE and "no body" in found.reason and found.line == 2, found


def test_coq_is_asked_what_was_assumed() -> None:
    """The second line of defence: what Coq says of a proof that the grammar would not have let through."""
    needs("coq")
    file = "Axiom bad : False.\nTheorem t : 1 = 2.\nProof. destruct bad. Qed.\nPrint Assumptions t.\n"
    ran = box.run([shutil.which("coqc") or "", "claim.v"], {"claim.v": file}, Limits())
    assert ran.exit_code == 0
    found = audit(ran.output)
    assert found.status is ProofStatus.UNPROVED and "bad : False" in found.reason


def test_the_budget_is_counted_in_steps() -> None:
    needs("why3")
    problem = "def f(x: int, y: int) -> int:\n    #@ ensures result == (x + y) * (x + y)"
    solution = "return x * x + 2 * x * y + y * y"
    few, many = (claim("why3", problem, solution, limits=Limits(rlimit_total=steps)) for steps in (1000, 10**6))
    assert ADAPTERS["why3"].check(few).status is ProofStatus.UNKNOWN
    found = [ADAPTERS["why3"].check(many) for _ in range(2)]
    assert found[0].status is ProofStatus.PROVED and found[0].rlimit_used == found[1].rlimit_used > 1000


def test_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:

    needs("coq")
    stated = claim("coq", STATEMENT["coq"], "intros.\nlia.")
    path = tmp_path / "claim.json"
    path.write_text(json.dumps({"checker": "coq", "kind": "proof", "payload": stated.payload}))
    assert run(["verify", "--claim", str(path)]) == 1
    shown = capsys.readouterr().out
    assert "UNPROVED" in shown and "Cannot find witness" in shown
