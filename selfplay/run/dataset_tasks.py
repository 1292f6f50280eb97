"""Tasks from the `datasets` library: local files (JSON lines, CSV, Parquet), folders, and ids on the Hugging Face hub.

Without streaming a deal takes any row, with replacement. With streaming, rows come through a shuffling buffer, seeded
by the run, and each is used once before the next round begins: deal d of generation g takes row g * deals + d of that
order. So tasks are functions of seed, generation and deal alone, and a resumed run gets the same ones; to get there, it
reads past the rows that were used.

Not done: several files or splits at once (give a folder), rows in which the library puts more than JSON can hold
(images, dates), noticing that a file has changed since the run began.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfplay.errors import GameError, MissingExtra, RunError, UnknownName, UsageError
from selfplay.run.recipe import TaskSection
from selfplay.seeds import derive
from selfplay.types import Json, MatchRecord, Task, plain

if TYPE_CHECKING:
    from selfplay.run.sources import Demand

FORMATS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}
"""Ends of file names, and what the library calls the format; any other path is a folder or an id on the hub."""
Row = Mapping[str, Any]


class DatasetTasks:
    """A source of tasks; see `selfplay.run.sources.Source`.

    Raises:
        MissingExtra: the library is not installed.
        UnknownName: the dataset has no column of a name given.
        UsageError: it cannot be loaded, is empty, or holds what is not JSON.
    """

    window = 0

    def __init__(self, settings: TaskSection, demand: Demand) -> None:
        self._where = f"dataset {settings.path!r}"
        if not settings.path:
            raise UsageError("tasks.path is missing: name a file, a folder or an id on the Hugging Face hub")
        if settings.column and settings.columns:
            raise UsageError(f"tasks from {self._where}: give `column` (one value) or `columns` (several), not both")
        local = Path(settings.path).exists()
        self._name = Path(settings.path).name if local else settings.path
        self._column, self._columns = settings.column, settings.columns
        self._rows = _load(settings, self._where)
        first = next(iter(self._rows), None)
        if first is None:
            raise UsageError(f"{self._where} holds no rows in split {settings.split!r}")
        self._check(first)
        self._stream: _Stream | None = None
        if settings.streaming:
            seed = derive(demand.seed, "datasets", self._name) >> 33  # the library's seeds have 32 bits
            self._stream = _Stream(self._rows.shuffle(seed=seed, buffer_size=settings.buffer), demand.deals)

    def absorb(self, generation: int, records: Sequence[MatchRecord]) -> None:
        pass

    def draw(self, chance: random.Random, generation: int, deal: int) -> Task:
        """A row as a task; raises RunError if it cannot be read."""
        try:
            if self._stream is not None:
                number, row = self._stream.row(generation, deal)
            else:
                number = chance.randrange(len(self._rows))
                row = self._rows[number]
            return Task(self._data(row), f"datasets:{self._name}", str(number))
        except Exception as error:  # the network, the disk, a file that is broken further down
            raise RunError(f"cannot read tasks from {self._where}: {_brief(error)}") from error

    def _data(self, row: Row) -> Json:
        """A row as the game gets it."""
        if self._column:
            return plain(row[self._column], f"column {self._column!r}")
        names = self._columns or {name: name for name in row}
        return {ours: plain(row[theirs], f"column {theirs!r}") for ours, theirs in names.items()}

    def _check(self, row: Row) -> None:
        for name in [self._column] if self._column else self._columns.values():
            if name not in row:
                raise UnknownName(f"column of {self._where}", name, row)
        try:
            self._data(row)
        except GameError as error:
            raise UsageError(f"{self._where}: {error}\n  choose other columns with tasks.columns") from None


class _Stream:
    """Rows of a shuffled stream by generation and deal, round after round.

    Args:
        rows: a shuffled `IterableDataset`; each epoch is another order of it.
        deals: rows set apart for each generation.
    """

    def __init__(self, rows: Any, deals: int) -> None:
        self._rows = rows
        self._deals = deals
        self._iterator = self._endless()
        self._kept: dict[int, Row] = {}
        self._next = 0

    def row(self, generation: int, deal: int) -> tuple[int, Row]:
        """The row of a deal, and its place in the order."""
        first, wanted = generation * self._deals, generation * self._deals + deal
        if wanted < self._next and wanted not in self._kept:  # an earlier generation than the last: read it again
            self._iterator, self._next = self._endless(), 0
        self._kept = {place: row for place, row in self._kept.items() if place >= first}
        while self._next <= wanted:
            row = next(self._iterator)
            if self._next >= first:
                self._kept[self._next] = row
            self._next += 1
        return wanted, self._kept[wanted]

    def _endless(self) -> Iterator[Row]:
        epoch = 0
        while True:
            self._rows.set_epoch(epoch)
            yield from self._rows
            epoch += 1


def _load(settings: TaskSection, where: str) -> Any:
    """The `Dataset` or `IterableDataset`."""
    try:
        import datasets
    except ImportError:
        raise MissingExtra(f"tasks from {where}", "train") from None
    form = FORMATS.get(Path(settings.path).suffix.lower())
    if form is not None and not Path(settings.path).is_file():
        raise UsageError(f"tasks.path: no such file: {settings.path}\n  looked in {Path.cwd()}")
    files = {"data_files": {settings.split: settings.path}} if form else {}
    silent = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(
            form or settings.path,
            settings.config or None,
            split=settings.split,
            streaming=settings.streaming,
            **files,
        )
    except Exception as error:  # the library has no base class for what can go wrong
        hint = "a file, a folder or an id on the Hugging Face hub; config and split as the dataset names them"
        raise UsageError(f"cannot load {where}: {_brief(error)}\n  expected {hint}") from error
    finally:
        if not silent:
            datasets.enable_progress_bars()


def _brief(error: BaseException) -> str:
    """Kind and first lines of a library's error, and of what caused it."""
    text = " ".join(str(error).split()) or "no reason given"
    cause = error.__cause__
    inner = f" ({_brief(cause)})" if cause is not None else ""
    return f"{type(error).__name__}: {text[:300]}{inner}"
