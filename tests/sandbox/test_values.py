"""Typed JSON: what may travel arrives as it was, and no text whatever makes the decoder do anything but refuse."""

from __future__ import annotations

import json
import math
import os
import random
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfplay.sandbox.inside.values import MAX_BYTES, MAX_DEPTH, MAX_NODES, BadValue, decode, encode

CASES = int(os.environ.get("SELFPLAY_FUZZ_CASES", "10000"))
"""How many hostile texts are decoded; `make fuzz` asks for a million."""
EXAMPLES = min(1000, max(1, CASES // 50))
"""Values that they are made from."""

ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.binary(max_size=8),
)
KEYS = st.recursive(ATOMS, lambda inner: st.lists(inner, max_size=2).map(tuple), max_leaves=3)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(KEYS, inner, max_size=3),
        st.sets(KEYS, max_size=3),
    ),
    max_leaves=12,
)
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def alike(one: object, other: object) -> bool:
    """The same types and values all the way down, NaN included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return one.hex() == other.hex()
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return alike(list(one), list(other)) and alike(list(one.values()), list(other.values()))
    return encode(one) == encode(other)


@settings(QUICK, max_examples=150)
@given(VALUES)
def test_a_value_arrives_as_it_was(value: object) -> None:
    text = encode(value)
    assert text.isascii() and alike(decode(text), value) and alike(decode(text.encode()), value)


@pytest.mark.parametrize(
    "value",
    [
        2**4096 - 1,
        -(2**4096) + 1,
        -0.0,
        math.inf,
        5e-324,
        1.7976931348623157e308,
        "\x00\x1b\U0010ffff",
        {"b": 1, "a": 2},
        {(1, "x"): {1.5, "y"}},
    ],
)
def test_values_at_the_edge(value: object) -> None:
    assert alike(decode(encode(value)), value)


class Int(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class AlwaysEqual:
    def __eq__(self, other: object) -> bool:
        return True


class Spoofed:
    __class__ = int  # type: ignore[assignment]


def cyclic() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        Int(9),
        AlwaysEqual(),
        Spoofed(),
        type("Str", (str,), {})("a"),
        type("List", (list,), {})(),
        type("Dict", (dict,), {})(),
        type("Meta", (type,), {"__eq__": lambda a, b: True, "__hash__": lambda a: hash(list)})("X", (), {})(),
        (n for n in range(3)),
        range(3),
        frozenset(),
        bytearray(),
        1j,
        object(),
        int,
        print,
        cyclic(),
        nested(MAX_DEPTH + 1),
        2**4096,
        10**5000,
        "\ud800",
        "x" * (MAX_BYTES + 1),
        b"x" * (MAX_BYTES // 2),
        "\x00" * (MAX_BYTES // 2),
        [0] * MAX_NODES,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_may_not_travel(value: object) -> None:
    with pytest.raises(BadValue):
        encode(value)


def test_limits_are_reached_and_not_passed() -> None:
    assert decode(encode(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    many = [None] * (MAX_NODES - 1)
    assert decode(encode(many)) == many


MERSENNE = 2**61 - 1
"""Ints that differ by this have the same hash."""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null null",
        "[" * 100_000,
        "[" * 900_000,
        '["l",' * 17 + "null" + "]" * 17,
        '["l"' + ",null" * MAX_NODES + "]",
        "[[]" + ",[]" * 300_000 + "]",
        " " * (MAX_BYTES + 1),
        '"s' + "x" * MAX_BYTES + '"',
        "9",
        "9" * 5000,
        "1e999",
        "NaN",
        "Infinity",
        "{}",
        '{"a":1,"a":2}',
        '["l",{}]',
        '["l",1]',
        "[]",
        '["x"]',
        "[null]",
        '["i1"]',
        '""',
        '"x"',
        '"i"',
        '"i01"',
        '"i-0"',
        '"i+1"',
        '"i1_0"',
        '"i 1"',
        '"i1\\n"',
        '"i\\u0661"',
        f'"i{"9" * 5000}"',
        f'"i{2**4096}"',
        '"f1"',
        '"f1e5"',
        '"f0x1.8p+1"',
        '"f0x1.0000000000000p+9999"',
        '"f-nan"',
        '"fnan\\n"',
        '"b0"',
        '"b0G"',
        '"b00\\n"',
        '"bAA"',
        '"s\\ud800"',
        '["d","i1"]',
        '["d",["l"],null]',
        '["e",["e"]]',
        '["e","i1",true]',
        '["e","i1","f0x1.0000000000000p+0"]',
        '["d","i0",null,false,null]',
        json.dumps(["e", *(f"i{MERSENNE * k}" for k in range(1, 30))]),
        json.dumps(["e", *(["t", f"i{MERSENNE * k}"] for k in range(1, 30))]),
        '"é"',
        b"\xff\xfe",
        b"\x00n\x00u\x00l\x00l",
        b"\xef\xbb\xbfnull",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_hostile_texts_are_refused(text: str | bytes) -> None:
    with pytest.raises(BadValue):
        decode(text)


def mutated(text: str, rng: random.Random) -> bytes:
    """A text that was a value's until somebody tampered with it."""
    data = bytearray(text.encode())
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(5)
        if kind == 0:
            data[at : at + rng.randint(1, 5)] = b""
        elif kind == 1:
            data[at:at] = bytes(rng.choices(b'[]",:{}\\0123456789-+.eExplsftdibu \x00\xff', k=rng.randint(1, 4)))
        elif kind == 2:
            data[at:at] = data[: rng.randint(0, 200)]
        elif kind == 3:
            data[at:at] = rng.choice([b"1e999", b"NaN", b"[" * 300, b"9" * 4400, b'"a":', b"\\ud800", b'["d","i1",'])
        elif data:
            data[at % len(data)] = rng.randrange(256)
    return bytes(data)


@settings(QUICK, max_examples=EXAMPLES)
@given(VALUES, st.integers(0, 2**32))
def test_tampered_texts_are_refused_or_are_values(value: object, seed: int) -> None:
    rng, text = random.Random(seed), encode(value)
    for _ in range(CASES // EXAMPLES):
        tampered = mutated(text, rng)
        try:
            found = decode(tampered)
        except BadValue:
            continue
        again = encode(found)
        assert alike(decode(again), found) and len(again) <= MAX_BYTES


def test_the_parents_memory_stays_bounded() -> None:
    worst = [
        "[" + "[]," * 333_000 + "[]]",
        '["l"' + ',"i1"' * 99_999 + "]",
        "[" * MAX_BYTES,
        '"s' + "\\u0000" * 166_000 + '"',
    ]
    tracemalloc.start()
    for text in worst:
        with pytest.raises(BadValue) if text != worst[1] and text != worst[3] else pytest.MonkeyPatch.context():
            decode(text)
    assert tracemalloc.get_traced_memory()[1] < 100 * MAX_BYTES
    tracemalloc.stop()
