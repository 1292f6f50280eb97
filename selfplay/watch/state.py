"""What a run's logs say so far: read piece by piece as they grow, by a viewer that may start at any time.

A refresh reads only what is new and never parses the match logs (it counts their lines, and parses the last one), so
watching costs the run next to nothing. After a rewind the logs are shorter than before; then it reads them anew.
"""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

from selfplay.errors import RunError, UsageError
from selfplay.record.codec import check_schema, from_json
from selfplay.record.events import Event, Metrics
from selfplay.record.info import RunInfo, Status
from selfplay.record.log import follow, read, read_last
from selfplay.record.run import Run
from selfplay.types import Json, MatchRecord

_RECENT = 20
"""Updates over which speed and remaining time are estimated."""


class RunState:
    """Everything the live view shows. Call `refresh`, then read the attributes."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.info: RunInfo = run.info
        self.alive = run.alive
        self.now = time.time()
        self.live: list[dict[str, Json]] = []
        """Lines of ``live.jsonl``."""
        self.last: MatchRecord | None = None
        self._offsets = {"events": 0, "metrics": 0}
        self._last_key: tuple[Path, int] | None = None
        self._counted: dict[Path, tuple[int, int]] = {}
        self._forget()

    def _forget(self) -> None:
        self._offsets = dict.fromkeys(self._offsets, 0)
        self.metrics: list[Metrics] = []
        self.canaries: list[Event] = []
        self.planned: int | None = None
        """Generations planned."""
        self.generation: int | None = None
        """The one being played, or the last one."""
        self.closed = 0
        """Generations that are complete."""
        self.batch: int | None = None
        """Matches planned in this generation."""
        self.errors: list[Event] = []
        self.notices: deque[Event] = deque(maxlen=20)
        """Alarms and warnings, newest last."""
        self.phase = ""
        """The stretch of the run that it is in, where the recipe has several."""
        self.ending: Event | None = None

    def refresh(self, now: float | None = None) -> None:
        """Read what is new.

        Raises:
            RunError: a log is damaged in the middle.
            UsageError: another schema version wrote the run.
        """
        self.now = time.time() if now is None else now
        folder = self.run.folder
        self.info, self.alive = self.run.info, self.run.alive
        events, metrics = (
            follow(folder.events, self._offsets["events"]),
            follow(folder.metrics, self._offsets["metrics"]),
        )
        if events.restarted or metrics.restarted:
            self._forget()
            events, metrics = follow(folder.events, 0), follow(folder.metrics, 0)
        self._offsets = {"events": events.offset, "metrics": metrics.offset}
        for event in events.values:
            check_schema(event, str(folder.events))
            self._take(event)
        self.metrics += metrics.values  # type: ignore[arg-type]
        self._read_matches()

    def _take(self, event: Event) -> None:
        kind = event["event"]
        if kind == "run_started":
            self.planned = event["generations"]
        elif kind == "run_resumed":
            self.ending = None
        elif kind == "generation_started":
            self.generation, self.batch = event["generation"], event["matches"]
        elif kind == "generation_closed":
            self.closed = event["generation"] + 1
        elif kind == "phase":
            self.phase = event["name"]
        elif kind == "canary":
            self.canaries.append(event)
        elif kind in ("alarm", "warning"):
            self.notices.append(event)
        elif kind == "error":
            self.errors.append(event)
        elif kind == "run_ended":
            self.ending = event

    def _read_matches(self) -> None:
        folder = self.run.folder
        try:
            self.live = list(read(folder.live))
        except RunError:
            self.live = []  # disposable
        for log in reversed(folder.match_logs().values()):
            last = read_last(log)
            if last is None:
                continue
            key = (log, last.span.offset)
            if key != self._last_key:
                try:
                    self.last, self._last_key = from_json(last.value), key
                except (RunError, UsageError):
                    self.last = None
            return

    # what follows from it

    @property
    def ended(self) -> bool:
        """Nobody works on the run any more."""
        return self.info.status is not Status.RUNNING or not self.alive

    @property
    def status(self) -> str:
        """``running``, ``killed``, ``done``, ``stopped`` or ``failed``."""
        return "killed" if self.info.status is Status.RUNNING and not self.alive else self.info.status.value

    @property
    def elapsed_s(self) -> float:
        """Seconds of work, over all attempts."""
        done = self.metrics[-1]["wall_s"] if self.metrics else 0.0
        if self.ended:
            return done
        since = self.metrics[-1].get("time", self.now) if self.metrics else self.info.started
        return done + max(0.0, self.now - since)

    @property
    def fresh_matches(self) -> int:
        """Matches of the generation being played that have finished already."""
        if self.generation is None or self.generation < self.closed:
            return 0
        log = self.run.folder.matches(self.generation)
        count, offset = self._counted.get(log, (0, 0))
        if not log.exists() or log.stat().st_size < offset:
            count, offset = 0, 0
        if log.exists():
            with log.open("rb") as file:
                file.seek(offset)
                data = file.read()
            count, offset = count + data.count(b"\n"), offset + len(data)
        self._counted = {log: (count, offset)}
        return count

    @property
    def matches(self) -> int:
        """Finished matches, all generations."""
        return (self.metrics[-1]["matches"] if self.metrics else 0) + self.fresh_matches

    @property
    def progress(self) -> float | None:
        """Share of the planned run that is done, 0-1; `None` if it has no planned end."""
        if not self.planned:
            return None
        part = min(1.0, self.fresh_matches / self.batch) if self.batch else 0.0
        return min(1.0, (self.closed + part) / self.planned)

    @property
    def eta_s(self) -> float | None:
        """Seconds that are left, at the pace of the last updates."""
        if self.ended or not self.planned or len(self.metrics) < 2:
            return None
        first, last = self._recent()
        generations = last["generation"] - first["generation"]
        if generations <= 0:
            return None
        pace = (last["wall_s"] - first["wall_s"]) / generations
        since = self.elapsed_s - last["wall_s"]
        return max(0.0, pace * (self.planned - 1 - last["generation"]) - since)

    @property
    def tokens_per_s(self) -> float | None:
        """Sampled tokens per second of wall time over the last updates."""
        if len(self.metrics) < 2:
            return None
        first, last = self._recent()
        seconds = last["wall_s"] - first["wall_s"]
        return (last["tokens"] - first["tokens"]) / seconds if seconds > 0 else None

    @property
    def foul_rate(self) -> float | None:
        """Mean over the roles, latest update."""
        rates = [m["foul_rate"] for m in self.metrics[-1]["roles"].values() if "foul_rate" in m] if self.metrics else []
        return sum(rates) / len(rates) if rates else None

    def _recent(self) -> tuple[Metrics, Metrics]:
        return self.metrics[-min(_RECENT, len(self.metrics))], self.metrics[-1]
