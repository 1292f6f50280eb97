"""Short functions: drawn ones do what Python says they do, structures bind, and hostile text does no harm."""

from __future__ import annotations

import random

import pytest

from selfplay.envs.short_functions import (
    STEPS,
    ShortFunction,
    call_text,
    exam_functions,
    held_out,
    random_function,
    random_inputs,
)
from selfplay.envs.short_functions_interpreter import NotInLanguage, canonical, returns
from selfplay.errors import UsageError


def drawn(steps: int, count: int = 40) -> list[ShortFunction]:
    rng = random.Random(steps)
    return [random_function(rng, steps) for _ in range(count)]


@pytest.mark.parametrize("steps", STEPS)
def test_the_interpreter_and_python_agree(steps: int) -> None:
    for function in drawn(steps):
        names: dict[str, object] = {}
        exec(function.source, names)  # ours, made of the table
        for args in random_inputs(random.Random(0), 10):
            assert function.value(args) == names["f"](*args), (function, args)  # type: ignore[operator]


@pytest.mark.parametrize("steps", STEPS)
def test_functions_are_short_varied_and_not_of_the_exam(steps: int) -> None:
    functions = drawn(steps, 80)
    assert len({function.source for function in functions}) > 10
    assert not any(function.held_out for function in functions)
    assert all(len(function.source) <= 100 for function in functions)
    assert all(len(function.words.split("->")) == steps for function in functions)
    assert functions == drawn(steps, 80)


def test_words_say_what_the_code_does() -> None:
    said = {function.words: function.source for function in drawn(1, 200)}
    assert said["sort"] == "def f(a, n): return sorted(a)"
    assert said["keep those under n"] == "def f(a, n): return [x for x in a if x<n]"


def test_the_exam_is_held_out_and_always_the_same() -> None:
    exam = exam_functions(2, 30)
    assert len(set(exam)) == 30
    assert all(function.held_out for function in exam)
    exam_functions.cache_clear()
    assert exam_functions(2, 30) == exam
    assert not {f.source for f in exam} & {f.source for f in drawn(2, 100)}
    assert 0 < len(exam_functions(1, 500)) < 500  # there are no more


def test_a_function_is_the_same_however_it_is_written() -> None:
    assert (
        canonical("def f(a, n): return a[:n]") == canonical("def f(b,k):\n  return (b[:k]) # first") == "return _0[:_1]"
    )
    assert canonical("def f(a, n): return a[:n]") != canonical("def f(a, n): return a[:2]")
    assert canonical("def f(x):\n  y = 3\n  return x*y") == "y = 3\nreturn _0 * y"
    for function in exam_functions(2, 30):
        assert held_out(function.source.replace("f(a, n)", "f(a,n)").replace("return ", "return (") + ")")


def test_cases_are_different_and_tell_something() -> None:
    for function in drawn(3):
        cases = function.cases(random.Random(1), 4)
        assert len({call_text(args) for args, _ in cases}) == 4
        assert len({repr(value) for _, value in cases}) > 1
        assert all(function.value(args) == value for args, value in cases)
    assert call_text(([3, 1], 4)) == "f([3, 1], 4)"


def test_a_function_survives_as_a_task() -> None:
    (function,) = drawn(2, 1)
    assert ShortFunction.from_task(function.task()) == function
    with pytest.raises(UsageError, match="is no short function"):
        ShortFunction.from_task({"source": 3})


@pytest.mark.parametrize(
    "source",
    [
        "",
        "def f(a, n): return",
        "def g(a, n): return a",
        "def f(a, n):\n  a.append(1)\n  return a",
        "def f(a, n): return __import__('os')",
        "def f(a, n): return a.__class__",
        "def f(a, n): return a*1000000",
        "def f(a, n): return n**n",
        "def f(a, n): return [x for x in a for y in a]",
        "def f(a, n): return a[9]",
        "def f(a, n): return n//0",
        "def f(a): return a",
        "def f(a, n): return max([x for x in a if x>99])",
        "def f(a, n): return n" + "*99999999" * 200,
        "def f(a, n): return " + "-" * 1900 + "n",
        "def f(a, n): return " + "(" * 900 + "n" + ")" * 900,
        "def f(a, n): return " + "[" * 12 + "x" + " for x in a]" * 12,
        "x" * 3000,
        "def f(a, n): return '\ud800'",
    ],
)
def test_what_is_no_short_function_is_refused(source: str) -> None:
    with pytest.raises(NotInLanguage):
        returns(source, ([1, 2, 3, 4, 5], 3))


@pytest.mark.parametrize("deep", ["-" * 1900 + "n", "[" * 150 + "n" + "]" * 150, "n" + "+n" * 900, "n" + ".x" * 900])
def test_what_is_nested_too_deep_is_not_read(deep: str) -> None:
    with pytest.raises(NotInLanguage):
        canonical(f"def f(a, n): return {deep}")
