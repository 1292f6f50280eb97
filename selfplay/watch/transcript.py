"""One match as a transcript: who was told what, what they replied, how it was judged, and how it ended.

The whole match, as a reader who sits above the table sees it; or with `as_seat` only what that seat saw. Model text is
shown inert (see `selfplay.watch.words`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from selfplay.errors import UnknownName
from selfplay.record.facts import verdicts
from selfplay.types import Fact, Json, MatchRecord, Move, Path
from selfplay.watch.words import inert, number, one_line

_OUTCOMES = {"pass": "✓ pass", "fail": "✗ fail"}
_INDENT = (0, 0, 0, 12)

Checks = Mapping[str, list[Mapping[str, Json]]]
"""Move id -> what checks said about it."""


def transcript(record: MatchRecord, as_seat: str | None = None, *, tokens: bool = False) -> RenderableType:
    """The match, ready for `rich.console.Console.print`.

    Args:
        record: settled or not; rewards are shown as they stand in it.
        as_seat: only what this seat was told and replied.
        tokens: also each reply's token ids and log-probabilities.

    Raises:
        UnknownName: no such seat.
    """
    seats = record.pairing.seats
    if as_seat is not None and as_seat not in seats:
        raise UnknownName("seat", as_seat, seats, f"seats of match {record.id}")
    checks = verdicts(record)
    parts: list[RenderableType] = [_header(record, as_seat), Text()]
    for item in _in_order(record):
        if isinstance(item, list):
            if as_seat in (None, item[0].seat):
                learns = record.pairing.learns.get(item[0].seat, False)
                parts += _ask(item, checks if as_seat is None else None, tokens, learns)
        elif as_seat is None and item.kind != "check":
            parts.append(_fact(item))
    return Group(*parts, *([] if as_seat else [Text(), _ending(record)]))


def _header(record: MatchRecord, as_seat: str | None) -> Text:
    pairing = record.pairing
    text = Text(f"match {record.id}", "bold").append(f"   {inert(pairing.game)}   generation {pairing.generation}", "")
    if as_seat is not None:
        return text.append(f"   as {as_seat} saw it", "yellow")
    text.append(f"   seed {pairing.seed}")
    if pairing.replica:
        text.append(f"   replica {pairing.replica}")
    if pairing.task.source or pairing.task.data is not None:
        text.append(f"\n  task from {inert(pairing.task.source) or '?'}: {_json(pairing.task.data, 160)}")
    for seat, player in pairing.seats.items():
        learns = "   does not learn" if any(pairing.learns.values()) and not pairing.learns.get(seat) else ""
        text.append(f"\n  {seat}", "cyan").append(f" = {inert(player)}").append(learns, "dim")
    return text


def _in_order(record: MatchRecord) -> Iterator[list[Move] | Fact]:
    """Facts, and the moves of one ask together, in playing order."""
    items: list[tuple[Path, Move | Fact]] = [(fact.path, fact) for fact in record.facts]
    items += [(_path(move), move) for move in record.moves]  # a note has the path of the step that follows it
    items.sort(key=lambda pair: pair[0])
    for key, group in groupby((item for _, item in items), key=_ask_key):
        found = list(group)
        if key is None:
            yield from (item for item in found if isinstance(item, Fact))
        else:
            yield [item for item in found if isinstance(item, Move)]


def _ask_key(item: Move | Fact) -> tuple[Json, ...] | None:
    if isinstance(item, Fact):
        return None
    return (item.seat, item.parent.id if item.parent else None, item.messages)


def _path(move: Move) -> Path:
    return tuple(int(part) for part in move.id.split("."))


def _ask(moves: list[Move], checks: Checks | None, tokens: bool, seat_learns: bool) -> list[RenderableType]:
    """Prompt and replies; with `checks` also what became of each reply, which its seat never sees."""
    first = moves[0]
    head = Text(f"{first.seat}", "bold cyan")
    if first.tag:
        head.append(f"  [{inert(first.tag)}]", "cyan")
    if first.parent is not None:
        head.append(f"  goes on from {first.parent.id}", "dim")
    if first.secret:
        head.append("  secret prompt", "yellow")
    parts: list[RenderableType] = [head]
    for message in first.messages:
        parts.append(_block(f"{message.role:>9} │ ", message.text, "dim"))
    for move in moves:
        parts.append(_block(f"{move.id:>9} ▸ ", move.text, "bold"))
        if checks is not None:
            parts.append(Padding(_judged(move, checks.get(move.id, []), seat_learns), _INDENT, expand=False))
        if tokens and move.completion.token_ids is not None:
            parts.append(Padding(_tokens(move), _INDENT, expand=False))
    return parts


def _judged(move: Move, checks: list[Mapping[str, Json]], seat_learns: bool) -> Text:
    facts = Text()
    if move.foul is not None:
        facts.append(f"✗ foul: {one_line(move.foul, 100)}   ", "red")
    for check in checks:
        outcome = str(check.get("outcome", ""))
        word = _OUTCOMES.get(outcome, f"? {inert(outcome)}")
        detail = " ".join(inert(str(check[key])) for key in ("status", "detail") if check.get(key))
        facts.append(f"{word} {one_line(detail, 80)}".rstrip() + "   ", "green" if outcome == "pass" else "red")
    if move.why_masked:
        facts.append(f"masked: {inert(move.why_masked)}   ", "yellow")
    elif move.reward is not None:
        facts.append(f"reward {number(move.reward)}   ", "green" if move.reward > 0 else "")
    count = move.completion.token_ids
    return facts.append(f"{'' if count is None else f'{len(count)} tokens   '}{_notes(move, seat_learns)}", "dim")


def _notes(move: Move, seat_learns: bool) -> str:
    marks = [move.player]
    if move.completion.token_ids is not None:
        marks.append(f"weights {move.completion.weights_version}")
    if move.completion.finish_reason == "length":
        marks.append("cut off at the length limit")
    if seat_learns and not move.learn:
        marks.append("not learned from")
    if move.keep:
        marks.append("kept")
    return inert("   ".join(marks))


def _tokens(move: Move) -> Text:
    ids, logprobs = move.completion.token_ids, move.completion.logprobs
    assert ids is not None
    pairs = [f"{token}" if logprobs is None else f"{token}:{logprobs[i]:.3f}" for i, token in enumerate(ids)]
    return Text("id:logprob  " + "  ".join(pairs), "dim")


def _fact(fact: Fact) -> RenderableType:
    data = fact.data
    if fact.kind == "tell":
        return _block(f"   to {', '.join(data['seats'])}: ", data["text"], "magenta")
    if fact.kind == "secret":
        return _block(f"   known to {data['seat']} alone: ", data["text"], "yellow")
    if fact.kind == "show":
        return Padding(Text(inert(data["text"]), "bold white"), (0, 0, 0, 4), expand=False)
    text = "   ".join(f"{inert(key)}={_json(value, 120)}" for key, value in data.items() if value is not None)
    return Text(f"   {fact.kind}: {text}", "dim")


def _ending(record: MatchRecord) -> Text:
    if record.error:
        return Text(f"ended as an error: {inert(record.error)}", "bold red")
    forfeit = f"   {record.forfeit} forfeits" if record.forfeit else ""
    if record.result is None:
        return Text(f"no result{forfeit}", "bold")
    scores = "   ".join(f"{seat} {number(score)}" for seat, score in record.result.items())
    return Text(f"result: {scores}{forfeit}", "bold")


def _block(head: str, text: str, style: str) -> RenderableType:
    """`text` with `head` before its first line and an indent before the others, also where a line is folded."""
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(head, "dim"), Text(inert(text), style))
    return grid


def _json(value: Json, width: int) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return one_line(json.dumps(value, ensure_ascii=False), width)
