"""The checks, one function each. They look at matches that were played at a `Table` and report what is wrong."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from selfplay.alarm import Alarm
from selfplay.check.report import Finding, Report
from selfplay.check.table import Played, Table, last_come
from selfplay.check.voices import Canary, Legal, spoiled
from selfplay.driver import describe
from selfplay.errors import GameError
from selfplay.game import Foul, Game
from selfplay.record.codec import dumps, loads
from selfplay.replay import first_difference, replay
from selfplay.types import Ending, MatchRecord, Move, Outcome

_MANY = 20
"""Differences and leaks are counted in so many matches at most; more would say the same."""


def errors(played: Sequence[Played], report: Report, replies: str) -> None:
    """Matches that ended as errors."""
    for match in played:
        if (error := match.record.error) is None:
            continue
        kind, fix = "plays", "make `play` end without an exception, whatever the replies"
        if error.startswith("GameHung"):
            kind, fix = "ends", "await a match verb in every loop, and bound the loop"
        elif error.startswith("GameEndless"):
            kind, fix = "ends", "bound the number of turns"
        elif error.startswith("NoVerdict"):
            fix = "look at verdict.outcome before asking the verdict for its truth"
        elif replies == "hostile":
            kind, fix = "fouls", "let the parser raise Foul, and expect value=None among n replies"
        text = f"with {replies} replies the match ended as an error: {error}"
        report.add(place(error), Finding(kind, match.seed, _last(match.record), text, fix))


def chance(played: Sequence[Played], report: Report) -> None:
    """Chance, clocks and environment that a replay cannot know."""
    for match in played:
        for what, where, step in match.offences:
            if "never awaited" in what:
                finding = Finding("plays", match.seed, step, f"{what}: its result was thrown away", "write `await`")
            else:
                text = f"`play` used {what}{' at ' + where if where else ''}, which no replay can know"
                fix = "take chance from match.rng and everything else from the task"
                finding = Finding("chance", match.seed, step, text, fix)
            report.add(what + where, finding)


def seeds(first: Sequence[Played], again: Sequence[Played], report: Report) -> None:
    """The same seed gives the same match, and different seeds do not all give the same one."""
    for one, two in zip(first, again, strict=True):
        if found := first_difference(one.record, two.record):
            text = f"the same seed, task and replies gave another match the second time: {found.text}"
            fix = "keep nothing on self, the class or the module between matches; take chance from match.rng only"
            report.add("", Finding("seed", one.seed, found.move, text, fix))
    told = {tuple(move.messages for move in match.record.moves) for match in first}
    if len(first) > 1 and len(told) == 1 and any(match.used_chance for match in first):
        report.note("match.rng is used, but every seed told every seat the same: its effect was not seen")


def order(first: Sequence[Played], table: Table, legal: Legal, report: Report) -> None:
    """Replies that arrive in another order give the same matches."""
    numbers = [match.seed for match in first]
    shuffle = random.Random(0)
    for name, pick, arranged in (
        ("the last ask answered first", last_come, numbers),
        ("in random order", shuffle.randrange, numbers),
        ("in random order, matches reversed", shuffle.randrange, numbers[::-1]),
    ):
        by_seed = {match.seed: match for match in table.together(arranged, legal, pick)}
        for match in first:
            if found := first_difference(match.record, by_seed[match.seed].record):
                text = f"the match depends on which reply comes first ({name}): {found.text}"
                fix = "let branches of match.gather return their results, and share nothing between branches or matches"
                report.add("", Finding("order", match.seed, found.move, text, fix))


def rewards(played: Sequence[Played], report: Report) -> None:
    """Every learning move is rewarded, or masked on purpose."""
    for match in played:
        if match.record.ending is not Ending.OK:
            continue
        for move in match.record.moves:
            decided = move.id in match.touched or move.foul is not None or move.why_masked is not None
            if move.learn and not decided:
                name = f"{move.role}{f' [{move.tag}]' if move.tag else ''}"
                text = f"a move of {name} was neither rewarded nor masked, so nothing is learned from it"
                fix = "set move.reward (None masks it), use match.pay, or ask with learn=False"
                report.add(name, Finding("rewards", match.seed, move.id, text, fix))


def results(played: Sequence[Played], game: Game, report: Report) -> None:
    """Results stay within `Game.result_range`, and add up to 0 where the game says so."""
    low, high = game.result_range
    for match in played:
        if (result := match.record.result) is None:
            continue
        for seat, score in result.items():
            if not low <= score <= high:
                text = f"the result of {seat} is {score:g}; result_range is {low:g} to {high:g}"
                report.add(
                    seat, Finding("results", match.seed, _last(match.record), text, "scale it, or set result_range")
                )
        if game.zero_sum and abs(sum(result.values())) > 1e-6:
            text = f"the game says zero_sum, but the results add up to {sum(result.values()):g}"
            report.add("sum", Finding("results", match.seed, _last(match.record), text, "fix the scores or zero_sum"))
    if all(match.record.result is None for match in played):
        report.note("no match stated a result: ratings will have nothing to go by")


def replays(played: Sequence[Played], game: Game, report: Report) -> None:
    """Records can be written, and played again to the same bytes."""
    for match in played:
        try:
            kept = loads(dumps(match.record))
        except GameError as error:
            fix = "put plain JSON values into facts, tasks and tools"
            report.add("json", Finding("record", match.seed, _last(match.record), str(error), fix))
            continue
        if found := first_difference(kept, replay(kept, game)):
            text = f"the replay of the record is another match: {found.text}"
            fix = "let `play` depend on settings, task, seed and what match verbs give back, on nothing else"
            report.add("", Finding("replay", match.seed, found.move, text, fix))


def secrets(played: Sequence[Played], report: Report) -> None:
    """What was declared secret is in no other seat's prompts.

    A short secret ("7") may stand in a prompt by coincidence. So a text counts as leaked where prompts hold the
    secret of their own match clearly more often than the secrets of other matches.
    """
    declared = [(match, seat, text) for match in played for seat, text in _secrets_of(match.record)]
    if not declared:
        report.note("no secret was declared (match.secret, ask(secret=True)): leaks were not looked for")
        return
    for owner in sorted({seat for _, seat, _ in declared}):
        mine = [(match, text) for match, seat, text in declared if seat == owner]
        leaks = [(match, text, move) for match, text in mine if (move := _shown(text, match.record, owner))]
        pairs = [(a, text) for a, _ in mine for b, text in mine[:_MANY] if a is not b and not _has(a, owner, text)]
        by_chance = sum(_shown(text, match.record, owner) is not None for match, text in pairs) / max(1, len(pairs))
        if len(leaks) > 2.5 * by_chance * len(mine):
            for match, text, move in leaks:
                words = f"the secret {text!r:.60} of {owner} is in a prompt of {move.seat}"
                fix = "tell it to nobody else, or do not declare it secret"
                report.add(owner, Finding("secrets", match.seed, move.id, words, fix))


def raw_replies(played: Sequence[Played], canary: Canary, report: Report) -> None:
    """What parsers drop from a reply reaches no other seat."""
    for match in played:
        for move in match.record.moves:
            prompt = _prompt(move)
            for seat in match.record.pairing.seats:
                if seat != move.seat and canary.mark(seat) in prompt:
                    text = f"text of {seat} that its parser had dropped is in a prompt of {move.seat}"
                    fix = "pass on move.value, not move.text"
                    report.add(seat, Finding("replies", match.seed, move.id, text, fix))


def parsers(played: Sequence[Played], game: Game, alarm: Alarm, report: Report) -> None:
    """Parsers raise `Foul` and nothing else."""
    for role in game.roles.values():
        moves = [(match, move) for match in played for move in match.record.moves if move.role == role.name]
        if not moves:
            report.note(f"{role.name} was never asked anything")
        texts = dict.fromkeys(text for _, move in moves[:_MANY] for text in spoiled(move.text))
        for text in texts or spoiled("1"):
            try:
                alarm.guard(role.parse, text)
            except Foul:
                continue
            except Exception as error:
                seed, at = (moves[0][0].seed, moves[0][1].id) if moves else (None, "")
                said = describe(error)
                words = (
                    f"the parser of {role.name} raised {said[:200]} on the reply {text!r:.60}; only Foul may be raised"
                )
                fix = "catch what parsing may raise and raise Foul, saying why"
                report.add(place(said), Finding("fouls", seed, at, words, fix))


def place(error: str) -> str:
    """The innermost line named in an error text, or the text."""
    found = re.search(r"([^\s(]+:\d+ in \S+)\)$", error)
    return found[1] if found else error


def _last(record: MatchRecord) -> str:
    return record.moves[-1].id if record.moves else ""


def _prompt(move: Move) -> str:
    return "\n".join(message.text for message in move.messages if message.role == "user")


def _secrets_of(record: MatchRecord) -> Iterator[tuple[str, str]]:
    """Seat -> what only it may see."""
    for fact in record.facts:
        if fact.kind == "secret" and fact.data["text"]:
            yield fact.data["seat"], fact.data["text"]
    for move in record.moves:
        if move.secret and (prompt := _prompt(move)):
            yield move.seat, prompt


def _has(match: Played, owner: str, text: str) -> bool:
    return (owner, text) in set(_secrets_of(match.record))


def _shown(text: str, record: MatchRecord, owner: str) -> Move | None:
    """The first move of another seat whose prompt holds `text` as whole words, which the seat had not said itself."""
    pattern = re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")
    said: dict[str, list[str]] = {}
    for move in record.moves:
        if move.seat == owner:
            continue
        if pattern.search(_prompt(move)) and not any(pattern.search(own) for own in said.get(move.seat, ())):
            return move
        said.setdefault(move.seat, []).append(move.text)
    return None


def undecided(played: Sequence[Played], report: Report) -> None:
    """Checks that could not tell were not exercised for what they are."""
    for match in played:
        for fact in match.record.facts:
            if fact.kind == "check" and fact.data["outcome"] == Outcome.NO_VERDICT:
                text = f"a check could not tell: {fact.data['detail']:.200}"
                at = ".".join(map(str, fact.path))
                report.add(place(fact.data["detail"]), Finding("plays", match.seed, at, text, "make the checker total"))
