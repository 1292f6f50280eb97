"""What all adapters share: reading a claim, finding the program, running it, and naming its version in the verdict.

Claims have kind ``proof`` and the payload ``{"problem": {"statement": text, "context": text}, "solution": text}``:
the statement is what is to be shown, the context (it may be left out) defines what it speaks about, the solution is a
proof or a body and nothing else. The file that a prover reads is put together here; what a solver states is not read.

Nobody looks at whether a statement is worth proving: one with contradictory assumptions is easily PROVED.
"""

from __future__ import annotations

import functools
import re
import resource
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from selfplay.sandbox.checkers.adapters import box
from selfplay.sandbox.checkers.adapters.grammar import Assembly, Grammar
from selfplay.sandbox.checkers.contracts.faults import Fault
from selfplay.sandbox.checkers.total import Total
from selfplay.sandbox.checkers.types import Blame, Claim, Limits, ProofStatus, ProofVerdict
from selfplay.types import Json

OUT_OF_MEMORY = re.compile(r"out.?of.?memory|stack overflow|cannot allocate memory|memory exhausted", re.IGNORECASE)
"""Looked for only where a prover's words mean nothing else, since words of a claim may be among them."""


@dataclass(frozen=True, slots=True)
class Texts:
    """A claim's texts, checked against the grammar, without comments."""

    context: str
    statement: str
    solution: str


class Adapter(Total):
    """A checker that has another prover decide. Subclasses say how a file is put together and what its words mean."""

    kinds = ("proof",)
    program: ClassVar[str] = ""
    """Looked up in PATH."""
    version_flag: ClassVar[str] = "--version"
    install: ClassVar[str] = ""
    """How to get it."""
    grammar: ClassVar[Grammar]

    def check(self, claim: Claim) -> ProofVerdict:
        """See `Total.check`; CPU time is that of the prover as well."""
        before = _cpu_of_children()
        found = super().check(claim)
        cpu_ms = found.cpu_ms + (_cpu_of_children() - before) * 1000
        return found.but(cpu_ms=cpu_ms, backend=self.backend(), notes=(box.note(),) if box.note() else ())

    def decide(self, claim: Claim) -> ProofVerdict:
        """See `Total.decide`."""
        if claim.kind not in self.kinds:
            raise self.unknown_kind(claim)
        return self.prove(self.texts(claim), claim.limits)

    def prove(self, texts: Texts, limits: Limits) -> ProofVerdict:
        """The verdict on texts that have passed the grammar.

        Raises:
            Fault: they have not passed all of it, or the program is not installed.
        """
        raise NotImplementedError

    def backend(self) -> str:
        """Name and version of the prover, empty if there is none."""
        path = shutil.which(self.program)
        return version(path, self.version_flag) if path else ""

    def texts(self, claim: Claim) -> Texts:
        """Raises: Fault: a text is missing, or the grammar refuses it."""
        problem = claim.payload.get("problem")
        stated: Mapping[str, Json] = problem if isinstance(problem, dict) else {}
        statement, context = stated.get("statement"), stated.get("context", "")
        if not isinstance(statement, str) or not isinstance(context, str) or stated.keys() - {"statement", "context"}:
            reason = 'the problem must be {"statement": text} or {"statement": text, "context": text}'
            raise Fault(ProofStatus.MALFORMED, 0, reason, Blame.PROPOSER)
        solution = claim.payload.get("solution")
        if not isinstance(solution, str):
            raise Fault(ProofStatus.MALFORMED, 0, "the solution must be a text")
        read = self.grammar.read
        return Texts(
            read(context, claim.limits, Blame.PROPOSER),
            read(statement, claim.limits, Blame.PROPOSER),
            read(solution, claim.limits, Blame.SOLVER),
        )

    def run(
        self, arguments: Sequence[str], files: Mapping[str, str], limits: Limits, *, memory_mb: int = 0
    ) -> tuple[box.Ran, ProofVerdict | None]:
        """Run the program; with a verdict if it did not come to an end by itself.

        Raises:
            Fault: it is not installed.
        """
        path = shutil.which(self.program)
        if path is None:
            reason = f"{self.program} is not installed: {self.install}"
            raise Fault(ProofStatus.UNAVAILABLE, 0, reason, Blame.CHECKER)
        ran = box.run([path, *arguments], files, limits, memory_mb=memory_mb)
        if ran.trouble is None:
            return ran, None
        late = ran.trouble is ProofStatus.TIMEOUT
        why = "was killed for the time it took" if late else f"printed more than {box.OUTPUT >> 20} MB"
        return ran, ProofVerdict(ran.trouble, f"{self.program} {why}", Blame.CHECKER, "worker")

    def crashed(self, ran: box.Ran) -> ProofVerdict:
        """The program said something that we do not understand: nothing is known about the claim."""
        if OUT_OF_MEMORY.search(ran.output):
            return ProofVerdict(ProofStatus.MEMORY, f"{self.program} ran out of memory", Blame.CHECKER, "worker")
        reason = f"{self.program} ended with {ran.exit_code} and said {ran.output.strip()[-200:]!r}"
        return ProofVerdict(ProofStatus.CRASH, reason, Blame.CHECKER, "worker")


def with_body(texts: Texts, before: str = "", after: str = "") -> Assembly:
    """The file of a program verifier: what the problem defines and states, and the solver's body in our braces."""
    file = Assembly()
    if before:
        file.ours(before)
    file.stated(texts.context)
    file.stated(texts.statement)
    file.ours("{")
    file.solved(texts.solution)
    file.ours("}" + after)
    return file


def complaint(assembly: Assembly, line: int, status: ProofStatus, reason: str, obligation: str = "") -> ProofVerdict:
    """A verdict on a line of the file. What is wrong with the problem's text is malformed, whatever its status."""
    owner, number = assembly.owner(line)
    reason = re.sub(r"\s+", " ", reason).strip()[:300]
    if owner is Blame.PROPOSER:
        return ProofVerdict(ProofStatus.MALFORMED, f"in the problem: {reason}", Blame.PROPOSER, "parse")
    stage = "parse" if status is ProofStatus.MALFORMED else "prove"
    return ProofVerdict(status, reason, Blame.SOLVER, stage, number or None, obligation)


@functools.cache
def version(path: str, flag: str) -> str:
    """The first line of what it says to that flag that has a number in it."""
    try:
        output = box.run([path, flag], {}, Limits(cpu_s=10, wall_s=20)).output
    except OSError:
        return ""
    return next((line.strip()[:80] for line in output.splitlines() if re.search(r"\d+\.\d+", line)), "")


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
