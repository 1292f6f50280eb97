"""Reading a run from Python: `selfplay.open_run("last")`.

    run = selfplay.open_run("runs/last")
    for record in run.matches(generation=3):
        print(record.id, record.result, [move.reward for move in record.moves])

A `Run` reads the folder and never writes it (only `search` and `match` may refresh the index, which is a cache), so it
works on a run that is being played, on a copy, and on one that was killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from selfplay.errors import UnknownName, UsageError
from selfplay.record.codec import check_schema, from_json
from selfplay.record.events import Event, Metrics
from selfplay.record.folder import RunFolder
from selfplay.record.info import RunInfo, Status
from selfplay.record.log import read, read_last, read_lines
from selfplay.types import Bill, Edit, MatchRecord


class Run:
    """A run, running or finished. Every call reads the logs anew."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def info(self) -> RunInfo:
        """Identity, status, versions, hardware."""
        return self.folder.info()

    @property
    def alive(self) -> bool:
        """A process on this machine works on it now. False with status ``running`` means it was killed."""
        return self.folder.is_locked()

    @property
    def config(self) -> str:
        """The resolved recipe, as TOML."""
        return self.folder.config.read_text("utf-8")

    @property
    def generations(self) -> list[int]:
        """Numbers of the generations that have matches."""
        return list(self.folder.match_logs())

    @property
    def snapshots(self) -> list[Event]:
        """The ``snapshot`` events whose folder still exists, oldest first."""
        return [event for event in self.events("snapshot") if (self.path / event["path"]).is_dir()]

    def events(self, *kinds: str) -> Iterator[Event]:
        """Events in the order in which they happened, of these kinds or of all (`selfplay.record.events`).

        Raises:
            UsageError: another schema version wrote them.
        """
        for event in read(self.folder.events):
            check_schema(event, f"{self.folder.events}")
            if not kinds or event["event"] in kinds:
                yield event

    def metrics(self) -> Iterator[Metrics]:
        """One entry per update."""
        yield from read(self.folder.metrics)  # type: ignore[misc]

    def bill(self) -> Bill:
        """What the run asked of endpoints, in all its attempts."""
        bill = Bill()
        for line in read(self.folder.paid):
            bill.add_line(line)
        return bill

    def matches(self, generation: int | None = None, *, settled: bool = True) -> Iterator[MatchRecord]:
        """Match records in the order in which they finished.

        Args:
            generation: only this one.
            settled: with the changes that `Game.settle` made once the batch was complete; False gives what was played.

        Raises:
            UsageError: there is no such generation.
        """
        logs = self.folder.match_logs()
        if generation is not None and generation not in logs:
            known = f"{min(logs)} to {max(logs)}" if logs else "none yet"
            raise UsageError(f"run {self.path.name} has no generation {generation}\n  it has: {known}")
        changes = self._edits() if settled else {}
        for number in logs if generation is None else [generation]:
            for line in read(logs[number]):
                record = from_json(line)
                yield _settle(record, changes.get(record.id, ()))

    def match(self, id: str, *, settled: bool = True) -> MatchRecord:
        """The match with this id, such as ``g0003-m0012``.

        Raises:
            UnknownName: there is none.
        """
        head, _, _ = id.partition("-")
        log = self.folder.match_logs().get(int(head[1:])) if head[:1] == "g" and head[1:].isdigit() else None
        ids = []
        for line in read_lines(log) if log else ():
            ids.append(line.value["id"])
            if ids[-1] == id:
                record = from_json(line.value)
                return _settle(record, self._edits().get(id, ()) if settled else ())
        near = ids[:3] or [f"g{number:04d}-..." for number in self.generations[-3:]]
        raise UnknownName("match", id, near, f"of run {self.path.name}; ids look like g0003-m0012")

    def last_match(self) -> MatchRecord | None:
        """The one that finished last."""
        for log in reversed(self.folder.match_logs().values()):
            last = read_last(log)
            if last is not None:
                return from_json(last.value)
        return None

    def status(self) -> str:
        """One word for listings: that of ``run.json``, or ``killed``."""
        status = self.info.status
        return "killed" if status is Status.RUNNING and not self.alive else status.value

    def _edits(self) -> dict[str, list[Edit]]:
        found: dict[str, list[Edit]] = {}
        for event in self.events("edits"):
            for change in event["edits"]:
                edit = Edit(*change)
                found.setdefault(edit.match, []).append(edit)
        return found


def open_run(name: str | Path = "last", root: str | Path = "runs") -> Run:
    """Open a run by path, id, beginning of an id, name, or ``last``.

    Raises:
        UnknownName: no run is called that.
        UsageError: it is no run folder, or another schema version wrote it.
    """
    return Run(RunFolder.open(name, root))


def _settle(record: MatchRecord, changes: list[Edit] | tuple[()]) -> MatchRecord:
    if changes:
        moves = {move.id: move for move in record.moves}
        for change in changes:
            moves[change.move].reward = change.reward
    return record
