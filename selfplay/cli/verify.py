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
"""Of verdicts on contracts; the other checkers say it in their reason."""


@command(
    app,
    examples=("selfplay verify root.py", "selfplay verify slow.py --same-as fast.py --json"),
    more="docs/checkers.md describes the files. Exit code 0 if proved, 1 if not.",
)
def verify(
    file: Annotated[Path | None, typer.Argument(metavar="FILE.py", help="A contract file.")] = None,
    problem: Annotated[Path | None, typer.Option(metavar="P.json", help="A problem without its solution.")] = None,
    solution: Annotated[Path | None, typer.Option(metavar="S.py", help="A solution of it.")] = None,
    same_as: Annotated[Path | None, typer.Option(metavar="G.py", help="Does its function return the same?")] = None,
    claim_file: Annotated[Path | None, typer.Option("--claim", metavar="C.json", help="Any checker's claim.")] = None,
    json: JsonFlag = False,
) -> None:
    """Prove that a Python function meets its contract, or show an input for which it does not.

    With --problem alone, find out whether the contract is worth posing. With --same-as, whether two functions agree.
    """
    if claim_file is None and find_spec("z3") is None:  # a claim may be for another prover
        raise MissingExtra("selfplay verify", "formal")
    claim, source = claim_from(file, problem, solution, same_as, claim_file)
    with Pool(workers=1) as pool, screen.waiting("proving", unless=json):
        found = pool.check(claim)
    if json:
        screen.json(found.to_json())
    else:
        show(found, source, str(same_as or file or solution or problem or claim_file))
    raise typer.Exit(0 if found.status is ProofStatus.PROVED else 1)


def claim_from(
    file: Path | None, problem: Path | None, solution: Path | None, same_as: Path | None, claim: Path | None
) -> tuple[Claim, str]:
    """The claim that the arguments make, and the text that line numbers are about.

    Raises:
        UsageError: they do not fit together, or a file cannot be read.
    """
    given = [path is not None for path in (file, problem, claim)]
    if sum(given) != 1 or (solution is not None and problem is None) or (same_as is not None and file is None):
        raise UsageError(
            "give FILE.py with or without --same-as G.py, or --problem P.json with or without --solution S.py, "
            "or --claim C.json"
        )
    if claim is not None:
        return _stated_claim(claim), ""
    if file is not None:
        source = _read(file)
        if same_as is None:
            return Claim("contracts", "file", {"source": source}, Limits()), source
        candidate = _read(same_as)
        return Claim("equivalence", "same", {"reference": source, "candidate": candidate}), candidate
    assert problem is not None
    stated = _json(problem)
    own = stated.get("solution") if isinstance(stated, dict) else None
    if solution is None and not isinstance(own, str):
        return Claim("contracts", "specification", {"problem": stated}, Limits()), ""
    source = _read(solution) if solution is not None else str(own)
    return Claim("contracts", "solution", {"problem": stated, "solution": source}, Limits()), source


def _stated_claim(path: Path) -> Claim:
    match _json(path):
        case {"checker": str(name), "kind": str(kind), "payload": dict(payload)}:
            return Claim(name, kind, payload)
    raise UsageError(f'{path} is no claim; one is {{"checker": "algebra", "kind": "unique", "payload": {{...}}}}')


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
    style, contracts = _STYLE.get(found.outcome, "bold yellow"), found.checker == "contracts"
    meaning = _MEANING.get(found.status, "") if contracts else str(found.level or "")
    screen.show(Text.assemble((found.status.value, style), f"  {name}  ", meaning))
    lines = source.splitlines()
    if found.status is not ProofStatus.PROVED or not contracts:
        screen.show(Text(f"  {found.reason}"))
    if found.line and found.line <= len(lines):
        screen.show(Text.assemble((f"  line {found.line}: ", "dim"), lines[found.line - 1].strip()))
    for key, value in (found.counterexample or found.witness or {}).items():
        screen.show(Text.assemble((f"  {key} = ", "dim"), repr(value)))
    if found.blame == "proposer" and contracts:
        screen.show(Text("  the contract is at fault, not the code"))
    for note in found.notes:
        screen.show(Text(f"  note: {note}"))
    done = f"{found.cpu_ms:.0f} ms"
    if contracts:
        done = f"{found.proved} of {found.obligations} obligations proved, {found.tests} inputs tried, {done}"
    screen.show(Text(f"  {done}", "dim"))
