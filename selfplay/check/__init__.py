"""The conformance suite: does a game keep the rules that everything else relies on?

    report = check_game(MyGame)
    assert report.ok, report.findings

A match must be a function of the game's settings, its task, its seed, and the replies, verdicts and tool results; of
nothing else. The suite plays scripted matches (`voices`), looks over the script's shoulder (`watch`), lets replies
arrive in every order (`table`), and compares (`checks`). Each finding names the seed and the move that show it.

It does not learn, rate or print, and it proves nothing about what it could not exercise: `Report.notes` says what.
"""

from __future__ import annotations

from collections.abc import Sequence

from selfplay.alarm import Alarm
from selfplay.check import checks
from selfplay.check.report import Finding, Report
from selfplay.check.table import Played, Table
from selfplay.check.voices import Canary, Hostile, Legal
from selfplay.driver import Limits, describe
from selfplay.errors import SelfplayError, UsageError
from selfplay.game import Game
from selfplay.types import Json

__all__ = ["Finding", "Report", "check_game"]

LIMITS = Limits(step_s=2.0)


def check_game(
    game: type[Game] | Game, seeds: int = 20, *, tasks: Sequence[Json] = (None,), limits: Limits = LIMITS
) -> Report:
    """Try the game with `seeds` seeds, several times over.

    Args:
        game: a class is tried with its default settings.
        tasks: inputs of the matches, used in turn.
        limits: when a match is given up; the suite waits that long for a game that hangs.

    Raises:
        UsageError: no seeds or no tasks.
    """
    if seeds < 1 or not tasks:
        raise UsageError(f"check_game needs at least one seed and one task; got seeds={seeds}, {len(tasks)} tasks")
    instance = game() if isinstance(game, type) else game
    report = Report(instance.name(), seeds)
    with Alarm(limits.step_s) as alarm:
        if not alarm.active:
            report.note("a game that hangs cannot be stopped here: not the main thread, or SIGALRM is in use")
        table = Table(instance, limits, alarm, tasks)
        _check(table, range(seeds), alarm, report)
        if not _gave_up(report):
            _check_exam(instance, limits, alarm, report)
    report.matches, report.moves = table.matches, table.moves
    return report


def _check(table: Table, seeds: range, alarm: Alarm, report: Report) -> None:
    game = table.game
    try:
        game.settings()
    except SelfplayError as error:
        report.add("", Finding("settings", None, "", str(error), "let settings be plain JSON values"))
        return
    legal = Legal(game, alarm)
    first = _play_first(table, seeds, legal, report)
    if _gave_up(report):
        report.note("the other checks were left out: matches do not end")
        return
    checks.chance(first, report)
    checks.undecided(first, report)
    checks.seeds(first, table.alone(seeds, legal), report)
    checks.order(first, table, legal, report)
    checks.parsers(first, game, alarm, report)
    hostile = table.alone(seeds, Hostile(legal))
    checks.errors(hostile, report, "hostile")
    canary = Canary(game, legal, alarm)
    marked = table.alone(seeds, canary)
    checks.raw_replies(marked, canary, report)
    for role in sorted(game.roles.keys() - canary.marked):
        report.note(f"leaks of raw replies of {role} were not looked for: its parser keeps or refuses a mark")
    checks.secrets([*first, *marked], report)
    for played in (first, hostile):
        _settle(played, game, report)
        checks.rewards(played, report)
    checks.results([*first, *hostile], game, report)
    checks.replays([*first, *hostile], game, report)
    report.note(f"legal replies came from: {legal.source}")
    for problem in legal.problems:
        report.note(problem)


def _play_first(table: Table, seeds: range, legal: Legal, report: Report) -> list[Played]:
    """The matches that everything is compared with; stops at the first that does not end."""
    first: list[Played] = []
    for seed in seeds:
        played = table.alone([seed], legal, watched=True)
        first += played
        checks.errors(played, report, "legal")
        if _gave_up(report):
            break
    return first


def _gave_up(report: Report) -> bool:
    return any(finding.check in ("ends", "settings") for finding in report.findings)


def _settle(played: list[Played], game: Game, report: Report) -> None:
    """`Game.settle` takes whatever matches there are, is pure, and decides the rewards of the moves that it names."""
    records = [match.record for match in played]
    by_id = {match.record.id: match for match in played}
    try:
        edits = list(game.settle(records))
        for edit in edits:
            by_id[edit.match].touched.add(edit.move)
        if edits != list(game.settle(records)):
            report.add("", Finding("settle", None, "", "settle gave other edits the second time", "keep settle pure"))
    except Exception as error:
        text = f"settle failed: {describe(error)}"
        report.add("", Finding("settle", None, "", text, "expect fouls, masked moves and matches that ended early"))


def _check_exam(game: Game, limits: Limits, alarm: Alarm, report: Report) -> None:
    """Matches on exam tasks end well and state a result in [0, 1] for the role that is examined."""
    exam = game.exam()
    if exam is None:
        report.note("the game offers no exam: progress cannot be measured on held-out tasks")
        return
    sat = type(game)(**{**game.settings(), **exam.settings})
    for level, tasks in exam.levels.items():
        table = Table(sat, limits, alarm, tasks[:2])
        played = table.alone(range(min(2, len(tasks))), Legal(sat, alarm))
        checks.errors(played, report, f"legal (exam level {level})")
        for match in played:
            seat = game.roles[exam.role].seats[0]
            score = (match.record.result or {}).get(seat)
            if match.record.ending is not match.record.ending.ERROR and not (score is not None and 0.0 <= score <= 1.0):
                text = f"on exam level {level} the result of {seat} is {score}; a number in [0, 1] was expected"
                report.add(level, Finding("exam", match.seed, "", text, "state match.result for the examined role"))
