"""The checker named ``puzzles``. Kinds of claim and their payload; ``family`` is one of `FAMILIES`.

satisfies   {"family": "knights", "puzzle": "A:!B B:A", "answer": "KN"}
solvable    {"family": ..., "puzzle": ...}      the witness has the solution as ``answer``
unique      {"family": ..., "puzzle": ...}
minimal     {"family": ..., "puzzle": ...}      unique, and no clue could be left out
"""

from __future__ import annotations

from selfplay.sandbox.checkers.algebra import questions
from selfplay.sandbox.checkers.algebra.find import Finder
from selfplay.sandbox.checkers.contracts.faults import Fault, malformed
from selfplay.sandbox.checkers.puzzles import read_puzzle
from selfplay.sandbox.checkers.puzzles.puzzle import Puzzle
from selfplay.sandbox.checkers.total import Total
from selfplay.sandbox.checkers.types import Blame, Claim, ProofVerdict
from selfplay.types import Json


class Puzzles(Total):
    """Solves and examines logic puzzles. Those with few possible answers need no z3 (extra ``formal``)."""

    name = "puzzles"
    version = "1"
    kinds = ("satisfies", "solvable", "unique", "minimal")

    def decide(self, claim: Claim) -> ProofVerdict:
        """See `Total.decide`."""
        if claim.kind not in self.kinds:
            raise self.unknown_kind(claim)
        puzzle = _puzzle(claim)
        if claim.kind == "satisfies":
            return questions.satisfies(puzzle.problem, puzzle.read_answer(_text(claim, "answer")))
        finder = Finder(claim.limits)
        ask = {"solvable": questions.solvable, "unique": questions.unique, "minimal": questions.minimal}[claim.kind]
        found = ask(puzzle.problem, finder).but(rlimit_used=finder.rlimit_used)
        return _in_short(found, puzzle)


def _puzzle(claim: Claim) -> Puzzle:
    try:
        return read_puzzle(_text(claim, "family"), _text(claim, "puzzle"))
    except Fault as fault:
        fault.blame = Blame.PROPOSER
        raise


def _text(claim: Claim, field: str) -> str:
    value = claim.payload.get(field)
    if not isinstance(value, str):
        raise malformed(0, f"the claim's {field!r} must be a text")
    return value


def _in_short(found: ProofVerdict, puzzle: Puzzle) -> ProofVerdict:
    """Solutions in the puzzle's short form."""

    def short(value: Json) -> Json:
        return puzzle.show_answer(dict(value)) if isinstance(value, dict) else value

    witness = {"answer": short(dict(found.witness))} if found.witness else None
    shown = found.counterexample
    return found.but(
        witness=witness, counterexample={key: short(value) for key, value in shown.items()} if shown else None
    )
