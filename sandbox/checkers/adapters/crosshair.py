"""The checker named ``crosshair``: symbolic execution of contracts, a second opinion on ``contracts``.
https://crosshair.readthedocs.io

Its claims are those of ``contracts``, kind ``solution``, in the same language. CrossHair finds inputs quickly and
proves what has finitely many paths; invariants do not help it. It runs the code, so it runs in the sandbox of this
machine, level 2 at least, and what it finds refutes only after the interpreter of ``contracts`` has replayed it. Its
budget is CPU time and paths: another machine may come to UNKNOWN where this one does not.
"""

from __future__ import annotations

import ast
import atexit
import importlib.util
import os
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import cast

from selfplay.sandbox import outcome
from selfplay.sandbox.checkers.contracts.checker import problem_of, text_of
from selfplay.sandbox.checkers.contracts.evaluate import Value
from selfplay.sandbox.checkers.contracts.faults import Fault, malformed
from selfplay.sandbox.checkers.contracts.forms import read_solution
from selfplay.sandbox.checkers.contracts.problem import Problem
from selfplay.sandbox.checkers.contracts.replay import Replay, plain
from selfplay.sandbox.checkers.total import Total
from selfplay.sandbox.checkers.types import Blame, Claim, Limits, ProofLevel, ProofStatus, ProofVerdict
from selfplay.sandbox.inside import values
from selfplay.sandbox.launch import launch, settings
from selfplay.sandbox.levels import LAYERS, prove
from selfplay.sandbox.types import MIB, Case, CaseResult, Job, Level, Status
from selfplay.sandbox.types import Limits as JobLimits
from selfplay.sandbox.worker import Launch, Worker, WorkerDied

PACKAGES = (
    "crosshair", "_crosshair_tracers", "z3", "typing_inspect", "typing_extensions", "mypy_extensions", "packaging",
    "typeshed_client", "importlib_resources",
)  # fmt: skip
"""What CrossHair imports."""
INSTALL = "crosshair-tool is not installed: pip install 'selfplay[crosshair]'"
PATHS = 200
"""Explored at most."""
_SHARE, _PATH_SHARE = 4, 10
"""CrossHair may take this part of the CPU time for all paths, and for one; it does not keep to it, hence the rest."""
_KILLED = {
    Status.CPU_LIMIT: ProofStatus.TIMEOUT,
    Status.TIMEOUT: ProofStatus.TIMEOUT,
    Status.MEMORY_LIMIT: ProofStatus.MEMORY,
}


class CrossHair(Total):
    """Refutes, and sometimes proves, by symbolic execution in the sandbox. Needs the extra ``crosshair``."""

    name = "crosshair"
    version = "1"
    kinds = ("solution",)

    def check(self, claim: Claim) -> ProofVerdict:
        """See `Total.check`."""
        return super().check(claim).but(backend=backend())

    def decide(self, claim: Claim) -> ProofVerdict:
        """See `Total.decide`."""
        if claim.kind not in self.kinds:
            raise self.unknown_kind(claim)
        problem, solution = problem_of(claim), text_of(claim, "solution")
        replay = Replay(read_solution(problem, solution, claim.limits))  # whatever gets past this is harmless Python
        ran = run(program_text(problem, solution), claim.limits)
        if ran.status is not Status.OK or ran.value is None:
            status = _KILLED.get(ran.status, ProofStatus.CRASH)
            return ProofVerdict(status, f"CrossHair: {ran.status} {ran.detail} {ran.raised or ''}".strip(),
                                Blame.CHECKER, "worker")  # fmt: skip
        status_name, kind, arguments = cast("tuple[str, str, list[Value]]", values.decode(ran.value))
        return judge(status_name, kind, arguments, replay).but(cpu_ms=ran.cpu_s * 1000)


def judge(status: str, kind: str, arguments: list[Value], replay: Replay) -> ProofVerdict:
    """What CrossHair's words mean. It is believed about proofs, and asked for an input about refutations."""
    if status == "CONFIRMED":
        return ProofVerdict(ProofStatus.PROVED, "CrossHair: confirmed over all paths", stage="prove",
                            level=ProofLevel.SMT, obligations=1, proved=1)  # fmt: skip
    if kind == "PRE_UNSAT" or status != "REFUTED":
        reason = "no input that the precondition allows was found" if kind == "PRE_UNSAT" else "not all paths were seen"
        return ProofVerdict(ProofStatus.UNKNOWN, f"CrossHair: {reason}", Blame.SOLVER, "prove", obligations=1)
    if len(arguments) == len(replay.names) and (refutation := replay.refute(arguments)):
        return refutation.but(obligations=1)
    shown = dict(zip(replay.names, map(plain, arguments), strict=False))
    reason = f"CrossHair reports {kind} for {shown}, which the interpreter does not confirm"
    return ProofVerdict(ProofStatus.UNPROVED, reason, Blame.SOLVER, "test", obligations=1)


def program_text(problem: Problem, solution: str) -> str:
    """The program and its contract as plain Python, for `crosshair_inside`. The texts have been read as `contracts`."""
    parameters = ", ".join(name for name, _ in problem.params)
    typed = ", ".join(f"{name}: {sort}" for name, sort in problem.params)
    result = f"{parameters}, result" if parameters else "result"
    lines = [
        _plain_python(problem.spec_defs),
        _plain_python(solution),
        f"def __entry({typed}) -> {problem.returns}:\n    return {problem.name}({parameters})",
        f"def __requires({parameters}):\n    return {_all(problem.requires)}",
        f"def __ensures({result}):\n    return {_all(problem.ensures)}",
    ]
    return "\n".join(lines)


def _all(conditions: Sequence[str]) -> str:
    return " and ".join(f"({_plain_python(condition, clause=True)})" for condition in conditions) or "True"


def _plain_python(text: str, *, clause: bool = False) -> str:
    tree = ast.parse(text.strip(), mode="eval" if clause else "exec")
    return ast.unparse(ast.fix_missing_locations(_Plain(clause=clause).visit(tree)))


class _Plain(ast.NodeTransformer):
    """Takes out what only proofs need and docstrings (CrossHair reads contracts there); turns words into Python."""

    def __init__(self, *, clause: bool) -> None:
        self.clause = clause

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        match node.value:
            case ast.Constant() | ast.Call(func=ast.Name(id=("requires" | "ensures" | "invariant" | "decreases"))):
                return ast.Pass()
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.decorator_list = []
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        return ast.Pass()

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Name(id="implies"), args=[premise, conclusion]):
                return ast.BoolOp(ast.Or(), [ast.UnaryOp(ast.Not(), premise), conclusion])
            case ast.Call(func=ast.Name(id="old"), args=[parameter]):
                if self.clause:  # there, parameters mean what they were
                    return parameter
                raise malformed(node.lineno, "CrossHair is not told what a parameter was: no old(...) in the code")
        return node


def run(program: str, limits: Limits) -> CaseResult:
    """Run CrossHair on a program in the sandbox.

    Raises:
        Fault: it is not installed, or there is no sandbox that holds here.
    """
    source = (Path(__file__).parent / "crosshair_inside.py").read_text()
    case = Case("crosshair", (program, limits.cpu_s / _SHARE, limits.cpu_s / _PATH_SHARE, PATHS))
    within = JobLimits(cpu_s=limits.cpu_s, memory=max(limits.memory_mb, 1024) * MIB)
    job = Job(source, "analyse", (case,), limits=within)
    worker = _worker()
    try:
        report = worker.execute(job, [values.encode(case.args)], cpu_s=within.cpu_s, wall_s=limits.wall_s / 2)
    except WorkerDied as error:
        worker.close()
        _worker.cache_clear()
        raise Fault(ProofStatus.CRASH, 0, f"the sandbox failed: {error}", Blame.CHECKER) from error
    return outcome.results(job.cases, report, within, script=False)[0]


@cache
def _worker() -> Worker:
    """A worker of the sandbox in which CrossHair is imported already; one for this process, until it ends."""
    if missing := [name for name in PACKAGES[:-1] if importlib.util.find_spec(name) is None]:
        raise Fault(ProofStatus.UNAVAILABLE, 0, f"{INSTALL} ({missing[0]} is missing)", Blame.CHECKER)
    try:
        worker = Worker(_launch())
        level = prove(worker)
    except WorkerDied as error:
        reason = f"CrossHair runs in the sandbox only, which cannot be started: {error}"
        raise Fault(ProofStatus.UNAVAILABLE, 0, reason, Blame.CHECKER) from error
    if level < Level.L2:
        worker.close()
        reason = f"CrossHair runs code and needs a sandbox of level 2; this machine reaches {level.name}"
        raise Fault(ProofStatus.UNAVAILABLE, 0, reason, Blame.CHECKER)
    atexit.register(worker.close)
    return worker


def _launch() -> Launch:
    """A plain worker that may also read the packages, and has CrossHair imported."""
    layers = dict.fromkeys(LAYERS, True)
    plain_launch = launch(layers, numpy=False)
    readable = plain_launch.settings["readable"]
    paths = [_path_of(name) for name in PACKAGES if importlib.util.find_spec(name)]
    folders = sorted({os.path.dirname(path) for path in paths})
    paths = [path for path in paths if not any(path.startswith(f"{above}/") for above in readable)]
    more = {
        "hidden": [path for path in plain_launch.settings["hidden"] if path not in folders],
        "packages": folders,
        "preload": ["crosshair.core_and_libs"],
    }
    return Launch(plain_launch.python, {**settings(layers, [*readable, *paths], []), **more})


def _path_of(name: str) -> str:
    """The folder or file of an installed package."""
    spec = importlib.util.find_spec(name)
    assert spec and spec.origin
    return os.path.dirname(spec.origin) if spec.submodule_search_locations else spec.origin


def backend() -> str:
    """Name and version of CrossHair, empty if it is not installed."""
    try:
        return f"crosshair-tool {metadata.version('crosshair-tool')}"
    except metadata.PackageNotFoundError:
        return ""
