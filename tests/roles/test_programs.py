"""Programs and tests as answers."""

from __future__ import annotations

import pytest

from selfplay.game import Foul
from selfplay.roles.programs import LONGEST, function, predicate, suite
from selfplay.sandbox.suites import test_names as names_of


def test_functions_come_bare_or_fenced() -> None:
    source = "def f(a, n):\n    return n"
    assert function("f")(f"  {source}\n") == source
    assert function("f")(f"Here:\n```python\n{source}\n```\nDone.") == source
    assert function("f")(f"import math\n{source}") == f"import math\n{source}"


def test_lines_of_asserts_become_one_test() -> None:
    tests = suite("f")("# first one\nassert f([1], 2) == 1\n\n  assert f([], 1) == 0  ")
    assert tests == "def test():\n    assert f([1], 2) == 1\n    assert f([], 1) == 0\n"
    assert names_of(tests) == ["test"]
    whole = "def test_one():\n    assert f([1], 1)"
    assert suite("f")(f"```python\n{whole}\n```") == whole


def test_an_expression_becomes_a_function() -> None:
    assert predicate("ok")(" len(r) > 2 ") == "def ok(r):\n    return bool(len(r) > 2)\n"
    assert predicate("ok")("def ok(r):\n    return True") == "def ok(r):\n    return True"


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (function("f"), "return 1"),
        (function("f"), "def g(f): return 1"),
        (function("f"), "  x = 1\n  def f(a, n): return 1"),
        (function("f"), "def f(a, n): return " + "1" * LONGEST),
        (function("f"), "```python\ndef f(a, n): return 1"),
        (function("f"), ""),
        (suite("f"), ""),
        (suite("f"), "f([1], 2) == 1"),
        (suite("f"), "# assert f([1], 2) == 1"),
        (suite("f"), "assert f([1], 2) == 1\nimport os"),
        (suite("f", most=2), "assert 1\n" * 3),
        (predicate("ok"), "r = 1\nr > 2"),
        (predicate("ok"), "def other(r): return True"),
        (predicate("ok"), ""),
    ],
)
def test_what_is_no_program_is_a_foul(parse: object, text: str) -> None:
    with pytest.raises(Foul):
        parse(text)  # type: ignore[operator]
