"""Python's parser for text that a model wrote: a tree, never code, and nothing said about it on the terminal."""

from __future__ import annotations

import ast
import warnings

_FILENAME = "<model text>"

# Once for the process: `warnings.catch_warnings` is not safe in threads.
warnings.filterwarnings("ignore", category=SyntaxWarning, module=_FILENAME)
warnings.filterwarnings("ignore", category=DeprecationWarning, module=_FILENAME)


def parse(text: str, mode: str = "exec") -> ast.AST:
    """`ast.parse` without Python's warnings about odd but legal code, such as ``1if x else 2``.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError, OverflowError: it is no Python, or nested too deeply.
    """
    return ast.parse(text, filename=_FILENAME, mode=mode)
