"""What hostile text is refused before any prover runs: there is none in these tests."""

from __future__ import annotations

import pytest
from adapter_claims import ADAPTERS, BAD_PROBLEMS, SOLUTION, STATEMENT, WAYS_OUT, check
from hypothesis import given, settings
from hypothesis import strategies as st

from selfplay.sandbox.checkers.adapters.grammar import Assembly
from selfplay.sandbox.checkers.types import Blame, Claim, Limits, ProofStatus
from selfplay.types import Outcome

REFUSED = (ProofStatus.UNSAFE, ProofStatus.MALFORMED)


@pytest.fixture(autouse=True)
def nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """So whatever passes the grammar is UNAVAILABLE."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("SELFPLAY_LEAN_URL", raising=False)


@pytest.mark.parametrize("name", ADAPTERS)
def test_without_the_prover_nothing_is_known(name: str) -> None:
    found = check(name, STATEMENT[name], SOLUTION[name])
    assert found.status is ProofStatus.UNAVAILABLE, found
    assert found.outcome is Outcome.NO_VERDICT and found.blame is Blame.CHECKER
    assert "install" in found.reason or "SELFPLAY_LEAN_URL" in found.reason


@pytest.mark.parametrize(("name", "solution"), [(name, text) for name, texts in WAYS_OUT.items() for text in texts])
def test_ways_out_are_refused(name: str, solution: str) -> None:
    for text in (solution, f"{SOLUTION[name]}\n{solution}"):
        found = check(name, STATEMENT[name], text)
        assert found.status in REFUSED, found
        assert (found.blame, found.outcome) == (Blame.SOLVER, Outcome.FAIL)


@pytest.mark.parametrize(
    ("name", "statement", "context"), [(name, *texts) for name, pairs in BAD_PROBLEMS.items() for texts in pairs]
)
def test_problems_that_smuggle_are_the_proposers_fault(name: str, statement: str, context: str) -> None:
    found = check(name, statement, SOLUTION[name], context)
    assert found.status in REFUSED, found
    assert (found.blame, found.outcome) == (Blame.PROPOSER, Outcome.INVALID_CLAIM)


@pytest.mark.parametrize("name", ADAPTERS)
def test_claims_of_another_form(name: str) -> None:
    adapter = ADAPTERS[name]
    assert adapter.check(Claim(name, "disproof", {})).status is ProofStatus.MALFORMED
    assert adapter.check(Claim(name, "proof", {"solution": "x"})).blame is Blame.PROPOSER
    unknown = {"problem": {"statement": "x", "hint": "y"}, "solution": "x"}
    assert adapter.check(Claim(name, "proof", unknown)).blame is Blame.PROPOSER
    assert adapter.check(Claim(name, "proof", {"problem": {"statement": "x"}})).blame is Blame.SOLVER
    long = check(name, STATEMENT[name], SOLUTION[name] + " " * 9000)
    assert long.status is ProofStatus.MALFORMED and "longer than 8000" in long.reason


def test_the_line_is_the_solvers() -> None:
    assert check("dafny", STATEMENT["dafny"], "s := 0;\n/* one\ntwo */ assume false;").line == 3
    assert check("coq", STATEMENT["coq"], "intros.\n(* \n *)\n  Axiom x : False.").line == 4


def test_comments_are_gone_before_the_prover_reads() -> None:
    read = ADAPTERS["dafny"].grammar.read
    assert read("a/* x /* y */ z */b // c\nd", Limits(), Blame.SOLVER) == "a b \nd".replace("a b", "a  b")
    kept = ADAPTERS["why3"].grammar.read("x = 1  # no\n#@ assert x == 1\n# @ assume 0 == 1", Limits(), Blame.SOLVER)
    assert kept == "x = 1  \n#@ assert x == 1\n"


def test_a_file_remembers_whose_its_lines_are() -> None:
    file = Assembly()
    file.stated("one\ntwo")
    file.ours("{")
    file.solved("    three\n    four", "  ")
    file.ours("}")
    assert file.text == "one\ntwo\n{\n  three\n  four\n}\n"
    assert [file.owner(line) for line in (2, 3, 5, 6, 99)] == [
        (Blame.PROPOSER, 2),
        (Blame.PROPOSER, 0),
        (Blame.SOLVER, 2),
        (Blame.SOLVER, 0),
        (Blame.SOLVER, 0),
    ]


WORDS = st.sampled_from(
    ["(*", "*)", "/*", "*/", "--", "-/", "/-", "{", "}", "\n", ".", "intros", "sorry", "#@ ", '"', "'"]
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(ADAPTERS)), st.lists(WORDS | st.text(max_size=4), max_size=12).map("".join))
def test_no_text_breaks_the_grammar(name: str, text: str) -> None:
    for arguments in ((STATEMENT[name], text), (text, SOLUTION[name]), (STATEMENT[name], SOLUTION[name], text)):
        assert check(name, *arguments).status in (*REFUSED, ProofStatus.UNAVAILABLE)
