"""What a run came to: the table at its end.

Held-out solve rates before and after with 95 % intervals and the paired gain; what the matches were about at first and
at last, from the games' notes; speed; and what to do next. `summarise` gives the numbers, `summary` the picture.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import chain, islice

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from selfplay.record.events import Event
from selfplay.record.facts import notes
from selfplay.record.intervals import Estimate, Marks, gain, level_rates, mean_rate
from selfplay.record.run import Run
from selfplay.types import Bill, Json, MatchRecord
from selfplay.watch.panels import marks_of
from selfplay.watch.words import inert, number, rate, share, span, sparkline

_SAMPLE = 1000
"""Matches looked at on each side of the comparison of notes."""
_KINDS = 6
"""Values of a note up to which each one gets its own share."""
_BINS = 8
"""Of a note's histogram; more would not fit into 80 columns."""


@dataclass(frozen=True)
class HeldOut:
    """Results on the fixed tasks at the first and the last canary."""

    before: dict[str, Estimate]
    """Level -> solve rate; the last entry, ``mean``, is over the levels."""
    after: dict[str, Estimate]
    gain: Estimate
    """Of the mean, paired by task."""
    tasks: int
    best_generation: int
    best: float


@dataclass(frozen=True)
class Summary:
    """The numbers of a run."""

    held_out: HeldOut | None
    notes: dict[str, tuple[list[Json], list[Json]]]
    """Note -> its values in the first and in the last matches."""
    matches: int
    moves: int
    tokens: int
    wall_s: float
    generate_share: float
    """Share of the wall time spent in generation, 0-1."""
    learn_share: float
    bill: Bill
    """What was asked of endpoints."""


def summarise(run: Run) -> Summary:
    """Read a run's numbers; works on unfinished runs too.

    Raises:
        RunError: a log is damaged.
    """
    lines = list(run.metrics())
    last = lines[-1] if lines else None
    wall = last["wall_s"] if last else 0.0
    timing = {key: sum(line["timing"][key] for line in lines) for key in ("generate_s", "learn_s")}
    return Summary(
        held_out=_held_out(list(run.events("canary"))),
        notes=_notes(run),
        matches=last["matches"] if last else 0,
        moves=last["moves"] if last else 0,
        tokens=last["tokens"] if last else 0,
        wall_s=wall,
        generate_share=timing["generate_s"] / wall if wall else 0.0,
        learn_share=timing["learn_s"] / wall if wall else 0.0,
        bill=run.bill(),
    )


def to_json(found: Summary) -> dict[str, Json]:
    """`found` as plain values, for ``--json``; notes as counts of their values."""
    held = found.held_out
    return {
        "held_out": held and {
            "before": {level: e._asdict() for level, e in held.before.items()},
            "after": {level: e._asdict() for level, e in held.after.items()},
            "gain": held.gain._asdict(),
            "tasks": held.tasks,
            "best": {"generation": held.best_generation, "mean": held.best},
        },
        "notes": {
            name: {"first": _counts(first), "last": _counts(last)} for name, (first, last) in found.notes.items()
        },
        "matches": found.matches,
        "moves": found.moves,
        "tokens": found.tokens,
        "wall_s": found.wall_s,
        "moves_per_s": found.moves / found.wall_s if found.wall_s else None,
        "tokens_per_s": found.tokens / found.wall_s if found.wall_s else None,
        "generate_share": found.generate_share,
        "learn_share": found.learn_share,
        "bill": asdict(found.bill),
    }  # fmt: skip


def summary(run: Run) -> RenderableType:
    """The end table of a run, ready for `rich.console.Console.print`."""
    found = summarise(run)
    parts: list[RenderableType] = [Text(f"{inert(run.info.name)}  {run.info.id}  {run.status()}", "bold"), Text()]
    if found.held_out is not None:
        parts += [_held_out_table(found.held_out), _verdict(found.held_out), Text()]
    if found.notes:
        parts += [_notes_table(found.notes), Text()]
    return Group(*parts, _speed(found), Text(), _next(run, found.held_out is not None))


def _held_out(canaries: list[Event]) -> HeldOut | None:
    if not canaries:
        return None
    first, last = _paired(marks_of(canaries[0]), marks_of(canaries[-1]))
    best = max(canaries, key=lambda event: event["mean"])
    return HeldOut(
        before={**level_rates(first), "mean": mean_rate(first)},
        after={**level_rates(last), "mean": mean_rate(last)},
        gain=gain(first, last),
        tasks=sum(map(len, first.values())),
        best_generation=best["generation"],
        best=best["mean"],
    )


def _paired(first: Marks, last: Marks) -> tuple[Marks, Marks]:
    """Both cut to the tasks they share: canaries take the first so many of a fixed order."""
    sizes = {level: min(len(first[level]), len(last[level])) for level in first if level in last}
    return tuple({level: marks[level][:size] for level, size in sizes.items()} for marks in (first, last))  # type: ignore[return-value]


def _notes(run: Run) -> dict[str, tuple[list[Json], list[Json]]]:
    """Values of each note in the first and the last tenth of the generations."""
    numbers = [event["generation"] for event in run.events("generation_closed")]
    tenth = max(1, len(numbers) // 10)
    if len(numbers) < 2:
        return {}
    first, last = (_values(chain.from_iterable(map(run.matches, part))) for part in (numbers[:tenth], numbers[-tenth:]))
    return {name: (first[name], last[name]) for name in first if name in last}


def _values(records: Iterable[MatchRecord]) -> dict[str, list[Json]]:
    """Note -> its values, in matches whose task the players made themselves (in all, if there are none of these)."""
    sample = list(islice(records, _SAMPLE))
    own = [record for record in sample if not record.pairing.task.source]
    found: dict[str, list[Json]] = {}
    for record in own or sample:
        for name, value in notes(record).items():
            if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
                found.setdefault(name, []).append(value)
    return found


def _held_out_table(held: HeldOut) -> Table:
    table = Table(title=f"held-out solve rate, {held.tasks} fixed tasks, 95% intervals", title_justify="left")
    for name in ("level", "before", "after", "change"):
        table.add_column(name, justify="left" if name == "level" else "right")
    for level, before in held.before.items():
        after = held.after[level]
        style = "bold" if level == "mean" else ""
        change = f"{after.value - before.value:+.3f}"
        table.add_row(Text(inert(level)), _estimate(before), _estimate(after), change, style=style)
    return table


def _estimate(estimate: Estimate) -> str:
    return f"{share(estimate.value)} ({share(estimate.low)} to {share(estimate.high)})"


def _verdict(held: HeldOut) -> Text:
    low, high = held.gain.low, held.gain.high
    numbers = f"gain of the mean {held.gain.value:+.3f}, 95% interval {low:+.3f} to {high:+.3f} (paired by task): "
    if low > 0:
        text = Text(numbers).append("it got better", "bold green")
    elif high < 0:
        text = Text(numbers).append("it got worse", "bold red")
    else:
        text = Text(numbers).append("no difference that these tasks could show", "bold yellow")
    if held.best > held.after["mean"].value:
        when = f"after generation {held.best_generation}" if held.best_generation >= 0 else "at the start"
        text.append(f"\nbest was {share(held.best)} {when}")
    return text


def _notes_table(found: Mapping[str, tuple[list[Json], list[Json]]]) -> Table:
    table = Table(title="what the matches were about", title_justify="left")
    for name in ("note", "first generations", "last generations"):
        table.add_column(name)
    for name, (first, last) in found.items():
        table.add_row(Text(inert(name)), *_compare(first, last))
    return table


def _compare(first: list[Json], last: list[Json]) -> tuple[Text, Text]:
    """Both sides in the same form: shares of a few values, or mean and histogram of many numbers."""
    both = [*first, *last]
    kinds = sorted(set(both), key=lambda value: (isinstance(value, str), value))
    numeric = all(not isinstance(value, str) for value in both)
    if len(kinds) <= _KINDS and not any(isinstance(value, float) for value in both):
        return _shares(first, kinds), _shares(last, kinds)
    if numeric:
        return _spread(first, min(both), max(both)), _spread(last, min(both), max(both))
    top = [value for value, _ in Counter(both).most_common(3)]
    return _shares(first, top), _shares(last, top)


def _shares(values: list[Json], kinds: list[Json]) -> Text:
    counts = Counter(values)
    return Text("  ".join(f"{inert(str(kind))}: {100 * counts[kind] / len(values):.0f}%" for kind in kinds))


def _spread(values: list[Json], low: float, high: float) -> Text:
    bins = [0] * _BINS
    for value in values:
        bins[min(_BINS - 1, int(_BINS * (value - low) / ((high - low) or 1)))] += 1
    picture = sparkline([float(count) for count in bins], _BINS, low=0.0)
    return Text(f"mean {number(sum(values) / len(values)):>5}  {number(low)} {picture} {number(high)}")


def _counts(values: list[Json]) -> dict[str, int]:
    return {str(value): count for value, count in Counter(values).most_common(20)}


def _speed(found: Summary) -> Text:
    if not found.wall_s:
        speed = Text("no update was finished", "yellow")
    else:
        speed = Text(
            f"{found.matches:,} matches, {found.moves:,} moves, {found.tokens:,} tokens in {span(found.wall_s)}: "
            f"{rate(found.moves / found.wall_s)} moves/s, {rate(found.tokens / found.wall_s)} tokens/s "
            f"({100 * found.generate_share:.0f}% of the time generating, {100 * found.learn_share:.0f}% learning)"
        )
    return speed.append(f"\n{found.bill}") if found.bill else speed


def _next(run: Run, examined: bool) -> Text:
    name, game = run.folder.handle, inert(run.info.game)
    text = Text(f"everything is in {run.path}\n").append("what next\n", "bold")
    steps = [
        (f"selfplay watch {name}", "the curves again"),
        (f"selfplay show {name}/last", "the last match, move by move"),
        (f"selfplay export {name} --to parquet", "every move as a table"),
    ]
    if run.snapshots:
        steps.append((f"selfplay snapshot export {name}@best DIR", "the model as a Hugging Face folder"))
        if examined:
            steps.append((f"selfplay eval {name}@best --game {game}", "a longer exam"))
    width = max(len(command) for command, _ in steps)
    for command, what in steps:
        text.append(f"  {command.ljust(width)}", "cyan").append(f"   {what}\n")
    text.rstrip()
    return text
