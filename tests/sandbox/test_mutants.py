"""Mutants: all different, from one small change each, the same every time; hostile source does no harm."""

from __future__ import annotations

import ast

import pytest

from selfplay.sandbox.mutants import MAX_SOURCE, mutants

SOURCE = '''
def total(xs: list[int], k: int = 2) -> int:
    """Of the even ones."""
    found = 0
    for i in range(len(xs)):
        if xs[i] % k == 0 and not xs[i] < 0:
            found += xs[i]
        else:
            found -= 1
    return -found if found > 10 else found
'''
CASES = [([1, 2, 4],), ([],), ([-2, 8, 8],), ([0, 3], 3), ([5, 5, 5],), ([10, 2, 1],), ([11],), ([2, 8, 1, 1],)]


def behaviour(source: str) -> list[object]:
    space: dict[str, object] = {}
    exec(compile(source, "<ours>", "exec"), space)
    found = []
    for case in CASES:
        try:
            found.append(space["total"](*case))
        except Exception as error:
            found.append(type(error))
    return found


def test_they_are_different_programs_of_the_same_shape() -> None:
    each = mutants(SOURCE, most=100)
    texts = [mutant.source for mutant in each]
    assert len(set(texts)) == len(texts) > 25 and ast.unparse(ast.parse(SOURCE)) not in texts
    assert each == mutants(SOURCE, most=100)
    for text in texts:
        compile(text, "<ours>", "exec")
    right = behaviour(SOURCE)
    killed = sum(behaviour(text) != right for text in texts)
    assert killed >= 0.7 * len(texts), f"only {killed} of {len(texts)} behave differently"


@pytest.mark.parametrize(
    ("source", "what", "becomes"),
    [
        ("x = 1", "1 became 2", "x = 2"),
        ("x = True", "True became False", "x = False"),
        ("x = 'a'", "'a' became ''", "x = ''"),
        ("x = a < b", "Lt became LtE", "x = a <= b"),
        ("x = a < b", "Lt became GtE", "x = a >= b"),
        ("x = a + b", "Add became Sub", "x = a - b"),
        ("x += b", "Add became Sub", "x -= b"),
        ("x = a and b", "And became Or", "x = a or b"),
        ("x = not a", "Not left out", "x = a"),
        ("x = -a", "USub left out", "x = a"),
        ("x = a if b else c", "the condition of IfExp turned round", "x = a if not b else c"),
        ("if a:\n    f()\nelse:\n    g()", "the condition of If turned round", "if not a:\n    f()\nelse:\n    g()"),
        ("for i in range(n):\n    pass", "the end of range() is off by one", "for i in range(n - 1):\n    pass"),
        ("for i in range(1, n):\n    pass", "the end of range() is off by one", "for i in range(1, n + 1):\n    pass"),
        ("x = a[i]", "the index is off by one", "x = a[i + 1]"),
        ("f()\ng()", "Expr left out", "f()\npass"),
        ("def f():\n    return 1", "nothing is returned", "def f():\n    return"),
    ],
)
def test_each_kind_of_change(source: str, what: str, becomes: str) -> None:
    found = {mutant.source for mutant in mutants(source, 100) if mutant.what.endswith(what)}
    assert becomes in found, found


def test_texts_annotations_and_imports_stay() -> None:
    source = 'import os\n\ndef f(a: "int" = 1) -> "str":\n    """doc 1"""\n    import re\n    global z'
    assert [mutant.what for mutant in mutants(source, 100)] == ["line 3: 1 became 2", "line 3: 1 became 0"]


def test_a_few_are_taken_from_everywhere() -> None:
    all_of_them = mutants(SOURCE, 100)
    few = mutants(SOURCE, 6)
    places = [all_of_them.index(mutant) for mutant in few]
    assert len(few) == 6 and places == sorted(places) and places[0] == 0 and places[-1] > 0.8 * len(all_of_them)


@pytest.mark.parametrize(
    "source",
    ["def f(:", "x = '", "\x00", "\ud800", "", "x" * (MAX_SOURCE + 1), "-" * 9000 + "1", "(" * 9000, "a" + ".b" * 4000,
     "x = 0x" + "f" * 8000, "lambda:" * 1200 + "1", "1 if 1 else " * 800 + "1"],
    ids=lambda source: repr(source[:12]),
)  # fmt: skip
def test_hostile_source_gives_few_or_none_and_does_no_harm(source: str) -> None:
    assert all(isinstance(mutant.source, str) for mutant in mutants(source, 3))
