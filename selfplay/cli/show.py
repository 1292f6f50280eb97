"""`selfplay show`: a run, or one of its matches."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from selfplay.cli import screen
from selfplay.cli.commands import JsonFlag, Root, command, new_app
from selfplay.errors import UsageError
from selfplay.record import Run, open_run
from selfplay.types import Ending, Json, MatchRecord

app = new_app()

_MATCH = re.compile(r"g\d+-m\d+|last")
TASKS = 10
"""Published tasks that are listed."""


@command(
    app,
    examples=("selfplay show last", "selfplay show 3f2a/g0003-m0012 --as solver --tokens"),
    more="RUN/last is the match that ended last. `selfplay watch RUN` draws the curves.",
)
def show(
    what: Annotated[str, typer.Argument(metavar="RUN[/MATCH]", help="A run, or a match such as 3f2a/g0003-m0012.")],
    seat: Annotated[str | None, typer.Option("--as", metavar="SEAT", help="Only what this seat saw and said.")] = None,
    tokens: Annotated[bool, typer.Option("--tokens", help="Also token ids and log-probabilities.")] = False,
    root: Root = Path("runs"),
    json: JsonFlag = False,
) -> None:
    """Show what a run has reached so far, or one of its matches move by move."""
    name, match = split_match(what)
    run = open_run(name, root)
    if match is None:
        if seat is not None or tokens:
            raise UsageError(f"--as and --tokens are about a match\n  for example: selfplay show {name}/last --tokens")
        _show_run(run, json)
        return
    record = find_match(run, match)
    if json:
        from selfplay.record.codec import to_json

        screen.json(to_json(record))
    else:
        from selfplay.watch.transcript import transcript

        screen.show(transcript(record, seat, tokens=tokens))


def split_match(what: str) -> tuple[str, str | None]:
    """``RUN/MATCH`` as run and match; a run alone, or the path of one, has no match."""
    run, slash, match = what.rstrip("/").rpartition("/")
    return (run, match) if slash and _MATCH.fullmatch(match) and not Path(what).is_dir() else (what, None)


def find_match(run: Run, match: str) -> MatchRecord:
    """A match of a run by its id or the word ``last``.

    Raises:
        UnknownName: there is no such match.
        UsageError: there is no match at all yet.
    """
    if match != "last":
        return run.match(match)
    record = run.last_match()
    if record is None:
        raise UsageError(f"run {run.path.name} has no matches yet")
    return run.match(record.id)


def _show_run(run: Run, json: bool) -> None:
    from selfplay.watch.summary import summarise, summary, to_json

    tasks, errors = list(_tasks(run))[-TASKS:], _errors(run)
    if json:
        info = run.info
        about = {"run": info.id, "name": info.name, "path": str(run.path), "game": info.game, "status": run.status()}
        screen.json({**about, **to_json(summarise(run)), "tasks": tasks, "errors": errors})
        return
    screen.show(summary(run))
    if tasks:
        screen.show(f"\nlast {len(tasks)} tasks that matches published", style="bold")
        rows = [(t["match"], t["source"], t["key"], _rate(t)) for t in tasks]
        screen.show(screen.table(("match", "source", "task", "solved"), rows, right=("solved",)))
    if errors:
        screen.show("\nerrors", style="bold red")
        rows = [(e["count"], e["where"], e["first"], e["text"].splitlines()[0]) for e in errors]
        screen.show(screen.table(("times", "where", "first", "what"), rows, right=("times",)))


def _tasks(run: Run) -> Iterator[dict[str, Json]]:
    """What the matches of the last generation published, oldest first."""
    for generation in run.generations[-1:]:
        for record in run.matches(generation):
            for fact in record.facts:
                if fact.kind == "publish":
                    keys = ("source", "key", "item", "solved", "of")
                    yield {"match": record.id, **{key: fact.data[key] for key in keys}}


def _rate(task: dict[str, Json]) -> str:
    return "-" if not task["of"] else f"{task['solved'] or 0:g} of {task['of']}"


def _errors(run: Run) -> list[dict[str, Json]]:
    """Errors by their text, the most frequent first: of matches, and those that the run logged."""
    found: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], str] = {}
    for record in run.matches(settled=False):
        if record.ending is Ending.ERROR:
            found["match", record.error or ""] += 1
            first.setdefault(("match", record.error or ""), record.id)
    for event in run.events("error"):
        key = (event["where"], event["text"])
        if event["where"] != "match":
            found[key] += 1
            first.setdefault(key, event["match"] or event["log"] or "")
    return [{"count": n, "where": key[0], "first": first[key], "text": key[1]} for key, n in found.most_common()]
