"""Programs as answers: parsers for functions and for tests, as bare text or in a fenced block.

    function("f")     def f(a, n): return sum(a)          -> that text
    suite("f")        assert f([1, 2], 1) == 3            -> def test():
                                                                 assert f([1, 2], 1) == 3
    predicate("ok")   len(r) > 2                          -> def ok(r):
                                                                 return bool(len(r) > 2)

Nothing is run, compiled or even parsed as Python here: the text goes to a sandbox and nowhere else.
"""

from __future__ import annotations

import re

from selfplay.game import Foul
from selfplay.roles.formats import Parser, code_block

LONGEST = 2000
"""Characters of a program."""


def function(name: str) -> Parser[str]:
    """Source that defines the function `name` at its left margin."""
    defines = re.compile(rf"^def {re.escape(name)}\(", re.MULTILINE)

    def parse(text: str) -> str:
        source = _source(text)
        if not defines.search(source):
            raise Foul(f"a function was expected: def {name}(...): ...")
        return source

    return parse


def suite(name: str, most: int = 5) -> Parser[str]:
    """Tests of the function `name`: up to `most` lines that begin with ``assert``, which become one test, or source
    with functions ``def test_...()``, as `selfplay.sandbox.SuiteRun` takes it. Between the lines may stand comments: a
    model that says first what happens on the way is more often right."""

    def parse(text: str) -> str:
        source = _source(text)
        if re.search(r"^def test", source, re.MULTILINE):
            return source
        lines = [line for line in map(str.strip, source.split("\n")) if line and not line.startswith("#")]
        if not lines or not all(line.startswith("assert ") for line in lines):
            raise Foul(f"lines like this were expected: assert {name}(...) == ...")
        if len(lines) > most:
            raise Foul(f"{most} lines at most, not {len(lines)}")
        return "\n    ".join(["def test():", *lines]) + "\n"

    return parse


def predicate(name: str) -> Parser[str]:
    """A function of r that answers with a bool: one line with an expression, or source that defines `name`."""
    defined = function(name)

    def parse(text: str) -> str:
        source = _source(text)
        if re.search(r"^def ", source, re.MULTILINE):
            return defined(source)
        if "\n" in source:
            raise Foul(f"one line with an expression was expected, or def {name}(r): ...")
        return f"def {name}(r):\n    return bool({source})\n"

    return parse


def _source(text: str) -> str:
    """The program in a reply: its last fenced block, or all of it.

    Raises:
        Foul: there is none, or it is too long.
    """
    source = (code_block()(text) if "```" in text else text).strip()
    if not source or len(source) > LONGEST:
        raise Foul(f"a program of 1 to {LONGEST} characters was expected, not {len(source)}")
    return source
