"""From text to Python's own syntax tree, with everything refused that no contract needs.

Nothing is ever executed: `ast.parse` builds a tree, and only constructs that `expressions` and `statements` name get
any further. What is refused here is refused early so that the reason is plain (UNSAFE instead of "unknown name"), and
so that nothing large or deep reaches a recursive function.
"""

from __future__ import annotations

import ast

from selfplay.sandbox.checkers.contracts.faults import malformed, unsafe
from selfplay.sandbox.checkers.types import Limits
from selfplay.sandbox.syntax import parse

LANGUAGE = "selfplay.sandbox.checkers.contracts"
"""The one module that a contract file may import from."""
MAX_BITS = 256
"""Of an int literal."""
_WAYS_OUT = frozenset(
    {"assume", "Assume", "axiom", "admit", "admitted", "Admitted", "sorry", "trusted", "external"}
    | {"eval", "exec", "compile", "open", "input", "globals", "locals", "vars", "getattr", "setattr", "delattr"}
    | {"breakpoint", "exit", "quit", "help", "memoryview"}
)


def read_module(text: str, limits: Limits) -> ast.Module:
    """The statements of a file.

    Raises:
        Fault: it is too large or too deep, not ASCII, not Python, or tries a way out.
    """
    tree = _parse(text, limits, "exec")
    assert isinstance(tree, ast.Module)
    return tree


def read_expression(text: str, limits: Limits) -> ast.expr:
    """One expression, such as a clause of a problem.

    Raises:
        Fault: as for `read_module`.
    """
    tree = _parse(text.strip(), limits, "eval")
    assert isinstance(tree, ast.Expression)
    return tree.body


def _parse(text: str, limits: Limits, mode: str) -> ast.AST:
    if len(text) > limits.source_chars:
        raise malformed(0, f"the text has {len(text)} characters; at most {limits.source_chars} are read")
    if not text.isascii() or "\0" in text:
        raise malformed(0, "the text has characters outside ASCII")
    try:
        tree = parse(text, mode)
    except SyntaxError as error:
        raise malformed(error.lineno or 0, f"not Python: {error.msg}") from None
    except (ValueError, MemoryError, RecursionError, OverflowError):
        raise malformed(0, "not Python, or nested too deeply") from None
    _measure(tree, limits)
    return tree


def _measure(tree: ast.AST, limits: Limits) -> None:
    count, level = 0, [tree]
    depth = 0
    while level:
        depth += 1
        count += len(level)
        if depth > limits.depth:
            raise malformed(getattr(level[0], "lineno", 0), f"nested more than {limits.depth} levels deep")
        if count > limits.nodes:
            raise malformed(0, f"the text has more than {limits.nodes} syntax nodes")
        for node in level:
            _refuse(node)
        level = [child for node in level for child in ast.iter_child_nodes(node) if not isinstance(child, _NOTHING)]


_NOTHING = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)


def _refuse(node: ast.AST) -> None:
    line = getattr(node, "lineno", 0)
    match node:
        case ast.ImportFrom(module=module, level=0) if module == LANGUAGE:
            pass
        case ast.Import() | ast.ImportFrom():
            raise unsafe(line, f"imports; only `from {LANGUAGE} import ...` is allowed")
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.FunctionDef(name=name):
            if name in _WAYS_OUT or name.startswith("__"):
                raise unsafe(line, f"{name!r} is refused in any position")
        case ast.Constant(value=int(value)) if value.bit_length() > MAX_BITS:
            raise malformed(line, f"an int literal of {value.bit_length()} bits; at most {MAX_BITS}")
        case ast.Constant(value=float() | complex() | bytes()):
            raise malformed(line, f"{type(node.value).__name__} literals are outside the language")


def shown(node: ast.AST) -> str:
    """The source of a node in one line, for messages."""
    text = ast.unparse(node)
    return text if len(text) <= 80 else text[:77] + "..."
