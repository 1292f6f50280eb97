"""Answer formats: every text gives a value or a foul with a reason, quickly."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.game import Foul
from selfplay.roles.formats import Parser, choice, code_block, integer, json_object, tagged

PARSERS: dict[str, Parser[Any]] = {
    "integer": integer(-5, 99),
    "choice": choice("yes", "no"),
    "tagged": tagged(integer()),
    "bare or tagged": tagged(choice("a"), required=False),
    "json": json_object({"n": int, "x": float, "s": str, "ok": bool, "l": list, "d": dict}),
    "code": code_block("python"),
}

PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["<answer>", "</answer>", "```", "```python\n", "\n", "{", "}", "[", "]", '"n":', "1", "-", ",", "NaN"]
        ),
        st.text(max_size=5),
    )
).map("".join)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.lists(inner, max_size=2),
)
OBJECTS = st.dictionaries(st.sampled_from(["n", "x", "s", "ok", "l", "d", "q"]), VALUES).map(json.dumps)


@pytest.mark.parametrize("name", PARSERS)
@given(text=st.one_of(st.text(), PIECES, OBJECTS))
def test_any_text_gives_a_value_or_a_foul_with_a_reason(name: str, text: str) -> None:
    try:
        PARSERS[name](text)
    except Foul as foul:
        assert 10 < len(str(foul)) < 300


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize(
    "text",
    ["<answer>" * 200_000, "</answer>" * 200_000, "```\n" * 300_000, "[" * 10**6, '{"n":' * 300_000, "9" * 10**6,
     '{"n": ' + "9" * 10_000 + "}", '{"n": ' + "[" * 9_000, " " * 10**6, "-" * 10**6, '{"a":1,' * 300_000],
)  # fmt: skip
def test_hostile_texts_cost_nothing(name: str, text: str) -> None:
    start = time.process_time()
    try:
        PARSERS[name](text)
    except Foul as foul:
        assert len(str(foul)) < 300
    else:
        assert name == "code"
    assert time.process_time() - start < 1.0


def test_integer() -> None:
    parse = integer(1, 9)
    assert [parse(text) for text in ("7", " 9\n", "+1", "007")] == [7, 9, 1, 7]
    for text in ("", "0", "10", "-3", "7.0", "7 or 8", "seven", "1_0", "\u0667", "--1"):
        with pytest.raises(Foul):
            parse(text)
    assert integer()("-12") == -12
    with pytest.raises(Foul, match=r"12 is not in \.\.\. to 9"):
        integer(high=9)("12")


def test_choice() -> None:
    parse = choice("higher", "Lower")
    assert [parse(text) for text in ("higher", "HIGHER.", " lower ")] == ["higher", "higher", "Lower"]
    with pytest.raises(Foul, match="expected higher or Lower, not 'high'"):
        parse("high")


def test_tagged_takes_the_last_complete_pair() -> None:
    parse = tagged(str.strip)
    assert parse("<answer>1</answer> no: <answer> 2 </answer> done") == "2"
    assert parse("<answer>1</answer> <answer>2") == "1"
    assert parse("<answer>a<answer>b</answer>") == "b"
    for text in ("", "7", "<answer>7", "7</answer>", "</answer><answer>"):
        with pytest.raises(Foul, match="<answer>"):
            parse(text)
    assert tagged(integer(), tag="n")("<n>4</n>") == 4


def test_tags_may_be_optional_but_not_broken() -> None:
    parse = tagged(integer(), required=False)
    assert [parse("7"), parse("so <answer>7</answer>")] == [7, 7]
    for text in ("<answer>7", "so 7", "7 <answer>seven</answer>"):
        with pytest.raises(Foul):
            parse(text)


def test_json_object() -> None:
    parse = json_object({"plan": str, "steps": int, "cost": float, "done": bool})
    good = {"plan": "run", "steps": 2, "cost": 1, "done": True}
    assert parse(f"Sure: {json.dumps(good)} Bye {{}}") == good
    for change, why in [
        ({"steps": True}, "steps must be of type int"), ({"steps": 1.0}, "steps"), ({"done": 1}, "done"),
        ({"plan": None}, "plan"), ({"extra": 1}, "'extra' differ"), ({"cost": float("nan")}, "NaN"),
        ({"cost": float("inf")}, "Infinity"),
    ]:  # fmt: skip
        with pytest.raises(Foul, match=why):
            parse(json.dumps({**good, **change}))
    with pytest.raises(Foul, match="too large"):
        parse(json.dumps(good).replace('"cost": 1', '"cost": 1e999'))
    for text in ("", "[1]", "{'plan': 1}", '{"plan": "run"}', "{"):
        with pytest.raises(Foul):
            parse(text)
    with pytest.raises(Foul, match="may have 10 characters"):
        json_object({}, longest=10)("{}" * 6)


def test_code_block_takes_the_last_complete_one_of_its_language() -> None:
    text = "First\n```python\nx = 1\n```\nthen\n```Python\nx = 2\n  y\n```\n```text\nz\n```\n```python\nhalf"
    assert code_block("python")(text) == "x = 2\n  y"
    assert code_block()(text) == "z"
    for bad in ("", "x = 1", "```python\nx = 1", "```text\nx\n```", "```python x ```"):
        with pytest.raises(Foul, match="code block"):
            code_block("python")(bad)
