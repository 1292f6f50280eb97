"""Takes a contract file apart into the problem and its solution."""

from __future__ import annotations

import ast

from selfplay.sandbox.checkers.contracts.faults import malformed
from selfplay.sandbox.checkers.contracts.problem import Problem
from selfplay.sandbox.checkers.contracts.source import read_module
from selfplay.sandbox.checkers.types import Limits


def split_file(text: str, limits: Limits | None = None) -> tuple[Problem, str]:
    """The problem that the last function of a contract file states, and the rest of the file as its solution.

    Raises:
        Fault: the file is not Python, or has no function, or a parameter without a type.
    """
    functions = [node for node in read_module(text, limits or Limits()).body if isinstance(node, ast.FunctionDef)]
    specs = [node for node in functions if node.decorator_list]
    others = [node for node in functions if not node.decorator_list]
    if not others:
        raise malformed(0, "there is no function in the file")
    entry = others[-1]
    clauses: dict[str, list[str]] = {"requires": [], "ensures": []}
    for call in [node for node in entry.body if _word(node) in clauses]:
        entry.body.remove(call)
        clauses[_word(call)] += [ast.unparse(arg) for arg in call.value.args]  # type: ignore[attr-defined]
    if entry.returns is None or any(arg.annotation is None for arg in entry.args.args):
        raise malformed(entry.lineno, "parameters and result of the last function need types")
    problem = Problem(
        entry.name,
        tuple((arg.arg, ast.unparse(arg.annotation)) for arg in entry.args.args if arg.annotation),
        ast.unparse(entry.returns),
        tuple(clauses["requires"]),
        tuple(clauses["ensures"]),
        "\n\n".join(ast.unparse(node) for node in specs),
    )
    return problem, "\n\n".join(ast.unparse(node) for node in others) + "\n"


def _word(node: ast.stmt) -> str:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Name(id=word))):
            return word
    return ""
