"""Typed JSON: how values travel between the trusted parent and code that nobody trusts.

A value is None, a bool, an int of at most 4096 bits, a float, a str, bytes, or a list, tuple, dict or set of values:
exactly these types, no subclasses, so nothing that crosses the border can bring its own `__eq__`. On the wire it is
ASCII JSON without numbers and objects, so none of JSON's ambiguities (NaN, 1e999, long numbers, duplicate keys) exist:

    None, True, False   null, true, false
    "text"              "stext"
    12                  "i12"
    0.5                 "f0x1.0000000000000p-1"         also "fnan", "finf", "f-inf"
    b"\\x00"             "b00"
    [1, "a"]            ["l", "i1", "sa"]               tuples "t"; sets "e", in the order of their elements' wire text
    {"a": 1}            ["d", "sa", "i1"]               keys and values in turn, in the dict's order

Both sides of the border use this file; it is read into the sandbox as source, so it imports the standard library only.
What `decode` is given was written by an attacker: it raises `BadValue` or returns a value within the limits, in time
and memory proportional to the size of the text. It does not say that the value is the one that the code computed.
"""

from __future__ import annotations

import json
import re

MAX_BYTES = 1_000_000
"""Longest wire text."""
MAX_DEPTH = 16
"""Containers within containers."""
MAX_NODES = 100_000
"""Values in a value, itself included."""
MAX_BITS = 4096
"""Largest int, without its sign."""
MAX_SAME_HASH = 16
"""Keys of one dict or set with the same hash: more of them are chosen to make the parent slow."""

_INT = re.compile(r"0|-?[1-9][0-9]{0,1233}")
_FLOAT = re.compile(r"nan|-?inf|-?0x[01]\.(?:0|[0-9a-f]{13})p[+-][0-9]{1,4}")
_TAGS: dict[type, str] = {list: "l", tuple: "t", dict: "d", set: "e"}


class BadValue(ValueError):
    """A value of another type, beyond a limit, or a text that is not a value's."""


def encode(value: object) -> str:
    """The wire text of a value.

    Raises:
        BadValue: a type that cannot travel, or a limit is exceeded.
    """
    text = _TO_JSON.encode(_packed(value, 0, [MAX_NODES, MAX_BYTES]))
    if len(text) > MAX_BYTES:
        raise BadValue(f"longer than {MAX_BYTES} bytes")
    return text


def decode(text: str | bytes) -> object:
    """The value that a wire text stands for.

    Raises:
        BadValue: the text stands for none (whatever it is; nothing else is raised).
    """
    if len(text) > MAX_BYTES:
        raise BadValue(f"longer than {MAX_BYTES} bytes")
    try:
        packed = _FROM_JSON.decode(text.decode("ascii") if isinstance(text, bytes) else text)
    except BadValue:
        raise
    except (ValueError, RecursionError) as error:
        raise BadValue(f"not the JSON of a value: {type(error).__name__}") from None
    return _unpacked(packed, 0, [MAX_NODES])


def _packed(value: object, depth: int, left: list[int]) -> object:
    """`value` in lists, strings, booleans and None. `left` counts down the nodes and, roughly, the bytes."""
    left[0] -= 1
    if left[0] < 0:
        raise BadValue(f"more than {MAX_NODES} values")
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is list or kind is tuple or kind is dict or kind is set:
        if depth == MAX_DEPTH:
            raise BadValue(f"nested deeper than {MAX_DEPTH}")
        return _packed_container(value, depth + 1, left)
    text = _atom(value)
    left[1] -= len(text)
    if left[1] < 0:
        raise BadValue(f"longer than {MAX_BYTES} bytes")
    return text


def _packed_container(value: object, depth: int, left: list[int]) -> list[object]:
    tag = _TAGS[type(value)]
    if isinstance(value, dict):
        return [tag, *(_packed(part, depth, left) for pair in value.items() for part in pair)]
    assert isinstance(value, list | tuple | set)
    parts = [_packed(part, depth, left) for part in value]
    return [tag, *(sorted(parts, key=json.dumps) if tag == "e" else parts)]


def _atom(value: object) -> str:
    kind = type(value)
    if isinstance(value, str) and kind is str:
        if not value.isascii() and _has_surrogates(value):
            raise BadValue("str with a lone surrogate")
        return "s" + value
    if isinstance(value, int) and kind is int:
        if value.bit_length() > MAX_BITS:
            raise BadValue(f"int of more than {MAX_BITS} bits")
        return f"i{value}"
    if isinstance(value, float) and kind is float:
        return "f" + value.hex()
    if isinstance(value, bytes) and kind is bytes:
        if len(value) > MAX_BYTES:
            raise BadValue(f"longer than {MAX_BYTES} bytes")
        return "b" + value.hex()
    raise BadValue(f"type {kind.__name__:.80} cannot travel")


def _has_surrogates(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _refuse(found: object) -> object:
    raise BadValue("a JSON number or object")


_TO_JSON = json.JSONEncoder(separators=(",", ":"))
_FROM_JSON = json.JSONDecoder(
    parse_int=_refuse, parse_float=_refuse, parse_constant=_refuse, object_pairs_hook=_refuse
)  # made once: json.loads makes one per call


def _unpacked(packed: object, depth: int, left: list[int]) -> object:
    left[0] -= 1
    if left[0] < 0:
        raise BadValue(f"more than {MAX_NODES} values")
    if packed is None or isinstance(packed, bool):
        return packed
    if isinstance(packed, str):
        return _from_atom(packed)
    assert isinstance(packed, list)
    tag = packed[0] if packed else None
    if depth == MAX_DEPTH:
        raise BadValue(f"nested deeper than {MAX_DEPTH}")
    parts = [_unpacked(part, depth + 1, left) for part in packed[1:]]
    if tag == "l":
        return parts
    if tag == "t":
        return tuple(parts)
    if tag == "d" and len(parts) % 2 == 0:
        _check_keys(parts[::2])
        return dict(zip(parts[::2], parts[1::2], strict=True))
    if tag == "e":
        _check_keys(parts)
        return set(parts)
    raise BadValue("an array without a known tag")


def _from_atom(packed: str) -> object:
    tag, text = packed[:1], packed[1:]
    if tag == "s":
        if not text.isascii() and _has_surrogates(text):
            raise BadValue("str with a lone surrogate")
        return text
    if tag == "i" and _INT.fullmatch(text):
        number = int(text)
        if number.bit_length() <= MAX_BITS:
            return number
    if tag == "f" and _FLOAT.fullmatch(text):
        found = _float(text)
        if found.hex() == text:
            return found
    if tag == "b" and re.fullmatch(r"(?:[0-9a-f]{2})*", text):
        return bytes.fromhex(text)
    raise BadValue("a string without a known tag, or not written as its tag demands")


def _float(text: str) -> float:
    try:
        return float.fromhex(text)
    except OverflowError:
        raise BadValue("a float out of range") from None


def _check_keys(keys: list[object]) -> None:
    """Refuse keys that cannot be hashed, that are equal (1 and True), or whose hashes collide on purpose."""
    hashes: dict[int, list[object]] = {}
    for key in keys:
        try:
            same = hashes.setdefault(hash(key), [])
        except TypeError:
            raise BadValue("a key or element that cannot be hashed") from None
        if key in same:
            raise BadValue("two equal keys or elements")
        if len(same) == MAX_SAME_HASH:
            raise BadValue("keys or elements with colliding hashes")
        same.append(key)
