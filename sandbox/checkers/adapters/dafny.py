"""The checker named ``dafny``: methods and lemmas with contracts. https://dafny.org

    statement   the head of one method, lemma, function or predicate with its contract, and no body
    context     functions, predicates and datatypes that the statement speaks about
    solution    the body, without its outer braces

Dafny verifies what is there and assumes what is not: a loop or a `forall` statement without a body passes with a
warning and proves anything. Such warnings are ways out too. Its budget is counted in z3's resource units.
"""

from __future__ import annotations

import re

from selfplay.sandbox.checkers.adapters.adapter import Adapter, Texts, complaint, with_body
from selfplay.sandbox.checkers.adapters.box import Ran
from selfplay.sandbox.checkers.adapters.grammar import Assembly, Grammar, words
from selfplay.sandbox.checkers.contracts.faults import Fault, malformed
from selfplay.sandbox.checkers.types import Blame, Limits, ProofLevel, ProofStatus, ProofVerdict

WAYS_OUT = words(
    """
    assume expect axiom extern verify include import export module abstract refines opened trait class iterator
    yield newtype witness print replaceable opaque provides reveals
    """
)
SIGNS = {
    r"\{\s*:": "attributes",
    r"@": "attributes",
    r"\bdecreases\s*\*": "loops that need not end (`decreases *`)",
    r"\bmodifies\s*\*": "frames without a limit (`modifies *`)",
    r"#|\$": "names of Boogie's own",
}
HEADS = words("method lemma function predicate colemma copredicate inductive twostate constructor")
"""Words that begin something with a contract."""
STATEMENT = re.compile(r"\s*(ghost\s+)?(method|lemma|(function|predicate)(\s+method)?)\s+(?=\w)")
BASIS = 1_000_000
"""Resource units that Dafny 2.3 spends on its own axioms, on top of what a claim may use."""
ADDRESSES_MB = 4096
"""Mono reserves more address space than it uses, sometimes more than a gigabyte."""
_FINISHED = re.compile(r"^Dafny program verifier finished with (\d+) verified, (\d+) errors?(.*)$", re.MULTILINE)
_ERROR = re.compile(r"^claim\.dfy\((\d+),\d+\): Error:? ?(.*)$", re.MULTILINE)
_NO_BODY = re.compile(r"^claim\.dfy\((\d+),\d+\): Warning: (.*(?:no body|without a body).*)$", re.MULTILINE)
_PROVER_TROUBLE = re.compile(r"^Prover error: (?!.*unknown parameter).*$", re.MULTILINE)


class Dafny(Adapter):
    """Verifies programs with Dafny and z3."""

    name = "dafny"
    version = "1"
    program = "dafny"
    version_flag = "/version"
    install = "apt-get install dafny z3, or https://github.com/dafny-lang/dafny/releases"
    grammar = Grammar("//", ("/*", "*/"), WAYS_OUT, SIGNS)

    def prove(self, texts: Texts, limits: Limits) -> ProofVerdict:
        """See `Adapter.prove`."""
        _check_heads(texts)
        file = assemble(texts)
        arguments = ["/compile:0", f"/rlimit:{BASIS + limits.rlimit_total}", "claim.dfy"]
        ran, trouble = self.run(arguments, {"claim.dfy": file.text}, limits, memory_mb=ADDRESSES_MB)
        return trouble or judge(ran, file) or self.crashed(ran)


def assemble(texts: Texts) -> Assembly:
    """The file that Dafny reads."""
    return with_body(texts)


def judge(ran: Ran, file: Assembly) -> ProofVerdict | None:
    """What Dafny's words mean; None if they mean nothing to us."""
    if hole := _NO_BODY.search(ran.output):
        return complaint(file, int(hole[1]), ProofStatus.UNSAFE, f"{hole[2]}: what is missing would be assumed")
    error = _ERROR.search(ran.output)
    if ran.exit_code == 2 and error:
        return complaint(file, int(error[1]), ProofStatus.MALFORMED, error[2])
    finished = _FINISHED.search(ran.output)
    if finished is None:
        return None
    verified, errors, rest = int(finished[1]), int(finished[2]), finished[3]
    counts = {"obligations": verified + errors, "proved": verified}
    if errors and error:
        line = int(error[1])
        if "postcondition" in error[2]:  # reported where the contract is stated, but it is the body that breaks it
            line = len(file.lines)
        return complaint(file, line, ProofStatus.UNPROVED, error[2]).but(**counts)
    if rest or errors or not verified or _PROVER_TROUBLE.search(ran.output):
        return ProofVerdict(ProofStatus.UNKNOWN, f"the budget was spent{rest}", Blame.SOLVER, "prove").but(**counts)
    if ran.exit_code != 0:
        return None
    return ProofVerdict(ProofStatus.PROVED, "Dafny verifies the program", stage="prove", level=ProofLevel.SMT).but(
        **counts
    )


def _check_heads(texts: Texts) -> None:
    """One head in the statement; in the context nothing that could state a fact without a proof; none in the body."""
    head = STATEMENT.match(texts.statement)
    if head is None or _words(texts.statement[head.end() :]) & HEADS:
        reason = "the statement is the head of one method, lemma, function or predicate"
        raise Fault(ProofStatus.MALFORMED, 0, reason, Blame.PROPOSER)
    if believed := sorted(_words(texts.context) & (HEADS - {"function", "predicate"} | {"ensures"})):
        reason = f"{believed[0]!r} in the context would be believed; define functions, and state facts with the claim"
        raise Fault(ProofStatus.UNSAFE, 0, reason, Blame.PROPOSER)
    if heads := sorted(_words(texts.solution) & HEADS):
        raise malformed(0, f"the solution is a body and has no {heads[0]!r} in it")


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))
