from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from selfplay.sandbox.syntax import parse


def test_a_tree_comes_back() -> None:
    assert ast.unparse(parse("x+1", "eval")) == "x + 1"
    with pytest.raises(SyntaxError):
        parse("def")


@pytest.mark.parametrize("text", ["1if x else 2", "'\\d'"])
def test_odd_code_says_nothing_on_the_terminal(text: str) -> None:
    program = f"from selfplay.sandbox.syntax import parse; parse({text!r})"
    done = subprocess.run([sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    python = [sys.executable, "-W", "always", "-c", f"import ast; ast.parse({text!r})"]
    assert "Warning" in subprocess.run(python, capture_output=True, text=True, check=True).stderr
