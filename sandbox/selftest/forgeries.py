"""Programs that want to pass without being right, and suites that want to be paid without being good.

Each forgery is made into a function and into a script that have to square a number: `setup` runs on import, `inside`
when asked, and `result` is returned or printed. `forged_passes` plays them all.
"""

# ruff: noqa: E501 - programs read best on one line each

from __future__ import annotations

from typing import NamedTuple

from selfplay.sandbox.mutants import mutants
from selfplay.sandbox.pool import CodePool
from selfplay.sandbox.suites import SuiteRun, SuiteWorth, Trial
from selfplay.sandbox.tasks import FunctionTask, ScriptTask
from selfplay.sandbox.types import KIB, MIB, Limits
from selfplay.types import Outcome, PooledChecker, Verdict


class Forgery(NamedTuple):
    name: str
    setup: str = ""
    inside: str = "pass"
    result: str = "0"

    def function(self) -> str:
        return f"{self.setup}\ndef solve(x):\n    {self.inside}\n    return {self.result}\n"

    def script(self) -> str:
        return f"{self.setup}\nx = int(input())\n{self.inside}\nprint({self.result})\n"


LOOK_IN_FRAMES = """
import sys
def look():
    frame = sys._getframe()
    while frame:
        for name, value in [*frame.f_locals.items(), *frame.f_globals.items()]:
            if "expected" in name:
                return value
        frame = frame.f_back
    return 0
"""
READ_THE_TESTS = """
import re, sys, traceback
def look():
    for name in [sys.argv[0] if sys.argv else "", *(frame.filename for frame in traceback.extract_stack())]:
        try:
            return int(re.findall(r"== *(\\d+)", open(name).read())[0])
        except (OSError, IndexError):
            pass
    return 0
"""
LOOK_IN_GARBAGE = """
import gc
def look():
    for thing in gc.get_objects():
        if isinstance(thing, dict) and "expected" in thing:
            return thing["expected"]
    return 0
"""
SMALL_INTS = """
import ctypes
def forge():
    for number in (9, 25):
        ctypes.c_uint32.from_address(id(number) + 24).value = 0
"""
NOOPS = """
import sys
frame = sys._getframe()
while frame:
    for name in ("check", "compare", "judge", "encode", "_call", "_report"):
        if name in frame.f_globals:
            frame.f_globals[name] = lambda *args, **named: True
    frame = frame.f_back
"""
JUMP = """
import sys
def tracer(frame, event, argument):
    try:
        frame.f_lineno += 1
    except Exception:
        pass
    return tracer
sys.settrace(tracer)
"""
PYTEST = """
try:
    from _pytest.reports import TestReport
    TestReport.from_item_and_call = classmethod(lambda *args: None)
except ImportError:
    pass
"""
JUNK = """
import os
for file in range(3, 1024):
    try:
        os.write(file, b"junk 9 25")
    except OSError:
        pass
"""
RUNNER = "import os, sys\nsend = sys._getframe(1).f_globals['_send']"
"""Gets hold of what sends results. Whoever runs the submission is one frame up."""

FORGERIES = [
    Forgery("exit on import", "import os; os._exit(0)"),
    Forgery("exit when asked", inside="import os; os._exit(0)"),
    Forgery("become true", "import os; os.execv('/bin/true', ['true'])"),
    Forgery("fork, the parent exits", "import os\nif os.fork(): os._exit(0)"),
    Forgery("sys.exit on import", "import sys; sys.exit(0)"),
    Forgery("SystemExit when asked", inside="raise SystemExit(0)"),
    Forgery("excepthook", "import os, sys; sys.excepthook = lambda *error: os._exit(0)", "raise ValueError"),
    Forgery("atexit", "import atexit, os; atexit.register(os._exit, 0)"),
    Forgery("equal to everything", "class E:\n    __eq__ = lambda self, other: True", result="E()"),
    Forgery("int with its own equality",
            "class I(int):\n    __eq__ = lambda self, other: True\n    __hash__ = int.__hash__", result="I(0)"),
    Forgery("says it is an int", "class S:\n    __class__ = int\n    __eq__ = lambda self, other: True", result="S()"),
    Forgery("marker and exit", inside="print('ALL TESTS PASSED', flush=True); import os; os._exit(0)"),
    Forgery("marker", inside="print('ALL TESTS PASSED')"),
    Forgery("frames", LOOK_IN_FRAMES, result="look()"),
    Forgery("reads the tests", READ_THE_TESTS, result="look()"),
    Forgery("rewrites small ints", SMALL_INTS, "forge()"),
    Forgery("patches pytest", PYTEST),
    Forgery("float for int", result="float(x * x)"),
    Forgery("junk on every file", JUNK),
    Forgery("KeyboardInterrupt", inside="raise KeyboardInterrupt"),
    Forgery("garbage", LOOK_IN_GARBAGE, result="look()"),
    Forgery("AssertionError replaced", "import builtins; builtins.AssertionError = type('Quiet', (Exception,), {})"),
    Forgery("checks replaced", NOOPS),
    Forgery("jumps over checks", JUMP),
    Forgery("endless generator", "def forever():\n    while True: yield 9", result="forever()"),
    Forgery("list in itself", "ring = []; ring.append(ring)", result="ring"),
    Forgery("pickles as nine", "class R:\n    __reduce__ = lambda self: (int, (9,))", result="R()"),
    Forgery("RecursionError", "def deeper(): return deeper()", "deeper()"),
    # beyond those that were measured
    Forgery("shows itself as nine", "class A:\n    __repr__ = __str__ = lambda self: '9'", result="A()"),
    Forgery("str with its own equality", "class T(str):\n    __eq__ = lambda self, other: True", result="T('')"),
    Forgery("list with its own length", "class L(list):\n    __len__ = lambda self: 1\n    __iter__ = lambda self: iter([9])",
            result="L()"),
    Forgery("hash with side effects", "class H:\n    def __hash__(self): print(9); return 9", result="{H(): 9}"),
    Forgery("coroutine", "async def later(): return 9", result="later()"),
    Forgery("json and type replaced",
            "import builtins, json; json.dumps = lambda *a, **k: '\"i9\"'; builtins.type = lambda thing: int"),
    Forgery("encoder replaced", "import sys; sys._getframe(1).f_globals['values'].encode = lambda value: '\"i9\"'"),
    Forgery("every answer", f"{RUNNER}\nfor n in (9, 25): send(b'v', 0, b'\"i%d\"' % n)"),
    Forgery("an early end", f"{RUNNER}\nsend(b'v', 0, b'\"i9\"'); send(b'e', 1, b'')"),
    Forgery("half a record", f"{RUNNER}\nos.write(3, b'v\\0\\0\\0\\0'); os._exit(0)"),
    Forgery("a long record", f"{RUNNER}\nsend(b'v', 0, b'[' * 900_000); send(b'e', 1, b''); os._exit(0)"),
    *[
        Forgery(f"an answer that is {what}", f"{RUNNER}\nsend(b'v', 0, {text}); send(b'e', 1, b''); os._exit(0)")
        for what, text in {
            "nested too deeply": "b'[' * 100_000",
            "NaN": "b'NaN'",
            "a JSON number": "b'9'",
            "an object with a key twice": """b'{"a":0,"a":9}'""",
            "no text": "b'\\xff\\xfe'",
            "nine and more": """b'"i9" "i25"'""",
        }.items()
    ],
    Forgery("two million characters", result="'9' * 2_000_000"),
    Forgery("NaN", result="float('nan')"),
    Forgery("lone surrogate", result="'\\ud800'"),
    Forgery("5000 digits", result="10**5000"),
    Forgery("complex", result="x * x + 0j"),
    Forgery("bool", result="True"),
    Forgery("bytes", result="b'9'"),
    Forgery("first line only", result="9"),
]  # fmt: skip

HONEST = "def solve(x):\n    return x * x\n"
HONEST_SCRIPT = "print(int(input()) ** 2)\n"
HONEST_TESTS = "def test_three():\n    assert solve(3) == 9\n\ndef test_five():\n    assert solve(5) == 25\n"


class Suite(NamedTuple):
    """Tests that deserve nothing."""

    name: str
    tests: str
    why: str
    """Part of the verdict's detail, or its status."""


SUITES = [
    Suite("empty", "", "there is no function"),
    Suite("assert True", "def test_a():\n    assert True\n", "no test ever calls"),
    Suite("only in a string", "'''\ndef test_a():\n    solve(3)\n'''\n", "no test ever calls"),
    Suite("skips", "import unittest\ndef test_a():\n    solve(3)\n    raise unittest.SkipTest\n", "right program was rejected"),
    Suite("catches everything", "def test_a():\n    try:\n        assert solve(3) == 1\n    except BaseException: pass\n",
          "kills_nothing"),
    Suite("asks and accepts", "def test_a():\n    solve(3)\n", "kills_nothing"),
    Suite("its own program", "def solve(x): return x * x\ndef test_a():\n    assert solve(3) == 9\n", "no test ever calls"),
    Suite("exits", "import os\ndef test_a():\n    solve(3)\n    os._exit(0)\n", "ended with no_result"),
    Suite("exits on import", "import os\nos._exit(0)\ndef test_a():\n    solve(3)\n", "ended with no_result"),
    Suite("replaces its runner", RUNNER + "\nsys._getframe(1).f_globals['_call'] = lambda *a: send(b'v', 0, b'null')\ndef test_a(): solve(3)\n",
          "no test ever calls"),
    Suite("claims twice", RUNNER + "\ndef test_a():\n    solve(3)\n    send(b'v', 0, b'null')\n", "invalid_result"),
    Suite("claims for others", RUNNER + "\ndef test_a():\n    solve(3)\n    send(b'v', 7, b'null')\n", "invalid_result"),
    Suite("a thousand tests", "".join(f"def test_{n}(): solve(3)\n" for n in range(1000)), "1000 tests"),
    Suite("one name twice", "def test_a(): solve(3)\ndef test_a(): solve(5)\n", "same name"),
    Suite("never finishes", "def test_a():\n    solve(3)\n    while True: pass\n", "right program was rejected"),
    Suite("does not parse", "def test_a(:\n    solve(3)\ndef test_b(): solve(3)\n", "no test ever calls"),
    Suite("flips a coin", "import random\ndef test_a():\n    solve(3)\n    assert random.random() < 0.5\n" +
          "".join(f"def test_{n}():\n    assert random.random() < 0.5\n" for n in range(20)), "flaky|rejected"),
    Suite("wrong", "def test_a():\n    assert solve(3) == 6\n", "right program was rejected"),
]  # fmt: skip

LIMITS = Limits(cpu_s=0.3, memory=256 * MIB, value=64 * KIB)
FUNCTION = FunctionTask("solve", [((3,), 9), ((5,), 25)], limits=LIMITS)
SCRIPT = ScriptTask([("3\n", "9\n"), ("5\n", "25\n")], limits=LIMITS)
RUN = SuiteRun("solve", limits=LIMITS, call_limits=LIMITS)
WORTH = SuiteWorth("solve", [HONEST], [mutant.source for mutant in mutants(HONEST)], limits=LIMITS, call_limits=LIMITS)

Question = tuple[str, str]
"""Mode (function, script, tests, suite) and the forgery's name."""


def questions() -> dict[Question, tuple[PooledChecker, object]]:
    """Everything that is played, with the honest control of each mode."""
    found: dict[Question, tuple[PooledChecker, object]] = {
        ("function", "honest"): (FUNCTION, HONEST),
        ("script", "honest"): (SCRIPT, HONEST_SCRIPT),
        ("tests", "honest"): (RUN, Trial(HONEST, HONEST_TESTS)),
        ("suite", "honest"): (WORTH, HONEST_TESTS),
    }
    for forgery in FORGERIES:
        found["function", forgery.name] = (FUNCTION, forgery.function())
        found["script", forgery.name] = (SCRIPT, forgery.script())
        if forgery.name != "float for int":  # 9.0 == 9 is what the tests themselves say
            found["tests", forgery.name] = (RUN, Trial(forgery.function(), HONEST_TESTS))
    return found | {("suite", suite.name): (WORTH, suite.tests) for suite in SUITES}


def verdicts(pool: CodePool) -> dict[Question, Verdict]:
    """What the pool says to all questions."""
    asked = questions()
    return dict(zip(asked, pool.judge(list(asked.values())), strict=True))


def forged_passes(pool: CodePool) -> list[str]:
    """What passed although it should not have, and the honest that did not; empty if the pool can be trusted."""
    return [
        f"{mode}: {name}"
        for (mode, name), verdict in verdicts(pool).items()
        if (verdict.outcome is Outcome.PASS) != (name == "honest")
    ]
