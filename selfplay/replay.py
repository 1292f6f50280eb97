"""Playing a match again from its record: the same, under another reward rule, or differently from some move on.

    replay    the same game, replies, verdicts and tool results: gives the same record, or the game hides something
    rescore   the same replies to a game with other rewards
    fork      the same up to a move, live from there

A match is a function of its settings, task, seed, and the recorded replies, verdicts and tool results, so none of these
needs a model, and only `fork` asks one. Nothing here reads or writes files: records come from `selfplay.record`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from selfplay.alarm import Alarm
from selfplay.arena import Arena
from selfplay.driver import Driver, Limits, Recorded, ask_of
from selfplay.errors import GameError, UnknownName
from selfplay.game import Game
from selfplay.match import path_of
from selfplay.record.codec import to_json
from selfplay.steps import Ask
from selfplay.types import Completion, Json, MatchRecord, Message, Move, Outcome, Path, Player, Verdict

LIMITS = Limits()


class Difference(NamedTuple):
    """Where two records of a match part."""

    move: str
    """Id of the move, or the path of the fact; empty where it is neither."""
    text: str
    """What differs, in words."""


def replay(record: MatchRecord, game: Game | type[Game], limits: Limits = LIMITS) -> MatchRecord:
    """Play the match again from its record alone: no policy, no service, no checker is asked.

    Args:
        game: with the settings it has, or a class, which gets the record's settings.

    Returns:
        What came of it; `difference(record, ...)` is `None` for a game that keeps the rules.
    """
    driver, alarm = _driver(record, game, limits, recorded(record), _no_service)
    with alarm:
        asks = driver.advance()
        driver.fail(record.error or f"the record has no reply for {_name(asks)}")
    return _ended(driver)


def rescore(record: MatchRecord, game: Game | type[Game], limits: Limits = LIMITS) -> MatchRecord:
    """The match under another reward rule: same replies, and what `game` makes of them now.

    An ask gets the replies that its seat gave after the same conversation, and a call the results that the same call
    had; so the rule may note, show and check more or less than before. Checks are made anew. A match that now asks what
    was never asked ends as an error that says so; `fork` it instead.
    """
    replies = _replies_by_conversation(record)
    driver, alarm = _driver(record, game, limits, Recorded(), _earlier_calls(record))
    with alarm:
        while asks := driver.advance():
            for ask in asks:
                known = replies.get(_asked(ask.seat, ask.parent, ask.messages, ask.n if ask.siblings else None))
                if known:
                    driver.answer(ask, known.pop(0))
                else:
                    driver.fail(f"{_name([ask])} was never asked this in the recorded match; fork it to ask now")
    return _ended(driver)


def fork(
    record: MatchRecord,
    at: str,
    game: Game | type[Game],
    players: Mapping[str, Player],
    *,
    sampling_seed: int | None = None,
) -> MatchRecord:
    """Play the match again up to move `at`, and live from there on.

    Everything before `at` in path order is reused (of parallel branches: the earlier ones); `at` itself, with its
    siblings, is asked anew.

    Args:
        at: a move's id.
        players: must have those that the record's pairing names.
        sampling_seed: another one gives other replies of the same players; the record's own may repeat what it was.

    Raises:
        UnknownName: the record has no such move, or a player is missing.
    """
    known = {move.id: move for move in record.moves}
    if at not in known:
        raise UnknownName("move", at, known, f"of match {record.id}")
    pairing = record.pairing
    if sampling_seed is not None:
        pairing = replace(pairing, sampling_seed=sampling_seed)
    before = {record.id: recorded(record, before=ask_of(at)[0])}
    with Arena({pairing.game: _instance(game, record)}, players, recorded=before) as arena:
        return next(arena.play([pairing]))


def recorded(record: MatchRecord, before: Path | None = None) -> Recorded:
    """A record's replies, verdicts and tool results by path; those `before` a path only, if one is given."""
    replies: dict[Path, list[Completion]] = {}
    for move in record.moves:
        path, _ = ask_of(move.id)
        if before is None or path < before:
            replies.setdefault(path, []).append(move.completion)
    facts = [fact for fact in record.facts if before is None or fact.path < before]
    return Recorded(
        replies,
        {fact.path: _verdict(fact.data) for fact in facts if fact.kind == "check"},
        {fact.path: fact.data["result"] for fact in facts if fact.kind == "call"},
    )


def difference(one: MatchRecord, other: MatchRecord) -> str | None:
    """The first thing in which two records of a match differ, in words; `None` if they are the same byte for byte."""
    found = first_difference(one, other)
    return None if found is None else found.text


def first_difference(one: MatchRecord, other: MatchRecord) -> Difference | None:
    """Like `difference`, with the place."""
    return next(_differences(to_json(one), to_json(other)), None)


def _differences(one: dict[str, Json], other: dict[str, Json]) -> Iterator[Difference]:
    for first, second in zip(one["moves"], other["moves"], strict=False):
        for key in first:
            if first[key] != second[key]:
                where = first["id"]
                yield Difference(where, f"move {where} ({first['seat']}): {_change(key, first[key], second[key])}")
    for first, second in zip(one["facts"], other["facts"], strict=False):
        if first != second:
            where = ".".join(map(str, first[0]))
            yield Difference(where, f"{first[1]} at {where}: {_change('it', first, second)}")
    for kind in ("moves", "facts"):
        counts = len(one[kind]), len(other[kind])
        if counts[0] != counts[1]:
            extra = (one if counts[0] > counts[1] else other)[kind][min(counts)]
            where = extra["id"] if kind == "moves" else ".".join(map(str, extra[0]))
            yield Difference(where, f"{counts[0]} {kind}, then {counts[1]}: the first that is not in both is {where}")
    for key in ("config", "result", "ending", "forfeit", "error", "pairing"):
        if one[key] != other[key]:
            yield Difference("", _change(key, one[key], other[key]))


def _change(what: str, before: Json, after: Json) -> str:
    return f"{what} was {before!r:.200}, then {after!r:.200}"


def _driver(
    record: MatchRecord, game: Game | type[Game], limits: Limits, known: Recorded, tools: _Tools
) -> tuple[Driver, Alarm]:
    alarm, instance = Alarm(limits.step_s), _instance(game, record)
    services = {fact.data["tool"]: tools(fact.data["tool"]) for fact in record.facts if fact.kind == "call"}
    services |= {name: tools(name) for name in instance.tools}
    return Driver(instance, record.pairing, alarm, limits, recorded=known, tools=services), alarm


_Tool = Callable[[Json], Json]
_Tools = Callable[[str], _Tool]


def _no_service(name: str) -> _Tool:
    def refuse(args: Json) -> Json:
        raise GameError("this call is not in the record")

    return refuse


def _earlier_calls(record: MatchRecord) -> _Tools:
    """Tools that give each recorded result once, in order, to the call that it was the result of."""
    left = [fact.data for fact in record.facts if fact.kind == "call"]

    def tool(name: str) -> _Tool:
        def answer(args: Json) -> Json:
            for i, call in enumerate(left):
                if (call["tool"], call["args"]) == (name, args):
                    return left.pop(i)["result"]
            raise GameError("this call was not made in the recorded match")

        return answer

    return tool


def _replies_by_conversation(record: MatchRecord) -> dict[_Asked, list[list[Completion]]]:
    """What was asked -> the replies, one list per ask, in playing order."""
    asks: dict[Path, list[Move]] = {}
    for move in record.moves:
        asks.setdefault(ask_of(move.id)[0], []).append(move)
    found: dict[_Asked, list[list[Completion]]] = {}
    for path, moves in asks.items():
        first = moves[0]
        n = None if path_of(first.id) == path else len(moves)
        key = _asked(first.seat, first.parent, first.messages, n)
        found.setdefault(key, []).append([move.completion for move in moves])
    return found


_Asked = tuple[str, tuple[Message, ...], int | None]


def _asked(seat: str, parent: Move | None, messages: tuple[Message, ...], n: int | None) -> _Asked:
    """An ask, whatever its place in the match: the seat, all it has seen, and how many replies were wanted."""
    return seat, (*(parent.turn.conversation() if parent else ()), *messages), n


def _verdict(data: Mapping[str, Json]) -> Verdict:
    parts = tuple(data.get("parts", ()))
    return Verdict(Outcome(data["outcome"]), data["score"], data["status"], data["blame"], data["detail"], parts)


def _instance(game: Game | type[Game], record: MatchRecord) -> Game:
    return game(**record.config) if isinstance(game, type) else game


def _name(asks: list[Ask]) -> str:
    return ", ".join(f"move {'.'.join(map(str, ask.path))} ({ask.seat})" for ask in asks)


def _ended(driver: Driver) -> MatchRecord:
    assert driver.record is not None
    return driver.record
