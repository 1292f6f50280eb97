"""`selfplay verify`: does a function meet its contract, and if not, where and for which input."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from selfplay.cli import screen
from selfplay.cli.commands import JsonFlag, command, new_app
from selfplay.errors import MissingExtra, UsageError
from selfplay.sandbox.checkers import Claim, Limits, Pool, ProofStatus, ProofVerdict
from selfplay.types import Json, Outcome

app = new_app()

_STYLE = {Outcome.PASS: "bold green", Outcome.FAIL: "bold red", Outcome.NO_VERDICT: "bold magenta"}
_MEANING = {
    ProofStatus.PROVED: "the contract holds for every input",
    ProofStatus.REFUTED: "there is an input for which the contract does not hold",
    ProofStatus.UNPROVED: "neither proved nor refuted; perhaps an invariant is too weak",
    ProofStatus.UNKNOWN: "neither proved nor refuted within the budget",
}


@command(
    app,
    examples=("selfplay verify root.py", "selfplay verify --problem root.json --solution answer.py --json"),
    more="docs/checkers.md describes the files. Exit code 0 if proved, 1 if not.",
)
def verify(
    file: Annotated[Path | None, typer.Argument(metavar="FILE.py", help="A contract file.")] = None,
    problem: Annotated[Path | None, typer.Option(metavar="P.json", help="A problem without its solution.")] = None,
    solution: Annotated[Path | None, typer.Option(metavar="S.py", help="A solution of it.")] = None,
    json: JsonFlag = False,
) -> None:
    """Prove that a Python function meets its contract, or show an input for which it does not.

    With --problem alone, find out whether the contract is worth posing.
    """
    if find_spec("z3") is None:
        raise MissingExtra("selfplay verify", "formal")
    claim, source = claim_from(file, problem, solution)
    with Pool(workers=1) as pool, screen.waiting("proving", unless=json):
        found = pool.check(claim)
    if json:
        screen.json(found.to_json())
    else:
        show(found, source, str(file or solution or problem))
    raise typer.Exit(0 if found.status is ProofStatus.PROVED else 1)


def claim_from(file: Path | None, problem: Path | None, solution: Path | None) -> tuple[Claim, str]:
    """The claim that the arguments make, and the text that line numbers are about.

    Raises:
        UsageError: they do not fit together, or a file cannot be read.
    """
    if (file is None) == (problem is None) or (solution is not None and problem is None):
        raise UsageError("give either FILE.py, or --problem P.json with or without --solution S.py")
    if file is not None:
        source = _read(file)
        return Claim("contracts", "file", {"source": source}, Limits()), source
    assert problem is not None
    stated = _json(problem)
    own = stated.get("solution") if isinstance(stated, dict) else None
    if solution is None and not isinstance(own, str):
        return Claim("contracts", "specification", {"problem": stated}, Limits()), ""
    source = _read(solution) if solution is not None else str(own)
    return Claim("contracts", "solution", {"problem": stated, "solution": source}, Limits()), source


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _json(path: Path) -> Json:
    import json

    try:
        found: Json = json.loads(_read(path))
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}") from None
    return found


def show(found: ProofVerdict, source: str, name: str) -> None:
    """Print a verdict for a person: status, failing line, counterexample, remarks."""
    style = _STYLE.get(found.outcome, "bold yellow")
    screen.show(Text.assemble((found.status.value, style), f"  {name}  ", _MEANING.get(found.status, "")))
    lines = source.splitlines()
    if found.status is not ProofStatus.PROVED:
        screen.show(Text(f"  {found.reason}"))
    if found.line and found.line <= len(lines):
        screen.show(Text.assemble((f"  line {found.line}: ", "dim"), lines[found.line - 1].strip()))
    if found.counterexample:
        for key, value in found.counterexample.items():
            screen.show(Text.assemble((f"  {key} = ", "dim"), repr(value)))
    if found.blame == "proposer":
        screen.show(Text("  the contract is at fault, not the code"))
    for note in found.notes:
        screen.show(Text(f"  note: {note}"))
    done = (
        f"{found.proved} of {found.obligations} obligations proved, {found.tests} inputs tried, {found.cpu_ms:.0f} ms"
    )
    screen.show(Text(f"  {done}", "dim"))
