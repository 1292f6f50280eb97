"""The checker named ``verus``: Rust functions and proofs with Verus. https://github.com/verus-lang/verus

Never run against the real tool: written from its documentation and tested with a stand-in.

    statement   the head of one function with its contract: ``fn f(n: u64) -> (r: u64) requires ... ensures ...,``
    context     ``spec fn`` definitions that the statement speaks about
    solution    the body, without its outer braces
"""

from __future__ import annotations

import re

from selfplay.sandbox.checkers.adapters.adapter import Adapter, Texts, complaint, with_body
from selfplay.sandbox.checkers.adapters.box import Ran
from selfplay.sandbox.checkers.adapters.grammar import Assembly, Grammar, words
from selfplay.sandbox.checkers.contracts.faults import Fault, malformed
from selfplay.sandbox.checkers.types import Blame, Limits, ProofLevel, ProofStatus, ProofVerdict

WAYS_OUT = words(
    # proofs that are none
    """
    assume admit axiom assume_specification assume_new_datatype unreached unimplemented todo unreachable panic
    external external_body external_fn_specification external_type_specification uninterp no_decreases trusted
    exec_allows_no_decreases_clause assume_termination broadcast arbitrary proof_from_false nonlinear_arith_assume
    """,
    # other files, other languages, other rules
    """
    use mod extern crate unsafe asm include include_str include_bytes macro_rules macro static union impl trait
    async global export_as_macro opens_invariants tracked Tracked Ghost transmute raw no_unwind
    open_atomic_invariant open_local_invariant std core libc process env fs io
    """,
)
SIGNS = {
    r"#": "attributes",
    r"\w\s*!\s*[\[({]": "macros",
    r"\bdecreases\s*\*": "loops that need not end",
    r"\$|@\s*\[": "macro variables",
}
STATEMENT = re.compile(r"\s*(pub\s+)?(proof\s+)?fn\s+(?=\w)")
CONTEXT = re.compile(r"\b(?<!spec )fn\b|\bensures\b|\brequires\b|\brecommends\b")
_RESULTS = re.compile(r"^verification results::\s*(\d+) verified, (\d+) errors?\s*(.*)$", re.MULTILINE)
_ERROR = re.compile(r"^error(\[E\d+\])?: (.*)\n\s*--> claim\.rs:(\d+):\d+", re.MULTILINE)


class Verus(Adapter):
    """Verifies Rust with Verus. Never run against the real tool."""

    name = "verus"
    version = "1"
    program = "verus"
    install = "https://github.com/verus-lang/verus/releases"
    grammar = Grammar("//", ("/*", "*/"), WAYS_OUT, SIGNS)

    def prove(self, texts: Texts, limits: Limits) -> ProofVerdict:
        """See `Adapter.prove`."""
        _check_heads(texts)
        file = assemble(texts)
        arguments = ["--crate-type=lib", "--num-threads", "1", "claim.rs"]
        ran, trouble = self.run(arguments, {"claim.rs": file.text}, limits, memory_mb=4096)
        return trouble or judge(ran, file) or self.crashed(ran)


def assemble(texts: Texts) -> Assembly:
    """The file that Verus reads."""
    return with_body(texts, "use vstd::prelude::*;\nverus! {", "\n}")


def judge(ran: Ran, file: Assembly) -> ProofVerdict | None:
    """What Verus's words mean; None if they mean nothing to us."""
    finished, error = _RESULTS.search(ran.output), _ERROR.search(ran.output)
    if finished is None:
        return complaint(file, int(error[3]), ProofStatus.MALFORMED, error[2]) if error else None
    verified, errors, rest = int(finished[1]), int(finished[2]), finished[3]
    counts = {"obligations": verified + errors, "proved": verified}
    if "resource limit" in ran.output.lower() or "rlimit" in ran.output.lower():
        return ProofVerdict(ProofStatus.UNKNOWN, "the budget was spent", Blame.SOLVER, "prove").but(**counts)
    if errors and error:
        line = len(file.lines) if "postcondition" in error[2] else int(error[3])
        return complaint(file, line, ProofStatus.UNPROVED, error[2]).but(**counts)
    if ran.exit_code != 0 or errors or rest or not verified:
        return None
    return ProofVerdict(ProofStatus.PROVED, "Verus verifies the program", stage="prove", level=ProofLevel.SMT).but(
        **counts
    )


def _check_heads(texts: Texts) -> None:
    """One head in the statement, definitions alone in the context, no heads in the body."""
    head = STATEMENT.match(texts.statement)
    if head is None or re.search(r"\bfn\b", texts.statement[head.end() :]):
        raise Fault(ProofStatus.MALFORMED, 0, "the statement is the head of one `fn` or `proof fn`", Blame.PROPOSER)
    if found := CONTEXT.search(texts.context):
        reason = f"the context may define `spec fn` and nothing else; found {found[0]!r}"
        raise Fault(ProofStatus.UNSAFE, 0, reason, Blame.PROPOSER)
    if re.search(r"\bfn\b", texts.solution):
        raise malformed(0, "the solution is a body and has no 'fn' in it")
