"""The checker named ``equivalence``: one kind of claim.

    same   {"reference": text, "candidate": text}   their last functions agree wherever the reference's `requires` holds

1. Both run on random inputs; one on which they differ, or one of them fails, refutes.
2. If one of them can be had as a definition (no loops), the other is verified against it by the contracts verifier, and
   the first one is verified to raise nothing and to end. The candidate's invariants may mention ``reference``.
3. Otherwise, all inputs if they are finitely many: PROVED, level ``exhaustive``; else all small ones: UNPROVED.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from selfplay.sandbox.checkers.contracts.faults import Fault, malformed
from selfplay.sandbox.checkers.contracts.forms import read_solution
from selfplay.sandbox.checkers.contracts.problem import Problem
from selfplay.sandbox.checkers.contracts.program import ProgramReader, is_spec
from selfplay.sandbox.checkers.contracts.tree import Program
from selfplay.sandbox.checkers.equivalence.agreement import Agreement
from selfplay.sandbox.checkers.equivalence.definitions import REFERENCE, contract_and_body, definitions
from selfplay.sandbox.checkers.total import Total
from selfplay.sandbox.checkers.types import Blame, Claim, Limits, ProofLevel, ProofStatus, ProofVerdict

RLIMIT_STEP, RLIMIT_TOTAL = 100_000, 300_000
"""Of each of up to four proofs: without invariants most fail, and time is better spent on trying inputs."""


class Equivalence(Total):
    """Shows that two functions agree, or an input on which they do not. Proofs need z3 (extra ``formal``)."""

    name = "equivalence"
    version = "1"
    kinds = ("same",)

    def decide(self, claim: Claim) -> ProofVerdict:
        """See `Total.decide`."""
        if claim.kind not in self.kinds:
            raise self.unknown_kind(claim)
        limits = claim.limits
        try:
            reference = _reference(_text(claim, "reference"), limits)
            program = reference.program(limits)
        except Fault as fault:
            fault.blame = Blame.PROPOSER
            raise
        candidate = _candidate(_text(claim, "candidate"), reference, limits)
        agreement = Agreement(program, candidate.program(limits))
        if refutation := agreement.search(limits):
            return refutation.but(tests=agreement.alike)
        found, used = _proved(reference, candidate, agreement, limits)
        found = found or agreement.exhaust()
        return found.but(rlimit_used=used, tests=agreement.alike)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two functions: how it is called, its text, and its definition if it can be had as one."""

    problem: Problem
    """Parameters and precondition; nothing is ensured."""
    text: str
    definition: str | None

    def program(self, limits: Limits, problem: Problem | None = None) -> Program:
        """The function as a solution of `problem`, else of its own."""
        return read_solution(problem or self.problem, self.text, limits)

    def against(self, other: Side) -> Problem:
        """The problem of returning what the other one returns."""
        assert other.definition is not None
        arguments = ", ".join(name for name, _ in self.problem.params)
        ensures = (f"result == {REFERENCE}({arguments})",)
        return replace(self.problem, ensures=ensures, spec_defs=other.definition)


def _reference(text: str, limits: Limits) -> Side:
    functions = _functions(text, limits)
    entry = functions[-1]
    contract, body = contract_and_body(entry)
    if contract["ensures"]:
        raise malformed(entry.lineno, "the reference says by its code what it returns, so it has no ensures(...)")
    if entry.returns is None or any(arg.annotation is None for arg in entry.args.args):
        raise malformed(entry.lineno, "the reference needs the types of its parameters and of its result")
    problem = Problem(
        entry.name,
        tuple((arg.arg, ast.unparse(arg.annotation)) for arg in entry.args.args if arg.annotation),
        ast.unparse(entry.returns),
        tuple(ast.unparse(condition) for call in contract["requires"] for condition in call.args),
    )
    definition = definitions(functions, limits)
    entry.body = [*(ast.Expr(call) for call in contract["decreases"]), *body] or [ast.Pass()]
    return Side(problem, "\n".join(ast.unparse(ast.fix_missing_locations(node)) for node in functions), definition)


def _candidate(text: str, reference: Side, limits: Limits) -> Side:
    """The candidate has its types and its precondition from the reference, and names of its own."""
    functions = _functions(text, limits)
    entry = functions[-1]
    names = [arg.arg for arg in entry.args.args]
    theirs = reference.problem.params
    if len(names) != len(theirs):
        raise malformed(entry.lineno, f"{entry.name!r} takes {len(names)} arguments; the reference takes {len(theirs)}")
    own = dict(zip((name for name, _ in theirs), names, strict=True))
    problem = Problem(
        entry.name,
        tuple((own[name], sort) for name, sort in theirs),
        reference.problem.returns,
        tuple(_renamed(condition, own) for condition in reference.problem.requires),
        spec_defs=reference.definition or "",
    )
    return Side(problem, text, _typed_definitions(functions, problem, limits))


def _functions(text: str, limits: Limits) -> list[ast.FunctionDef]:
    functions = ProgramReader(limits).definitions(text)
    if not functions:
        raise malformed(0, "there is no function")
    for function in functions:
        if is_spec(function):
            raise malformed(function.lineno, "spec functions have no place here")
    return functions


def _typed_definitions(functions: list[ast.FunctionDef], problem: Problem, limits: Limits) -> str | None:
    """The candidate's definitions, with the types and the precondition that its text leaves out."""
    entry = functions[-1]
    for arg, (_, sort) in zip(entry.args.args, problem.params, strict=True):
        arg.annotation = ast.parse(sort, mode="eval").body
    entry.returns = ast.parse(problem.returns, mode="eval").body
    entry.body = [*ast.parse("\n".join(f"requires({c})" for c in problem.requires)).body, *entry.body]
    return definitions(functions, limits)


def _renamed(condition: str, names: dict[str, str]) -> str:
    tree = ast.parse(condition, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
    return ast.unparse(tree)


def _text(claim: Claim, field: str) -> str:
    value = claim.payload.get(field)
    if not isinstance(value, str):
        raise malformed(0, f"the claim's {field!r} must be a text")
    return value


def _proved(reference: Side, candidate: Side, agreement: Agreement, limits: Limits) -> tuple[ProofVerdict | None, int]:
    """What the contracts verifier shows, if it settles the claim, and what it used."""
    from selfplay.sandbox.checkers.contracts.verify import verify

    limits = replace(
        limits, rlimit_step=min(limits.rlimit_step, RLIMIT_STEP), rlimit_total=min(limits.rlimit_total, RLIMIT_TOTAL)
    )
    used = 0
    for one, other in ((candidate, reference), (reference, candidate)):
        if other.definition is None:
            continue
        try:
            against = one.program(limits, one.against(other))
            whole = other.program(limits)
        except Fault:  # as a definition it is not in the language, or too large
            continue
        found = verify(whole, limits)
        used += found.rlimit_used
        if found.status is ProofStatus.PROVED:
            found = verify(against, limits)
            used += found.rlimit_used
        if found.status is ProofStatus.PROVED:
            return found.but(reason="the results are equal for every allowed input", level=ProofLevel.SMT), used
        if found.counterexample and (refutation := agreement.replay(found.counterexample)):
            return refutation, used
    return None, used
