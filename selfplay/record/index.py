"""SQLite over the logs of a run, for search and filters: a cache that may be deleted at any time.

`Index.catch_up` folds in what was appended since the last time and nothing else, so calling it after every generation
or once at the end gives the same tables as rebuilding them. Positions in the logs are kept in the same transaction as
what was read up to there, so a kill in between costs nothing. Records stay in the logs; the index knows where.

    match(id, generation, number, game, seed, ending, forfeit, error, file, offset, length)
    move(match, id, role, seat, tag, player, weights_version, tokens, reward, foul, masked, outcome)
    text: FTS5 over what was said to the seat and its reply, one row per move
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from selfplay.errors import UnknownName, UsageError
from selfplay.record.codec import SCHEMA, check_schema, packed_length
from selfplay.record.facts import SeatOutcome, seat_outcome, storable
from selfplay.record.folder import INDEX_FILES, RunFolder
from selfplay.record.log import Line, Span, read_lines
from selfplay.record.packed import packed, size_of
from selfplay.types import Json

_TABLES = """
CREATE TABLE IF NOT EXISTS position (file TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS match (
    id TEXT PRIMARY KEY, generation INTEGER, number INTEGER, game TEXT, seed TEXT, ending TEXT, forfeit TEXT,
    error TEXT, file TEXT, offset INTEGER, length INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS move (
    key INTEGER PRIMARY KEY, match TEXT, id TEXT, role TEXT, seat TEXT, tag TEXT, player TEXT, weights_version INTEGER,
    tokens INTEGER, reward REAL, foul TEXT, masked TEXT, outcome TEXT, UNIQUE (match, id));
CREATE VIRTUAL TABLE IF NOT EXISTS text USING fts5(prompt, reply, tokenize = "unicode61 remove_diacritics 2");
"""
_FILTERS = ("role", "player", "outcome", "game", "ending")


class Hit(NamedTuple):
    """One move found by `Index.search`."""

    match: str
    move: str
    seat: str
    player: str
    outcome: str
    reward: float | None
    snippet: str
    """The place found, with the words in ``[brackets]``. Model text: escape it where it is shown."""


class Index:
    """The index of one run; made or brought up to date on entering.

    Raises:
        UsageError: the run folder is read-only and has no index yet, or another schema version wrote the logs.
        RunError: a log is damaged in the middle.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._finished: set[Path] = set()
        """Packed logs that were read to their end: nothing will be added to them."""
        self._db = self._open()
        self.catch_up()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def catch_up(self) -> None:
        """Read what the logs gained; start over if they were cut."""
        events_end = size_of(self.folder.events)  # edits up to here are about matches that are in the logs already
        known = {self.folder.path / file: offset for file, offset in self._positions().items()}
        self._finished = {log for log in self._finished if packed(log).exists()}
        if any(size_of(log) < offset for log, offset in known.items() if log not in self._finished):
            self._db.close()
            remove(self.folder)
            self._db, known = self._open(), {}
            self._finished.clear()
        for log in [log for log in self.folder.match_logs().values() if log not in self._finished]:
            if size_of(log) > known.get(log, 0):
                self._fold(log, None, _add_match)
            elif not log.exists():
                self._finished.add(log)
        if events_end > known.get(self.folder.events, 0):
            self._fold(self.folder.events, events_end, _apply_edits)

    def search(self, text: str = "", *, limit: int = 20, **filters: str | None) -> list[Hit]:
        """Moves whose prompt or reply contains all words of `text`, best first, or the latest ones if it is empty.

        Args:
            text: plain words; nothing in it is an operator.
            limit: how many at most.
            filters: ``role``, ``player``, ``game``, ``ending`` (of the match) and ``outcome`` (see `SeatOutcome`).

        Raises:
            UsageError: a filter or an outcome that does not exist.
        """
        wanted = {name: value for name, value in filters.items() if value is not None}
        _check_filters(wanted)
        where = ["move.key = text.rowid", "match.id = move.match"]
        values: list[Json] = []
        words = " ".join('"' + word.replace('"', '""') + '"' for word in text.split())
        if words:
            where.append("text MATCH ?")
            values.append(words)
        for name, value in wanted.items():
            where.append(f"{'match' if name in ('game', 'ending') else 'move'}.{name} = ?")
            values.append(value)
        snippet = "snippet(text, -1, '[', ']', '...', 16)" if words else "substr(text.reply, 1, 120)"
        rows = self._db.execute(
            f"SELECT move.match, move.id, seat, player, outcome, reward, {snippet} FROM text, move, match"
            f" WHERE {' AND '.join(where)} ORDER BY {'rank' if words else 'move.key DESC'} LIMIT ?",
            [*values, limit],
        )
        return [Hit(*row) for row in rows]

    def place(self, match: str) -> tuple[Path, Span] | None:
        """File and span of a match record."""
        row = self._db.execute("SELECT file, offset, length FROM match WHERE id = ?", [match]).fetchone()
        return None if row is None else (self.folder.path / row[0], Span(row[1], row[2]))

    def dump(self) -> dict[str, list[tuple[Json, ...]]]:
        """All tables as plain rows, in order: two indexes of the same logs are equal."""
        tables = ("position", "match", "move", "text")
        return {name: sorted(self._db.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in tables}

    def _open(self) -> sqlite3.Connection:
        db = None
        try:
            db = sqlite3.connect(self.folder.index, timeout=30.0, isolation_level=None)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = OFF")  # a cache: after a power loss it is rebuilt
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == SCHEMA:
                return db
            if version == 0 and not db.execute("SELECT 1 FROM sqlite_master").fetchone():
                db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;")
                return db
        except sqlite3.OperationalError as error:
            raise UsageError(
                f"cannot write {self.folder.index}: {error}\n  search needs it; copy the run somewhere you may write"
            ) from error
        except sqlite3.DatabaseError:
            pass  # not a database, or a damaged one: fall through and make a new one
        if db is not None:
            db.close()
        remove(self.folder)
        return self._open()

    def _positions(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT file, offset FROM position"))

    def _fold(self, log: Path, end: int | None, add: Callable[[sqlite3.Connection, str, Line], None]) -> None:
        """Feed the new lines of one log to `add` and move its position, in one transaction."""
        file = str(log.relative_to(self.folder.path))
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            start = self._positions().get(file, 0)  # another process may have been here meanwhile
            position = start
            for line in read_lines(log, start, end):
                add(self._db, file, line)
                position = line.span.offset + line.span.length
            self._db.execute("INSERT OR REPLACE INTO position VALUES (?, ?)", [file, position])


def remove(folder: RunFolder) -> None:
    """Delete the index; nothing is lost."""
    for name in INDEX_FILES:
        (folder.path / name).unlink(missing_ok=True)


def rebuild(folder: RunFolder) -> Index:
    """The index made anew from the logs."""
    remove(folder)
    return Index(folder)


def _add_match(db: sqlite3.Connection, file: str, line: Line) -> None:
    record, span = line.value, line.span
    check_schema(record, f"match record {record.get('id')}")
    id, pairing, ending, forfeit = record["id"], record["pairing"], record["ending"], record["forfeit"]
    db.execute(
        "INSERT INTO match VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            id, pairing["generation"], pairing["number"], pairing["game"], str(pairing["seed"]), ending, forfeit,
            record["error"], file, span.offset, span.length,
        ],
    )  # fmt: skip
    outcomes = {seat: seat_outcome(seat, record["result"], ending, forfeit) for seat in pairing["seats"]}
    for move in record["moves"]:
        cursor = db.execute(
            "INSERT INTO move VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                id, move["id"], move["role"], move["seat"], move["tag"], move["player"], move["weights_version"],
                packed_length(move["token_ids"]), move["reward"], move["foul"], move["why_masked"],
                outcomes[move["seat"]],
            ],
        )  # fmt: skip
        said = "\n".join(text for role, text in move["messages"] if role != "system")
        texts = [cursor.lastrowid, storable(said), storable(move["text"])]
        db.execute("INSERT INTO text (rowid, prompt, reply) VALUES (?, ?, ?)", texts)


def _apply_edits(db: sqlite3.Connection, file: str, line: Line) -> None:
    if line.value["event"] == "edits":
        for match, move, reward, _ in line.value["edits"]:
            db.execute("UPDATE move SET reward = ? WHERE match = ? AND id = ? AND foul IS NULL", [reward, match, move])


def _check_filters(filters: Mapping[str, str]) -> None:
    for name in filters:
        if name not in _FILTERS:
            raise UnknownName("search filter", name, _FILTERS)
    if "outcome" in filters and filters["outcome"] not in list(SeatOutcome):
        raise UnknownName("outcome", filters["outcome"], [outcome.value for outcome in SeatOutcome])
