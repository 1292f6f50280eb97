"""The pieces of the live view. Each takes a `RunState` and a width and gives lines of `rich.text.Text`.

Lines, not boxes: the view decides how many fit, puts panels side by side on a wide screen and below each other on a
narrow one. Colour is never the only signal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby

from rich.text import Text

from selfplay.record.events import Metrics, RoleMetrics
from selfplay.record.intervals import Estimate, Marks, level_rates, mean_rate
from selfplay.types import Json, MatchRecord
from selfplay.watch.state import RunState
from selfplay.watch.words import clock, inert, number, one_line, percent, rate, share, span, sparkline

Lines = list[Text]

_STATUS = {
    "running": "bold green",
    "done": "bold green",
    "stopped": "bold yellow",
    "failed": "bold red",
    "killed": "bold red",
}
_LABEL = 11
_ROWS: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("reward", "reward_mean", share),
    ("fouls", "foul_rate", percent),
    ("length", "length", number),
    ("entropy", "entropy", number),
    ("KL", "kl", number),
    ("all equal", "zero_variance_share", percent),
    ("masked", "masked_share", percent),
)


def headline(state: RunState, width: int) -> Text:
    """Which run, how far, how fast."""
    info = state.info
    number_now = state.generation if state.generation is not None else 0
    of = f"/{state.planned}" if state.planned else ""
    speed = [f"{rate(state.tokens_per_s)} tok/s", f"eta {span(state.eta_s)}"] if not state.ended else []
    phase = [one_line(state.phase, 24)] if state.phase else []
    position = f"gen {min(number_now + 1, state.planned or 10**9)}{of}"
    right = "   ".join([*phase, position, clock(state.elapsed_s), *speed])
    title = f"{one_line(info.name, max(2, width - len(right) - len(state.status) - 12))}  {info.id}"
    line = Text(no_wrap=True)
    line.append(title, "bold").append("  ").append(state.status, _STATUS[state.status])
    return line.append(" " * max(2, width - len(line) - len(right))).append(right)


def bar(state: RunState, width: int) -> Text:
    """One bar for the whole run, and what has been counted."""
    errors = len(state.errors)
    trouble = f"  errors {errors}"
    counts = f"   matches {state.matches:,}   fouls {percent(state.foul_rate)}"
    room = max(10, width - len(trouble) - len(counts))
    filled = round(room * (state.progress or 0.0))
    line = Text("█" * filled, "green", no_wrap=True).append("░" * (room - filled), "dim")
    return line.append(trouble, "bold red" if errors else "default").append(counts, "default")


def held_out(state: RunState, width: int) -> Lines:
    """Solve rate on the fixed tasks, by level and over time: the only numbers that self-play cannot flatter."""
    lines = [_title("HELD-OUT", "solve rate, 95% interval, change", width)]
    if not state.canaries:
        return [*lines, Text("not measured yet", "dim")]
    series = [marks_of(event) for event in state.canaries]
    latest = level_rates(series[-1])
    name_width = min(12, max(len(level) for level in [*latest, "mean"]))
    for level, estimate in latest.items():
        past = [_solved(marks.get(level)) for marks in series]
        lines.append(_rate_line(one_line(level, name_width).ljust(name_width), estimate, past, width))
    means = [mean_rate(marks) for marks in series]
    line = _rate_line("mean".ljust(name_width), means[-1], [m.value for m in means], width)
    line.stylize("bold", 0, name_width + 5)
    return [*lines, line]


def generation(state: RunState, width: int) -> Lines:
    """Health of each role: the latest value and its course."""
    lines = [_title("THIS GENERATION", "latest value and its course over the run", width)]
    if not state.metrics:
        return [*lines, Text("no update yet", "dim")]
    roles = list(state.metrics[-1]["roles"])
    fitting = max(1, (width - _LABEL) // 16)
    shown, hidden = roles[:fitting], roles[fitting:]
    cell = max(12, min(30, (width - _LABEL) // max(1, len(shown))))
    heads = "".join(one_line(role, cell - 2).ljust(cell) for role in shown)
    lines.append(Text(" " * _LABEL + heads + (f"+{len(hidden)} more" if hidden else ""), "bold", no_wrap=True))
    for name, key, form in _ROWS:
        series = {role: [_of_role(m, role, key) for m in state.metrics] for role in shown}
        if any(value is not None for values in series.values() for value in values):
            cells = "".join(_cell(values, form, cell) for values in series.values())
            lines.append(Text(name.ljust(_LABEL), no_wrap=True).append(cells.rstrip()))
    duplicates = [m.get("duplicate_share") for m in state.metrics]
    if any(value is not None for value in duplicates):
        lines.append(Text("duplicates".ljust(_LABEL), no_wrap=True).append(_cell(duplicates, percent, cell)))
    return lines


def match(state: RunState, width: int, height: int) -> Lines:
    """The featured match as it is played, or the last one."""
    live = state.live and state.live[0].get("kind") == "start" and not state.ended
    if live and not any(line["kind"] == "end" for line in state.live):
        start = state.live[0]
        lines = [_match_title("LIVE", start["match"], start["game"], start["seats"], width)]
        moves = [line for line in state.live if line["kind"] == "move"]
        waiting = [Text("  ▌", "dim")]
    elif state.last is not None:
        record = state.last
        lines = [_match_title("LAST", record.id, record.pairing.game, record.pairing.seats, width)]
        moves, waiting = [_move_of(record, i) for i in range(len(record.moves))], _outcome(record, width)
    else:
        return [_title("MATCH", "none yet", width)]
    said = _conversation(moves, width)
    room = max(1, height - len(lines) - len(waiting))
    if len(said) > room:
        said = [*said[: room - 1], Text(f"  … {len(said) - room + 1} more lines", "dim")]
    return [*lines, *said, *waiting]


def notices(state: RunState, width: int) -> Lines:
    """The first error of any worker, with its log, and the latest alarm or warning."""
    lines: Lines = []
    if state.errors:
        first = state.errors[0]
        more = f" (+{len(state.errors) - 1} more)" if len(state.errors) > 1 else ""
        where = f"{first['where']}{' ' + first['match'] if first.get('match') else ''}"
        log = f"   log: {first['log']}" if first.get("log") else ""
        text = one_line(f"✗ ERROR{more} {where}: {first['text']}", max(20, width - len(log)))
        lines.append(Text(text, "bold red", no_wrap=True).append(inert(log), "red"))
    for event in [e for e in state.notices if e["event"] == "alarm"][-1:]:
        rule = f"▲ ALARM {event['rule']} → {event['action']}: {event['text']}"
        lines.append(Text(one_line(rule, width), "bold yellow", no_wrap=True))
    for event in [e for e in state.notices if e["event"] == "warning"][-1:]:
        lines.append(Text(one_line(f"! WARN {event['text']}", width), "yellow", no_wrap=True))
    if state.ended:
        reason = (state.ending or {}).get("reason") or ""
        lines.append(
            Text(one_line(f"run {state.status}{': ' + reason if reason else ''}", width), _STATUS[state.status])
        )
    return lines


def marks_of(event: Mapping[str, Json]) -> Marks:
    """Level -> marks of a canary event."""
    return {level: found["solved"] for level, found in event["levels"].items()}


def _title(name: str, what: str, width: int) -> Text:
    line = Text(no_wrap=True).append(name, "bold cyan").append(f"  {what}", "dim")
    line.truncate(width, overflow="ellipsis")
    return line


def _rate_line(name: str, estimate: Estimate, past: list[float | None], width: int) -> Text:
    line = Text(f"{name} {share(estimate.value):>4}", no_wrap=True)
    line.append(f"  [{share(estimate.low):>4} {share(estimate.high):>4}]  ", "dim")
    known = [value for value in past if value is not None]
    change = f" {known[-1] - known[0]:+.2f}".replace("0.", ".") if len(known) > 1 else ""
    line.append(sparkline(past, max(0, min(40, width - len(line) - len(change)))), "green")
    return line.append(change, "bold")


def _solved(marks: object) -> float | None:
    return sum(marks) / len(marks) if isinstance(marks, list) and marks else None


def _of_role(metrics: Metrics, role: str, key: str) -> float | None:
    found: RoleMetrics = metrics["roles"].get(role, {})
    return found.get(key)  # type: ignore[return-value]


def _cell(values: list[float | None], form: Callable[[float | None], str], width: int) -> str:
    text = form(values[-1]).ljust(6)
    return f"{text} {sparkline(values, width - len(text) - 3)}".ljust(width)


def _match_title(word: str, id: str, game: str, seats: Mapping[str, str], width: int) -> Text:
    who = ", ".join(f"{seat} = {player}" for seat, player in seats.items())
    return _title(word, one_line(f"{id}  {game}  {who}", width - len(word) - 2), width)


def _move_of(record: MatchRecord, i: int) -> dict[str, Json]:
    from selfplay.record.live import move_line

    return move_line(record.id, record.moves[i])


def _conversation(moves: list[dict[str, Json]], width: int) -> Lines:
    """A line for each prompt and each different reply; equal replies of siblings share one."""
    lines: Lines = []
    for (seat, prompt), replies in groupby(moves, key=lambda m: (m["seat"], m["prompt"])):
        name = one_line(seat, 14)
        if prompt:
            lines.append(
                Text(f"  → {name}: ", "dim", no_wrap=True).append(one_line(prompt, width - len(name) - 6), "dim")
            )
        same: dict[tuple[Json, ...], int] = {}
        for move in replies:
            key = (move["text"], move["foul"], move["reward"])
            same[key] = same.get(key, 0) + 1
        for (text, foul, reward), times in same.items():
            lines.append(_reply(name, text, foul, reward, times, width))
    return lines


def _reply(name: str, text: str, foul: str | None, reward: float | None, times: int, width: int) -> Text:
    verdict = f"✗ {one_line(foul, 30)}" if foul else "" if reward is None else f"reward {share(reward)}"
    count = f" x{times}" if times > 1 else ""
    room = max(10, width - len(name) - len(count) - len(verdict) - 8)
    line = Text(f"    {name}{count} ▸ ", no_wrap=True).append(one_line(text, room), "bold")
    pad = max(2, min(48, width - len(verdict)) - len(line)) if verdict else 0
    return line.append(" " * pad).append(verdict, "red" if foul else "green" if (reward or 0) > 0 else "default")


def _outcome(record: MatchRecord, width: int) -> Lines:
    if record.error:
        return [Text(one_line(f"  ✗ {record.error}", width), "red")]
    if record.forfeit:
        return [Text(one_line(f"  ✗ {record.forfeit} forfeits", width), "red")]
    if record.result is None:
        return []
    scores = "   ".join(f"{seat} {number(score)}" for seat, score in record.result.items())
    return [Text(one_line(f"  result: {scores}", width))]
