"""Random programs of the contract language, for comparing the interpreter with CPython and with the encoder."""

from __future__ import annotations

import random


def expression(rng: random.Random, names: list[str], depth: int) -> str:
    """An int expression over int variables and the list `a`."""
    if depth == 0 or rng.random() < 0.2:
        return rng.choice([*names, *names, str(rng.randrange(-3, 6)), "len(a)"])
    one, two = (expression(rng, names, depth - 1) for _ in range(2))
    match rng.randrange(13):
        case 0 | 1:
            return f"({one} {rng.choice('+-')} {two})"
        case 2:
            return f"({one} * {rng.choice(['2', '-3', one])})"
        case 3:
            return f"({one} // {rng.choice(['2', '-2', '3', two])})"
        case 4:
            return f"({one} % {rng.choice(['2', '-2', '3', two])})"
        case 5:
            return f"({one} if {condition(rng, names, depth - 1)} else {two})"
        case 6:
            return f"{rng.choice(['min', 'max'])}({one}, {two})"
        case 7:
            return f"abs({one})"
        case 8:
            return f"a[{one}]"
        case 9:
            return f"sum(a[{one}:{two}])"
        case 10:
            return f"len([x for x in a if x > {one}])"
        case 11:
            return f"a.count({one})"
    return f"sum(x * 2 for x in a if x < {one})"


def condition(rng: random.Random, names: list[str], depth: int) -> str:
    """A bool expression."""
    one, two = (expression(rng, names, max(depth - 1, 0)) for _ in range(2))
    match rng.randrange(7):
        case 0 | 1 | 2:
            return f"{one} {rng.choice(['<', '<=', '>', '>=', '==', '!='])} {two}"
        case 3:
            return f"({one} > 0 {rng.choice(['and', 'or'])} {two} > 1)"
        case 4:
            return f"not ({one} == {two})"
        case 5:
            return f"{one} in a[{two}:]"
    return f"{rng.choice(['all', 'any'])}(x < {one} for x in a[:{two}])"


def body(rng: random.Random, size: int) -> list[str]:
    """Statements that end with a return; no loops, so that no invariants are needed."""
    names = ["n", "m"]
    lines = ["b = a[:]"]
    for i in range(size):
        match rng.randrange(6):
            case 0 | 1:
                lines.append(f"v{i} = {expression(rng, names, 2)}")
                names.append(f"v{i}")
            case 2:
                lines += [f"if {condition(rng, names, 2)}:", f"    n = {expression(rng, names, 2)}"]
                lines += ["else:", f"    b.append({expression(rng, names, 1)})"]
            case 3:
                lines.append(f"n, m = m, {expression(rng, names, 2)}")
            case 4:
                lines += [f"if len(b) > {rng.randrange(3)}:", f"    b[{rng.choice(['0', '-1', 'n'])}] = m"]
            case 5:
                lines += [f"if {condition(rng, names, 2)}:", f"    return {expression(rng, names, 2)}"]
    lines.append(f"return {expression(rng, names, 2)} + len(b) + sum(b)")
    return lines


def program(seed: int) -> str:
    """A function `f(n, m, a)` without a contract."""
    rng = random.Random(seed)
    lines = body(rng, rng.randrange(1, 5))
    return "def f(n: int, m: int, a: list[int]) -> int:\n" + "\n".join(f"    {line}" for line in lines) + "\n"


def arguments(seed: int) -> tuple[int, int, list[int]]:
    rng = random.Random(seed)
    return rng.randrange(-4, 5), rng.randrange(-4, 5), [rng.randrange(-4, 5) for _ in range(rng.randrange(4))]


def outcome(source: str, args: tuple[int, int, list[int]]) -> int | str:
    """What CPython makes of our own program: the result, or the name of the error."""
    space: dict[str, object] = {}
    exec(source, space)
    try:
        value: int = space["f"](args[0], args[1], list(args[2]))  # type: ignore[operator]
    except (ZeroDivisionError, IndexError) as error:
        return type(error).__name__
    return value
