"""Evidence that PROVED means proved: mutants of the benchmark's solutions, and random programs.

    python tests/sandbox/checkers/soundness.py --mutants 20000 --programs 2000

A mutant is a right solution with one small change. The checker judges it without tests, by proof alone; if it says
PROVED, the mutant is run by CPython on many random inputs and must meet its contract on every one. A mutant refuted by
a model of z3 must break its contract in CPython too.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import random
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from random_programs import arguments, outcome, program

from selfplay.sandbox.checkers import Claim, Limits, ProofStatus
from selfplay.sandbox.checkers.benchmark import Graded, load
from selfplay.sandbox.checkers.contracts import language
from selfplay.sandbox.checkers.contracts.checker import Contracts
from selfplay.sandbox.checkers.contracts.evaluate import RunFault, TooMuch
from selfplay.sandbox.checkers.contracts.forms import read_file, read_problem
from selfplay.sandbox.checkers.contracts.interpreter import Interpreter
from selfplay.sandbox.checkers.contracts.replay import Replay
from selfplay.sandbox.checkers.types import INFRASTRUCTURE

BY_PROOF = Limits(tests=0, rlimit_step=50_000, rlimit_total=150_000)
INPUTS = 200
"""On which a proved mutant is run."""
_SWAPS: list[tuple[type[ast.AST], type[ast.AST]]] = [
    (ast.Add, ast.Sub), (ast.Sub, ast.Add), (ast.Mult, ast.Add), (ast.FloorDiv, ast.Mod), (ast.Mod, ast.FloorDiv),
    (ast.Lt, ast.LtE), (ast.LtE, ast.Lt), (ast.Gt, ast.GtE), (ast.GtE, ast.Gt), (ast.Eq, ast.NotEq),
    (ast.NotEq, ast.Eq), (ast.And, ast.Or), (ast.Or, ast.And),
]  # fmt: skip


def claim_value(source: str, args: tuple[int, int, list[int]], value: int, tests: int = 20) -> Claim:
    """The claim that a random program returns `value` for these arguments."""
    n, m, a = args
    problem = {
        "name": "f", "params": {"n": "int", "m": "int", "a": "list[int]"}, "returns": "int",
        "requires": [f"n == {n}", f"m == {m}", f"a == {a}" if a else "len(a) == 0"], "ensures": [f"result == {value}"],
    }  # fmt: skip
    return Claim("contracts", "solution", {"problem": problem, "solution": source}, Limits(tests=tests))


def agree_with_cpython(seeds: Iterable[int]) -> list[str]:
    """Random programs on which our interpreter and CPython differ."""
    different = []
    for seed in seeds:
        source = program(seed)
        interpreter = Interpreter(read_file(source, Limits()))
        for k in range(5):
            args = arguments(100 * seed + k)
            try:
                ours: int | str = interpreter.run("f", list(args))
            except RunFault as fault:
                ours = fault.kind
            if ours != outcome(source, args):
                different.append(f"{source}{args}: {ours} instead of {outcome(source, args)}")
    return different


@dataclass
class Found:
    """What became of the mutants."""

    mutants: int = 0
    proved: int = 0
    refuted: int = 0
    by_status: dict[str, int] = field(default_factory=dict)
    contradicted: list[str] = field(default_factory=list)
    """Proved mutants that break their contract, refuted ones that keep it, crashes."""

    def add(self, other: Found) -> None:
        self.mutants += other.mutants
        self.proved += other.proved
        self.refuted += other.refuted
        for status, count in other.by_status.items():
            self.by_status[status] = self.by_status.get(status, 0) + count
        self.contradicted += other.contradicted


def mutants(text: str, rng: random.Random) -> Iterator[str]:
    """Endless variants of a solution, each with one small change."""
    tree = ast.parse(text)
    count = sum(1 for _ in ast.walk(tree))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    names = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - called - {"int", "list", "str"})
    while True:
        variant = copy.deepcopy(tree)
        nodes = list(ast.walk(variant))
        if _mutate(nodes[rng.randrange(count)], names, rng):
            changed = ast.unparse(variant)
            if changed != ast.unparse(tree):
                yield changed + "\n"


def _mutate(node: ast.AST, names: list[str], rng: random.Random) -> bool:
    match node:
        case ast.Constant(value=bool(value)):
            node.value = not value
        case ast.Constant(value=int(value)):
            node.value = value + rng.choice((-1, 1))
        case ast.BinOp() | ast.BoolOp():
            return _swap(node, "op", rng)
        case ast.Compare(ops=[op]):
            to = [new for old, new in _SWAPS if isinstance(op, old)]
            if not to:
                return False
            node.ops = [rng.choice(to)()]  # type: ignore[list-item]
        case ast.If(test=test) | ast.IfExp(test=test):
            node.test = ast.UnaryOp(ast.Not(), test)
        case ast.Name(id=name, ctx=ast.Load()) if name in names:
            node.id = rng.choice(names)
        case _:
            return False
    return True


def _swap(node: Any, field: str, rng: random.Random) -> bool:
    to = [new for old, new in _SWAPS if isinstance(getattr(node, field), old)]
    if to:
        setattr(node, field, rng.choice(to)())
    return bool(to)


def judge(graded: Graded, text: str, seed: int) -> Found:
    """Check one mutant by proof and compare with CPython."""
    right = graded.claims(replace(BY_PROOF, seed=seed))[0]
    claim = replace(right, payload={**right.payload, "solution": text})
    verdict = Contracts().check(claim)
    found = Found(1, by_status={verdict.status.value: 1})
    if verdict.status in INFRASTRUCTURE:
        found.contradicted.append(f"{verdict.status}: {verdict.reason}:\n{text}")
    if verdict.status is ProofStatus.PROVED:
        found.proved = 1
        if broken := _breaks(graded, text, seed):
            found.contradicted.append(f"PROVED, but {broken}:\n{text}")
    elif verdict.status is ProofStatus.REFUTED:
        found.refuted = 1
        if not _refuted_by_cpython(graded, text, verdict.counterexample or {}):
            found.contradicted.append(f"REFUTED by {json.dumps(verdict.counterexample)}, which CPython allows:\n{text}")
    return found


def _run(graded: Graded, text: str, args: list[Any]) -> Any:
    space: dict[str, Any] = {
        name: getattr(language, name) for name in ("requires", "ensures", "invariant", "decreases")
    }
    space |= {name: getattr(language, name) for name in ("implies", "old", "spec")}
    exec(f"{graded.problem.spec_defs}\n{text}", space)
    return space[graded.name](*copy.deepcopy(args))


def _contract(graded: Graded) -> Replay:
    return Replay(read_problem(graded.problem, Limits()))


def _breaks(graded: Graded, text: str, seed: int) -> str:
    """The first input, of many, for which CPython's result breaks the contract."""
    contract = _contract(graded)
    for args in islice(contract.inputs(replace(BY_PROOF, seed=seed)), INPUTS):
        contract.fuel = 10**6
        try:
            if contract.allowed(args) and not contract.accepts(args, _run(graded, text, args)):
                return f"breaks its contract for {args}"
        except (TooMuch, RecursionError):
            continue
        except Exception as error:
            return f"raises {error!r} for {args}"
    return ""


def _refuted_by_cpython(graded: Graded, text: str, shown: dict[str, Any]) -> bool:
    contract = _contract(graded)
    by_name = dict(graded.problem.params)
    args = [_restored(shown[name], by_name[name]) for name in contract.names]
    try:
        return contract.allowed(args) and not contract.accepts(args, _run(graded, text, args))
    except Exception:
        return True


def _restored(value: Any, sort: str) -> Any:
    """A value from its JSON form."""
    return {int(key): item for key, item in value.items()} if sort.startswith("dict") else value


def check_mutants(limit: int, seed: int) -> Found:
    """Judge `limit` mutants, spread over all problems."""
    total = Found()
    rng = random.Random(seed)
    streams = [(graded, mutants(graded.solution, rng)) for graded in load()]
    rng.shuffle(streams)
    for k in range(limit):
        graded, stream = streams[k % len(streams)]
        total.add(judge(graded, next(stream), seed))
    return total


def _batch(args: tuple[int, int]) -> Found:
    return check_mutants(*args)


def main() -> None:
    """Print the figures as JSON; exit code 1 if anything was contradicted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mutants", type=int, default=20_000)
    parser.add_argument("--programs", type=int, default=2_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    different = agree_with_cpython(range(options.programs))
    size = 500
    total = Found()
    with ProcessPoolExecutor(options.workers) as pool:
        for found in pool.map(_batch, [(size, 1000 + k) for k in range(-(-options.mutants // size))]):
            total.add(found)
            print(f"{total.mutants} mutants, {total.proved} proved", file=sys.stderr)
    print(json.dumps({"programs": options.programs, "different": different, **total.__dict__}, indent=1))
    sys.exit(1 if different or total.contradicted else 0)


if __name__ == "__main__":
    main()
