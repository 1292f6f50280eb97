"""Numbers as people read them, and text that cannot act on a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from selfplay.watch.words import clock, inert, number, one_line, percent, rate, share, span, sparkline


@given(st.text(st.characters(), max_size=60))
def test_nothing_that_acts_survives(text: str) -> None:
    for shown in (inert(text), one_line(text, 20)):
        assert all(c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") for c in shown)
        shown.encode("utf-8")
    assert "\n" not in one_line(text, 20) and cell_len(one_line(text, 20)) <= 20


def test_what_was_there_stays_visible() -> None:
    assert inert("\x1b[2J\r\x9b31m\u202egnp") == "␛[2J␍<U+009B>31m<U+202E>gnp"
    assert inert("é ✓ 漢字\n\tx") == "é ✓ 漢字\n    x"
    assert one_line("a\nb", 9) == "a ⏎ b" and one_line("漢字漢字", 5) == "漢字…"


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        (share, 0.338, ".34"), (share, 1.0, "1.0"), (share, -0.05, "-.05"), (share, 0.0, ".00"), (share, None, "-"),
        (percent, 0.021, "2.1%"), (percent, 0.5, "50%"), (percent, float("nan"), "-"),
        (number, 0.006, "0.006"), (number, 214.3, "214"), (number, 0.61, "0.61"), (number, 1.6e-7, "2e-07"),
        (rate, 18_540, "18.5k"), (rate, 93.2, "93"), (clock, 8049, "02:14:09"),
        (span, 230, "3m50"), (span, 45, "45s"), (span, 7500, "2h05"), (span, None, "-"),
    ],
)  # fmt: skip
def test_numbers(form: object, value: float, expected: str) -> None:
    assert form(value) == expected  # type: ignore[operator]


def test_sparklines() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 20) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, 0, 7, 7], 2) == "▁█"
    assert sparkline([5, 5, 5], 9) == "▄▄▄"
    assert sparkline([0, None, 1], 9) == "▁ █"
    assert sparkline([float("nan")], 9) == " " and sparkline([], 9) == "" and sparkline([1.0], 0) == ""
    assert sparkline([0.5], 9, low=0.0, high=1.0) == "▅"
    assert len(sparkline(list(range(1000)), 13)) == 13
