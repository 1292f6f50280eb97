"""Inputs that try to fool the contracts checker, with the only acceptable statuses.

Each is a whole contract file unless it has a problem of its own, in which case `source` is the solution.
"""

from __future__ import annotations

from typing import NamedTuple

from selfplay.sandbox.checkers import ProofStatus
from selfplay.types import Json

PROVED, REFUTED, UNPROVED, UNKNOWN = (
    ProofStatus.PROVED,
    ProofStatus.REFUTED,
    ProofStatus.UNPROVED,
    ProofStatus.UNKNOWN,
)
MALFORMED, UNSAFE = ProofStatus.MALFORMED, ProofStatus.UNSAFE
VACUOUS, TRIVIAL, IMPOSSIBLE = ProofStatus.VACUOUS, ProofStatus.TRIVIAL, ProofStatus.IMPOSSIBLE
OPEN = (UNPROVED, UNKNOWN)


class Attack(NamedTuple):
    name: str
    expected: tuple[ProofStatus, ...]
    source: str
    problem: dict[str, Json] | None = None


def fun(body: str, *contract: str, params: str = "n: int", returns: str = "int") -> str:
    """A file with one function `f`; the clauses come before the body."""
    lines = [*contract, *body.split("\n")]
    return f"def f({params}) -> {returns}:\n" + "\n".join(f"    {line}" for line in lines) + "\n"


def plain(body: str, ensures: str = "result == n") -> str:
    return fun(body, f"ensures({ensures})")


def endless(value: str) -> str:
    """A file whose spec function calls itself for ever."""
    return f"@spec\ndef g(n: int) -> int:\n    decreases(n)\n    return {value}\n" + plain("return n", "result == g(n)")


SUM: dict[str, Json] = {
    "name": "f", "params": {"n": "int"}, "returns": "int",
    "requires": ["n >= 0"], "ensures": ["result == 2 * n"],
}  # fmt: skip
GUARDED: dict[str, Json] = {
    "name": "f", "params": {"a": "list[int]"}, "returns": "int", "ensures": ["result == g(a) - g(a)"],
    "spec_defs": "def g(a: list[int]) -> int:\n    decreases(len(a))\n    return 0 if len(a) >= 0 else g(a) + 1\n",
}  # fmt: skip
DOUBLE = "def f(n):\n    return 2 * n\n"
LOOP = "i = 0\nwhile i < n:\n    decreases({})\n    {}\nreturn n"

SPECIFICATIONS = [
    Attack("contradictory requires", (VACUOUS,), fun("return n", "requires(n > 0, n < 0)", "ensures(result > n)")),
    Attack("requires False", (VACUOUS,), fun("return n", "requires(False)", "ensures(result > n)")),
    Attack("no square is two", (VACUOUS,), fun("return n", "requires(n * n == 2)", "ensures(result > n)")),
    Attack("ensures True", (TRIVIAL,), plain("return n", "True")),
    Attack("result is itself", (TRIVIAL,), plain("return n", "result == result")),
    Attack("n is itself", (TRIVIAL,), plain("return n", "n == n")),
    Attack("no ensures", (TRIVIAL,), fun("return n")),
    Attack("a square is not negative", (TRIVIAL,), plain("return n", "result * result >= 0")),
    Attack("above and below", (IMPOSSIBLE,), plain("return n", "result > n and result < n")),
    Attack("index out of the list", (MALFORMED,), fun(
        "return 0", "ensures(a[len(a)] == a[len(a)])", params="a: list[int]")),
    Attack("divides by zero", (MALFORMED,), plain("return n", "1 // 0 == 1 // 0")),
    Attack("spec function without end", (UNPROVED, UNKNOWN), endless("g(n) + 1")),
    Attack("spec function upwards", (UNPROVED, UNKNOWN), endless("g(n + 1) + 1")),
    Attack("guarded for no length", (PROVED,), "def f(a):\n    return 0\n", GUARDED),
    Attack("guarded, wrong", (REFUTED,), "def f(a):\n    return 1\n", GUARDED),
]  # fmt: skip
TERMINATION = [
    Attack("loop for ever", OPEN, fun("while True:\n    decreases(0)\n    pass\nreturn 0", "ensures(result == n)")),
    Attack("constant measure", OPEN, plain(LOOP.format("5", "i += 1"))),
    Attack("measure below zero", OPEN, plain(LOOP.format("0 - i", "i += 1"))),
    Attack("no progress", OPEN, plain(LOOP.format("n - i", "pass"))),
    Attack("recursion on negatives", OPEN, fun(
        "return 0 if n == 0 else f(n - 1)", "ensures(result == 0)", "decreases(n)")),
    Attack("loop without measure", (MALFORMED,), plain("while n > 0:\n    n -= 1\nreturn n")),
    Attack("recursion without measure", (MALFORMED,), plain("return f(n)")),
    Attack("mutual recursion", (MALFORMED,), fun("return g(n)", "ensures(result == n)", "decreases(n)")
           + "def g(n: int) -> int:\n    decreases(n)\n    return f(n)\n"),
]  # fmt: skip
ESCAPES = [
    Attack("assume", (UNSAFE,), plain("assume(False)\nreturn 0")),
    Attack("Assume", (UNSAFE,), plain("Assume(False)\nreturn 0")),
    Attack("axiom", (UNSAFE,), plain("axiom(0 == 1)\nreturn 0")),
    Attack("admit", (UNSAFE,), plain("admit()\nreturn 0")),
    Attack("trusted", (UNSAFE,), "@trusted\n" + plain("return 0")),
    Attack("import", (UNSAFE,), "import os\n" + plain("return n")),
    Attack("import inside", (UNSAFE,), plain("import os\nreturn n")),
    Attack("dunder import", (UNSAFE,), plain("return __import__('os').system('touch {canary}')")),
    Attack("class", (UNSAFE,), plain("return (1).__class__")),
    Attack("eval", (UNSAFE,), plain("return eval('1')")),
    Attack("open", (UNSAFE,), plain("open('{canary}', 'w')\nreturn n")),
    Attack("comment", (REFUTED,), plain("# assume False\nreturn n + 1")),
    Attack("assert False first", (REFUTED,), plain("assert False\nreturn n + 1")),
    Attack("unreachable assert", (PROVED,), plain("if n != n:\n    assert False\nreturn n")),
    Attack("entry requires False", (MALFORMED,), "def f(n):\n    requires(False)\n    return 0\n", SUM),
    Attack("entry ensures True", (MALFORMED,), "def f(n):\n    ensures(True)\n    return 0\n", SUM),
    Attack("contract further down", (MALFORMED,), "def f(n):\n    x = 0\n    requires(False)\n    return x\n", SUM),
    Attack("a second last function", (MALFORMED,), DOUBLE + "def h(n: int) -> int:\n    return n\n", SUM),
    Attack("defined twice", (MALFORMED,), DOUBLE + "def f(n):\n    return 0\n", SUM),
    Attack("other types", (MALFORMED,), "def f(n: bool) -> int:\n    return 0\n", SUM),
    Attack("helper that lies", (REFUTED, *OPEN),
           "def h(n: int) -> int:\n    ensures(result == 2 * n)\n    return n\ndef f(n):\n    return h(n)\n", SUM),
    Attack("helper that lies to be used", OPEN,
           "def h(n: int) -> int:\n    ensures(False)\n    return n\ndef f(n):\n    x = h(n)\n    return 2 * n\n", SUM),
    Attack("helper with requires False", (REFUTED, *OPEN), "def h(n: int) -> int:\n    requires(False)\n"
           "    ensures(result == 2 * n)\n    return n\ndef f(n):\n    return h(n)\n", SUM),
    Attack("false invariant", OPEN, plain(
        "i = 0\nwhile i < 3:\n    invariant(False)\n    decreases(3 - i)\n    i += 1\nreturn n")),
    Attack("redefines len", (MALFORMED,), "def len(n: int) -> int:\n    return n\n" + plain("return n")),
    Attack("redefines a spec function", (MALFORMED,),
           "def g(a: list[int]) -> int:\n    return 0\ndef f(a):\n    return 0\n", GUARDED),
    Attack("variable named len", (MALFORMED,), plain("len = 3\nreturn n")),
    Attack("variable named result", (MALFORMED,), plain("result = 3\nreturn n")),
    Attack("parameter named result", (MALFORMED,), fun("return 0", "ensures(result == 0)", params="result: int")),
    Attack("spec function in code", (MALFORMED,), "@spec\ndef g(n: int) -> int:\n    return n\n"
           + plain("return g(n)")),
]  # fmt: skip
RUNNING = [
    Attack("index past the end", (REFUTED,), fun("return a[len(a)]", "ensures(result == 0)", params="a: list[int]")),
    Attack("index before the start", (REFUTED,), fun(
        "i = -1 - len(a)\nreturn a[i]", "ensures(result == 0)", params="a: list[int]")),
    Attack("last of an empty list", (REFUTED,), fun("return a[-1]", "ensures(implies(len(a) > 0, result == a[0]))",
                                                    params="a: list[int]")),
    Attack("divides by n", (REFUTED,), plain("x = 1 // n\nreturn n")),
    Attack("returns nothing", (REFUTED,), plain("if n > 0:\n    return n")),
    Attack("floor of a negative", (PROVED,), fun("return -7 // 2", "ensures(result == -4)")),
    Attack("sign of the divisor", (PROVED,), fun("return 7 % -2", "ensures(result == -1)")),
    Attack("not rounded to zero", (REFUTED,), fun("return -7 // 2", "ensures(result == -3)")),
    Attack("no overflow", (REFUTED,), fun("return n + 2**31 - 1", "ensures(result < 2**31)")),
]  # fmt: skip
LANGUAGE = [
    Attack("alias", (MALFORMED,), fun("b = a[:]\nc = b\nc.append(1)\nreturn len(b)", "ensures(result == len(a))",
                                      params="a: list[int]")),
    Attack("changes a parameter", (MALFORMED,), fun("a.append(1)\nreturn len(a)", "ensures(result == 0)",
                                                    params="a: list[int]")),
    Attack("grows while iterating", (MALFORMED,), fun(
        "b = a[:]\nfor x in b:\n    b.append(x)\nreturn 0", "ensures(result == 0)", params="a: list[int]")),
    Attack("loop variable after the loop", (MALFORMED,), plain("for i in range(n):\n    pass\nreturn i")),
    Attack("maybe no value", (MALFORMED,), plain("if n > 0:\n    x = 1\nreturn x")),
    Attack("bool arithmetic", (MALFORMED,), plain("return True + 0")),
    Attack("changes its type", (MALFORMED,), plain("x = 1\nx = True\nreturn n")),
    *[Attack(name, (MALFORMED,), plain(body)) for name, body in {
        "float": "return 1.5", "string for int": "return 'a'", "f-string": "return f'{n}'",
        "lambda": "return (lambda: n)()", "walrus": "return (x := n)", 
        "try": "try:\n    return n\nexcept:\n    return 0",
        "nested def": "def g():\n    return 1\nreturn n", "tower": "return 9**9**9", "variable exponent": "return 2**n",
        "with": "with n:\n    return n", "yield": "yield n", "global": "global n\nreturn n", "del": "del n\nreturn n",
        "true division": "return n / 1", "is": "return n if n is n else 0", "star": "return max(*[n, n])",
        "parentheses": "return " + "(" * 3000 + "n" + ")" * 3000, "minus": "return " + "-" * 3000 + "n",
        "digits": "return " + "7" * 5000,
        "branches": "x = 0\n" + "\n".join(f"if n > {i}:\n    x += 1" for i in range(40)) + "\nreturn n",
    }.items()],
    Attack("assert with old", (MALFORMED,), plain("n += 1\nassert old(n) == n - 1\nreturn n - 1")),
    Attack("default argument", (MALFORMED,), "def f(n: int = 0) -> int:\n    ensures(result == n)\n    return n\n"),
    Attack("decorator", (MALFORMED, UNSAFE), "@cache\n" + plain("return n")),
    Attack("nested ifs", (MALFORMED,), plain(
        "\n".join(" " * i + f"if n > {i}:" for i in range(60)) + "\n" + " " * 60 + "n = 0\nreturn n")),
    Attack("a megabyte", (MALFORMED,), plain("return n") + "#" * 1_000_000),
    Attack("NUL", (MALFORMED,), plain("return n\0")),
    Attack("full-width", (MALFORMED,), plain("\uff49 = 1\nreturn n")),
    Attack("Cyrillic", (MALFORMED,), plain(
        "i = 0\nwhile i < 3:\n    invari\u0430nt(True)\n    decreases(3 - i)\n    i += 1\nreturn n")),
    Attack("SMT text", (MALFORMED,), plain("return n", "result == 1 ) (assert false")),
    Attack("SMT names", (PROVED,), plain("assert_ = n\nforall = assert_\nreturn forall")),
    Attack("not even a function", (MALFORMED,), "print('hello')\n"),
    Attack("empty", (MALFORMED,), ""),
]  # fmt: skip
HEAVY = [
    Attack("squares", (PROVED, UNKNOWN), plain("x = n\n" + "x = x * x\n" * 60 + "return n")),
    Attack("a long list", (PROVED, UNKNOWN), fun("a = [0] * 10**9\nreturn len(a)", "ensures(result == 10**9)")),
    Attack("a long range", (PROVED, UNKNOWN), fun(
        "s = 0\nfor i in range(10**12):\n    invariant(s == i)\n    s += 1\nreturn s", "ensures(result == 10**12)")),
    Attack("six quantifiers", (PROVED, UNKNOWN, REFUTED), plain("return n", "result == n and all(any(all(any(all(any("
           "u + v >= x for v in range(3)) for u in range(3)) for x in range(3)) for y in range(3)) for z in range(3))"
           " for w in range(3))")),
    Attack("Fermat", (UNKNOWN, UNPROVED), fun(
        "return x**3 + y**3 == z**3", "requires(x > 0, y > 0, z > 0)", "ensures(not result)",
        params="x: int, y: int, z: int", returns="bool")),
    Attack("Goldbach", (UNKNOWN, UNPROVED), "@spec\ndef prime(p: int) -> bool:\n"
           "    return p > 1 and all(p % d != 0 for d in range(2, p))\n"
           + fun("return True", "requires(n > 2, n % 2 == 0)",
                 "ensures(result == any(prime(p) and prime(n - p) for p in range(2, n)))", returns="bool")),
]  # fmt: skip
ATTACKS = [*SPECIFICATIONS, *TERMINATION, *ESCAPES, *RUNNING, *LANGUAGE, *HEAVY]
