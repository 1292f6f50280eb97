"""A match on paper: everything for the reader above the table, only its own view for a seat, nothing that acts."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console, RenderableType

from selfplay.errors import UnknownName
from selfplay.types import Ending, MatchRecord
from selfplay.watch.transcript import transcript

Make = Callable[..., MatchRecord]


def shown(thing: RenderableType) -> str:
    console = Console(width=120, file=io.StringIO())
    console.print(thing)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_whole_match_in_playing_order(match_of: Make) -> None:
    text = shown(transcript(match_of(2, 7, 1.0)))
    order = [
        "g0002-m0007", "seed 88220", "proposer = learner", "You are the proposer.", "0 ▸ ", "reward 0.50", "Numbers",
        "1.0 ▸ ", "✓ pass OK", "reward 1.00", "1.3 ▸ ", "✗ foul: not an expression", "note: size=", "board",
        "to solver: well done", "known to proposer alone: the witness", "result: solver 1.00",
    ]  # fmt: skip
    places = [text.find(word) for word in order]
    assert -1 not in places and places == sorted(places)
    assert text.count("Numbers") == 1, "siblings share their prompt"


def test_a_seat_sees_only_its_own_side(match_of: Make) -> None:
    text = shown(transcript(match_of(2, 7, 1.0), "solver"))
    assert "as solver saw it" in text and "Numbers" in text and "1.3 ▸ " in text
    for hidden in ("proposer", "witness", "reward", "foul", "pass", "seed", "result"):
        assert hidden not in text
    with pytest.raises(UnknownName, match="did you mean 'solver'"):
        transcript(match_of(2, 7, 1.0), "solverr")


def test_tokens_masks_and_bad_ends(match_of: Make) -> None:
    record = match_of(0, 0, 0.5)
    record.moves[1].mask("undecided")
    record.moves[1].completion.logprobs = None
    record.moves[2].completion.token_ids = None
    record.moves[2].learn, record.moves[2].keep = False, True
    record.ending, record.error = Ending.ERROR, "ValueError: \x1b[31mno"
    text = shown(transcript(record, tokens=True))
    assert "id:logprob  0:-0.500  1:-0.500" in text and "masked: undecided" in text
    assert "not learned from   kept" in text and "ended as an error: ValueError: ␛[31mno" in text
    record.error, record.forfeit, record.result = None, "solver", None
    assert "no result   solver forfeits" in shown(transcript(record))


def test_hostile_text_is_inert(match_of: Make, hostile: str) -> None:
    for seat in (None, "solver", "proposer"):
        text = shown(transcript(match_of(0, 0, 0.5, text=hostile), seat, tokens=True))
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", text)
        assert "␛[2J␛]0;owned␇[bold red]x[/] [/nope] <script>" in text
