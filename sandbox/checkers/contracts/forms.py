"""The three forms in which programs come: problem and solution, problem alone, contract file."""

from __future__ import annotations

import ast

from selfplay.sandbox.checkers.contracts.faults import Fault, malformed
from selfplay.sandbox.checkers.contracts.problem import Problem
from selfplay.sandbox.checkers.contracts.program import ProgramReader, is_spec
from selfplay.sandbox.checkers.contracts.tree import Program
from selfplay.sandbox.checkers.types import Blame, Limits, ProofStatus


def read_solution(problem: Problem, solution: str, limits: Limits) -> Program:
    """A problem and a solver's text as one program.

    Raises:
        Fault: either of the two is not in the language; `blame` says which.
    """
    reader = ProgramReader(limits)
    _read_spec_defs(reader, problem)
    nodes = reader.definitions(solution)
    if not nodes or nodes[-1].name != problem.name:
        last = f"the last one is {nodes[-1].name!r}" if nodes else "there is none"
        raise malformed(nodes[-1].lineno if nodes else 0, f"the last function must be {problem.name!r}; {last}")
    for node in nodes[:-1]:
        if node.name == problem.name:
            raise malformed(node.lineno, f"{problem.name!r} is defined twice")
        _add(reader, node)
    if is_spec(nodes[-1]):
        raise malformed(nodes[-1].lineno, f"{problem.name!r} cannot be a spec function")
    reader.function(nodes[-1], problem).from_problem = True
    return _program(reader, problem.name, solution)


def read_problem(problem: Problem, limits: Limits) -> Program:
    """A problem alone: its entry has a contract and no body.

    Raises:
        Fault: it is not in the language; the proposer is to blame.
    """
    reader = ProgramReader(limits)
    _read_spec_defs(reader, problem)
    if not problem.name.isidentifier() or not problem.name.isascii():
        raise Fault(ProofStatus.MALFORMED, 0, f"{problem.name!r} is not a name", Blame.PROPOSER)
    params = ", ".join(name for name, _ in problem.params)
    try:
        nodes = reader.definitions(f"def {problem.name}({params}):\n    pass")
        reader.function(nodes[0], problem).from_problem = True
    except Fault as fault:
        fault.blame, fault.line = Blame.PROPOSER, 0
        raise
    return _program(reader, problem.name, "")


def _read_spec_defs(reader: ProgramReader, problem: Problem) -> None:
    try:
        for node in reader.definitions(problem.spec_defs):
            is_spec(node)  # the marker is optional here, other decorators are refused
            node.decorator_list = []
            for part in ast.walk(node):
                if hasattr(part, "lineno"):
                    part.lineno = 0
            reader.spec(node).from_problem = True
    except Fault as fault:
        fault.blame, fault.line = Blame.PROPOSER, 0
        raise


def _add(reader: ProgramReader, node: ast.FunctionDef) -> None:
    if is_spec(node):
        node.decorator_list = []
        reader.spec(node)
    else:
        reader.function(node)


def _program(reader: ProgramReader, entry: str, source: str) -> Program:
    names = reader.names
    return Program(names.functions, names.specs, entry, source, tuple(names.constants))


def read_file(text: str, limits: Limits) -> Program:
    """A file that is problem and solution in one; its last function is the entry.

    Raises:
        Fault: it is not in the language.
    """
    reader = ProgramReader(limits)
    nodes = reader.definitions(text)
    entries = [node for node in nodes if not is_spec(node)]
    if not entries:
        raise malformed(0, "there is no function to verify")
    for node in nodes:
        _add(reader, node)
    return _program(reader, entries[-1].name, text)
