"""The checker named ``why3``: micro-Python programs with Why3 and z3. https://www.why3.org/doc/input_formats.html

    statement   ``def f(n: int) -> int:`` and below it, indented, lines ``#@ requires ...`` and ``#@ ensures ...``
    context     lines ``#@ function f(x: int) -> int = ...`` and ``#@ predicate p(x: int) = ...``
    solution    the body, with lines ``#@ invariant ...``, ``#@ variant ...``, ``#@ assert ...``

The budget is counted in the prover's steps. Why3 asks for variants, so everything proved ends.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from selfplay.sandbox.checkers.adapters.adapter import Adapter, Texts, complaint
from selfplay.sandbox.checkers.adapters.box import Ran
from selfplay.sandbox.checkers.adapters.grammar import ASCII, Assembly, Grammar, words
from selfplay.sandbox.checkers.contracts.faults import Fault
from selfplay.sandbox.checkers.types import Blame, Limits, ProofLevel, ProofStatus, ProofVerdict

WAYS_OUT = words(
    """
    assume axiom import from lemma goal constant check absurd trusted any val exec eval open input exit quit
    lambda class global nonlocal async await yield raise try
    """
)
STATED = re.compile(r"def [A-Za-z_]\w*\([^()#]*\)( *-> *[\w\[\], ]+)?:$|    #@ (requires|ensures|variant) [^#]*$")
DEFINED = re.compile(r"#@ (function|predicate) [^#]*[^-=<>]=[^#]*$")
SOLVED = re.compile(r" *(#@ (invariant|variant|assert|label) )?[^#]*$")
"""What a line may be that is not empty. `[^#]` leaves no room for a second annotation in a line."""
_GOAL = re.compile(
    r'^File "[^"]*", line (\d+), characters [\d-]+:\n(?:Sub-goal|Goal) (.*?)(?: of goal .*)?\.\n'
    r"Prover result is: (\w+)[^(\n]*(?:\([^)\n]*\) *)?\([\d.]+s, (\d+) steps\)",
    re.MULTILINE,
)
_RESULT = "Prover result is:"
_ERROR = re.compile(r'^(?:warning.*\n)*File "[^"]*", line (\d+), characters [\d-]+:\n(.*)', re.MULTILINE)


class Why3(Adapter):
    """Verifies micro-Python with Why3 and z3."""

    name = "why3"
    version = "1"
    program = "why3"
    install = "apt-get install why3 z3"
    grammar = Grammar("#", None, WAYS_OUT, {r"@(?<!#@)": "annotations that are not spelt `#@ `", r";": "semicolons"},
                      characters=ASCII - set("'$"), kept_comment="#@ ")  # fmt: skip

    def prove(self, texts: Texts, limits: Limits) -> ProofVerdict:
        """See `Adapter.prove`."""
        _check_lines(texts)
        file = assemble(texts)
        path = shutil.which(self.program)
        settings = configuration(path) if path else ""
        steps = limits.rlimit_total
        arguments = ["prove", "-C", "why3.conf", "-P", "z3", "-a", "split_vc"]
        arguments += ["--stepslimit", str(steps), "--timelimit", "0", "claim.py"]
        ran, trouble = self.run(arguments, {"claim.py": file.text, "why3.conf": settings}, limits)
        return trouble or judge(ran, file, steps) or self.crashed(ran)


def assemble(texts: Texts) -> Assembly:
    """The file: definitions, the head with its contract, and the body below it, whatever its indentation was."""
    file = Assembly()
    file.stated(texts.context)
    file.stated(texts.statement)
    file.solved(texts.solution, "    ")
    return file


def judge(ran: Ran, file: Assembly, steps: int) -> ProofVerdict | None:
    """What Why3's words mean; None if they mean nothing to us."""
    goals = _GOAL.findall(ran.output)
    if len(goals) != ran.output.count(_RESULT):
        return None
    if not goals:
        error = _ERROR.search(ran.output)
        return complaint(file, int(error[1]), ProofStatus.MALFORMED, error[2]) if error else None
    open_goals = [goal for goal in goals if goal[2] != "Valid"]
    counts = {
        "obligations": len(goals),
        "proved": len(goals) - len(open_goals),
        "rlimit_used": sum(int(used) for *_, used in goals),
    }
    if not open_goals:
        if ran.exit_code != 0:
            return None
        reason = "Why3 verifies the program"
        return ProofVerdict(ProofStatus.PROVED, reason, stage="prove", level=ProofLevel.SMT).but(**counts)
    line, obligation, said, used = open_goals[0]
    spent = int(used) >= steps or said not in ("Unknown", "Invalid")
    status = ProofStatus.UNKNOWN if spent else ProofStatus.UNPROVED
    reason = f"not proved within {steps} steps: {obligation}" if spent else f"not proved: {obligation}"
    owner, number = file.owner(int(line))
    place = number if owner is Blame.SOLVER else None  # a postcondition stands in the problem; the body breaks it
    return ProofVerdict(status, reason, Blame.SOLVER, "prove", place, obligation).but(**counts)


@functools.cache
def configuration(path: str) -> str:
    """The settings that Why3 makes for the provers it finds. No text of a claim is involved."""
    with tempfile.TemporaryDirectory(prefix="selfplay-why3-") as folder:
        file = Path(folder) / "why3.conf"
        command = [path, "config", "detect", "-C", str(file)]
        subprocess.run(command, capture_output=True, timeout=60, env={"PATH": "/usr/bin:/bin", "HOME": folder})
        return file.read_text() if file.exists() else ""


def _check_lines(texts: Texts) -> None:
    for text, form, blame, what in (
        (texts.context, DEFINED, Blame.PROPOSER, "`#@ function ... = ...` or `#@ predicate ... = ...`"),
        (
            texts.statement,
            STATED,
            Blame.PROPOSER,
            "`def f(...) -> ...:`, `    #@ requires ...` or `    #@ ensures ...`",
        ),
        (texts.solution, SOLVED, Blame.SOLVER, "code, `#@ invariant ...`, `#@ variant ...` or `#@ assert ...`"),
    ):
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip() and not form.match(line.rstrip()):
                raise Fault(ProofStatus.MALFORMED, number, f"a line here is {what}", blame)
    if len(re.findall(r"^def ", texts.statement, re.MULTILINE)) != 1 or not texts.statement.startswith("def "):
        raise Fault(ProofStatus.MALFORMED, 0, "the statement begins with its one `def`", Blame.PROPOSER)
    if found := re.search(r"\b(def|requires|ensures)\b", texts.solution):
        raise Fault(ProofStatus.MALFORMED, 0, f"the solution is a body and has no {found[0]!r} in it", Blame.SOLVER)
