"""A run as a table with one row per move, for `datasets`, pandas or DuckDB.

    datasets.load_dataset("parquet", data_files="run.parquet")
    datasets.load_dataset("json", data_files="run.jsonl")

Columns: `match generation number replica seed game source task role seat tag player weights_version move parent
prompt completion finish_reason token_ids logprobs reward foul masked keep learn result ending verdicts`. `prompt` is
the whole conversation before the reply, as a list of {role, content}; `reward` is None where the move teaches nothing,
and `masked` says why; `result` is that of the move's seat; `task` is JSON text, since tasks of different games differ
in shape. Written generation by generation, so memory does not grow with the run.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from selfplay.errors import MissingExtra, RunError, UnknownName, UsageError
from selfplay.record.facts import storable, verdicts
from selfplay.record.folder import RunFolder
from selfplay.record.log import encode
from selfplay.record.run import Run
from selfplay.types import Json, MatchRecord, Message, Move

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("jsonl", "parquet")
_VERDICT_KEYS = ("outcome", "score", "status", "detail")


def export(folder: RunFolder, to: str, out: Path) -> int:
    """Write all moves of a run to `out`, whole or not at all; returns the number of rows.

    Args:
        folder: of a running or finished run.
        to: ``"jsonl"`` or ``"parquet"``.
        out: file to write; replaced if it exists.

    Raises:
        UnknownName: another format.
        UsageError: `out` cannot be written, or the run has no matches.
        MissingExtra: parquet needs pyarrow.
        RunError: a log is damaged, or the disk is full.
    """
    if to not in FORMATS:
        raise UnknownName("export format", to, FORMATS)
    run = Run(folder)
    if not run.generations:
        raise UsageError(f"run {folder.path.name} has no matches yet; there is nothing to export")
    draft = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    count = 0
    try:
        with contextlib.closing(_Jsonl(draft) if to == "jsonl" else _Parquet(draft)) as sink:
            for generation in run.generations:
                rows = [row for record in run.matches(generation) for row in rows_of(record)]
                sink.write(rows)
                count += len(rows)
        draft.replace(out)
    except OSError as error:
        kind = UsageError if count == 0 else RunError
        raise kind(f"cannot write {out}: {error.strerror or error}\n  choose another place with --out") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return count


def rows_of(record: MatchRecord) -> Iterator[dict[str, Json]]:
    """The table's rows for one match, in playing order."""
    checks = verdicts(record)
    pairing = record.pairing
    for move in record.moves:
        completion = move.completion
        yield {
            "match": record.id,
            "generation": pairing.generation,
            "number": pairing.number,
            "replica": pairing.replica,
            "seed": str(pairing.seed),
            "game": pairing.game,
            "source": pairing.task.source,
            "task": encode(pairing.task.data),
            "role": move.role,
            "seat": move.seat,
            "tag": move.tag,
            "player": move.player,
            "weights_version": completion.weights_version,
            "move": move.id,
            "parent": move.parent.id if move.parent else None,
            "prompt": [{"role": message.role, "content": storable(message.text)} for message in _prompt(move)],
            "completion": storable(move.text),
            "finish_reason": completion.finish_reason.value,
            "token_ids": None if completion.token_ids is None else completion.token_ids.tolist(),
            "logprobs": None if completion.logprobs is None else completion.logprobs.tolist(),
            "reward": move.reward,
            "foul": move.foul,
            "masked": move.why_masked,
            "keep": move.keep,
            "learn": move.learn,
            "result": (record.result or {}).get(move.seat),
            "ending": record.ending.value,
            "verdicts": [{key: check.get(key) for key in _VERDICT_KEYS} for check in checks.get(move.id, ())],
        }


def _prompt(move: Move) -> list[Message]:
    """All that the seat saw before this reply; for an extended reply, that ends with the part written so far."""
    return [*(move.turn.parent.conversation() if move.turn.parent else ()), *move.messages]


class _Sink(Protocol):
    def write(self, rows: list[dict[str, Json]]) -> None: ...

    def close(self) -> None: ...


class _Jsonl:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def write(self, rows: list[dict[str, Json]]) -> None:
        self._file.writelines(encode(row) + "\n" for row in rows)

    def close(self) -> None:
        self._file.close()


class _Parquet:
    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise MissingExtra("export to parquet", "export") from error
        self._table = pa.Table.from_pylist
        self._schema = _schema()
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, rows: list[dict[str, Json]]) -> None:
        if rows:
            self._writer.write_table(self._table(rows, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def _schema() -> pa.Schema:
    import pyarrow as pa

    text, number, flag = pa.string(), pa.int64(), pa.bool_()
    message = pa.struct([("role", text), ("content", text)])
    verdict = pa.struct([("outcome", text), ("score", pa.float64()), ("status", text), ("detail", text)])
    kinds = {
        **dict.fromkeys(["match", "seed", "game", "source", "task", "role", "seat", "tag", "player", "move"], text),
        **dict.fromkeys(["parent", "completion", "finish_reason", "foul", "masked", "ending"], text),
        **dict.fromkeys(["generation", "number", "replica", "weights_version"], number),
        **dict.fromkeys(["keep", "learn"], flag),
        **dict.fromkeys(["reward", "result"], pa.float64()),
        "prompt": pa.list_(message),
        "token_ids": pa.list_(pa.int32()),
        "logprobs": pa.list_(pa.float32()),
        "verdicts": pa.list_(verdict),
    }
    return pa.schema(list(kinds.items()))
