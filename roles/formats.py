"""Answer formats: what turns a reply into a value. Each function makes a parser for ``Role(parse=...)``.

    integer(1, 9)                     "7"                          -> 7
    choice("yes", "no")               "Yes"                        -> "yes"
    tagged(integer())                 "well... <answer>7</answer>" -> 7
    json_object({"plan": str})        'So: {"plan": "run"}'        -> {"plan": "run"}
    code_block("python")              "```python ... ```"          -> "..."

Replies are hostile: a parser returns a value or raises `Foul` with a reason that helps the player, takes time linear in
the reply, and never evaluates anything. What the value means is the game's business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from selfplay.game import Foul
from selfplay.types import Json

T = TypeVar("T")
Parser = Callable[[str], T]

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_CLOSE_FENCE = "```"


def integer(low: int | None = None, high: int | None = None) -> Parser[int]:
    """A whole number, alone, from `low` to `high`."""

    def parse(text: str) -> int:
        text = text.strip()
        if not _INTEGER.fullmatch(text):
            raise Foul(f"a whole number was expected, not {_short(text)}")
        number = int(text)
        if (low is not None and number < low) or (high is not None and number > high):
            raise Foul(f"{number} is not in {'...' if low is None else low} to {'...' if high is None else high}")
        return number

    return parse


def choice(*options: str) -> Parser[str]:
    """One of `options`, alone; upper and lower case count as equal, and a full stop at the end is forgiven."""
    known = {option.casefold(): option for option in options}

    def parse(text: str) -> str:
        found = known.get(text.strip().removesuffix(".").casefold())
        if found is None:
            raise Foul(f"expected {' or '.join(options)}, not {_short(text)}")
        return found

    return parse


def tagged(parse: Parser[T], tag: str = "answer", *, required: bool = True) -> Parser[T]:
    """What `parse` makes of the text in the last ``<answer>...</answer>``.

    Args:
        required: False reads a reply without any such tag as a whole, for players that do not think aloud.
    """
    opening, closing = f"<{tag}>", f"</{tag}>"

    def inside(text: str) -> T:
        end = text.rfind(closing)
        start = text.rfind(opening, 0, end) if end >= 0 else -1
        if start >= 0:
            return parse(text[start + len(opening) : end])
        if required or opening in text or closing in text:
            raise Foul(f"the answer is missing: write {opening}...{closing}")
        return parse(text)

    return inside


def json_object(fields: Mapping[str, type], *, longest: int = 20_000) -> Parser[dict[str, Json]]:
    """The JSON object that starts at the reply's first ``{``; text around it is ignored.

    Args:
        fields: exactly these keys must be there, with values of these types (``float`` takes whole numbers too).
        longest: characters of a reply that is looked at at all.
    """

    def parse(text: str) -> dict[str, Json]:
        if len(text) > longest:
            raise Foul(f"a reply may have {longest} characters, this has {len(text)}")
        start = text.find("{")
        if start < 0:
            raise Foul("a JSON object {...} was expected")
        try:
            found, _ = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            raise Foul(f"this is not JSON: {_short(str(error))}") from None
        _fits(found, fields)
        return dict(found)

    return parse


def code_block(language: str = "") -> Parser[str]:
    """The last fenced code block, of this language if one is named; only complete blocks count."""
    wanted = language.casefold()

    def parse(text: str) -> str:
        last: str | None = None
        lines: list[str] | None = None
        matches = False
        for line in text.splitlines():
            fence = line.strip()
            if lines is None and fence.startswith(_CLOSE_FENCE):
                lines, matches = [], not wanted or fence[3:].strip().casefold() == wanted
            elif lines is not None and fence == _CLOSE_FENCE:
                last, lines = ("\n".join(lines) if matches else last), None
            elif lines is not None:
                lines.append(line)
        if last is None:
            raise Foul(f"a complete code block was expected: ```{language} on a line, the code, ``` on a line")
        return last

    return parse


def _fits(found: Mapping[str, Json], fields: Mapping[str, type]) -> None:
    if odd := set(found) ^ set(fields):
        raise Foul(f"the object must have the keys {', '.join(fields)}; {_short(', '.join(sorted(odd)))} differ")
    for key, kind in fields.items():
        value = found[key]
        fine = isinstance(value, (int, float) if kind is float else kind)
        if not fine or (isinstance(value, bool) and kind is not bool):
            raise Foul(f"{key} must be of type {kind.__name__}, not {_short(json.dumps(value))}")


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not a number")


def _short_int(digits: str) -> int:
    if len(digits) > 300:
        raise ValueError("a number with more than 300 digits")
    return int(digits)


def _short_float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{digits[:20]} is too large")
    return number


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_int=_short_int, parse_float=_short_float)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
