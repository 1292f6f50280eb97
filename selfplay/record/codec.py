"""A `MatchRecord` as one line of JSON, and back, without loss.

Each move stores only what is new: the messages said to its seat since its parent, and the id of that parent; the
conversation is rebuilt from these links, so the log is linear in turns. Token ids and log-probabilities travel as
base64 of their little-endian bytes, so that no float is ever rounded. A parsed `value` is not stored: it is the role's
parser applied to the text, and a game class is needed for that.

Keys keep the order in which they were set and are never sorted: a game that iterates over its task must see the same
order when it is replayed. Two runs of the same match therefore give the same bytes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from selfplay.errors import GameError, RunError, UsageError
from selfplay.record.log import encode
from selfplay.types import (
    Completion,
    Ending,
    Fact,
    FinishReason,
    Json,
    MatchRecord,
    Message,
    Move,
    Pairing,
    Task,
    Turn,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCHEMA = 1
"""Version of every line this package writes; bumped when a reader of the old format would misread the new one."""

_DTYPES = ("int32", "float32")


def dumps(record: MatchRecord) -> str:
    """One line, without the newline.

    Raises:
        GameError: the game put something into the record that JSON cannot hold.
    """
    try:
        return encode(to_json(record))
    except (TypeError, ValueError, RecursionError) as error:
        raise GameError(
            f"match {record.id} of {record.pairing.game} cannot be written: {error}\n"
            "  tasks, notes, published items and tool results must be plain JSON values"
        ) from error


def loads(line: str | bytes) -> MatchRecord:
    """The record written by `dumps`.

    Raises:
        UsageError: the line has another schema version.
        RunError: the line is no match record.
    """
    return from_json(json.loads(line))


def to_json(record: MatchRecord) -> dict[str, Json]:
    """Plain JSON values.

    Raises:
        ValueError: a move continues a conversation that is not its parent's, so it could not be rebuilt.
    """
    return {
        "schema": SCHEMA,
        "id": record.id,
        "pairing": _pairing_to_json(record.pairing),
        "config": record.config,
        "moves": [_move_to_json(move) for move in record.moves],
        "facts": [[list(fact.path), fact.kind, fact.data] for fact in record.facts],
        "result": record.result,
        "ending": record.ending.value,
        "forfeit": record.forfeit,
        "error": record.error,
    }


def from_json(data: Mapping[str, Json]) -> MatchRecord:
    """The record behind `to_json`; raises like `loads`."""
    check_schema(data, "match record")
    try:
        return MatchRecord(
            pairing=_pairing_from_json(data["pairing"]),
            config=data["config"],
            moves=_moves_from_json(data["moves"]),
            facts=[Fact(tuple(path), kind, content) for path, kind, content in data["facts"]],
            result=data["result"],
            ending=Ending(data["ending"]),
            forfeit=data["forfeit"],
            error=data["error"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"match record {data.get('id', '?')} is damaged: {type(error).__name__}: {error}\n"
            "  the line is complete JSON but not a match record of this version; was the file edited?"
        ) from error


def check_schema(data: Mapping[str, Json], what: str) -> None:
    """Refuse what another version of this package wrote.

    Raises:
        UsageError: `data["schema"]` is not `SCHEMA`.
    """
    found = data.get("schema")
    if found == SCHEMA:
        return
    newer = isinstance(found, int) and found > SCHEMA
    advice = "upgrade: pip install -U selfplay" if newer else "read it with the version of selfplay that wrote it"
    raise UsageError(f"{what} has schema {found!r}; this version of selfplay reads schema {SCHEMA}\n  {advice}")


def pack(array: NDArray[np.int32] | NDArray[np.float32] | None) -> dict[str, str] | None:
    """An array (T,) of int32 or float32 as ``{"dtype", "b64"}``, little-endian."""
    if array is None:
        return None
    name = array.dtype.name
    if name not in _DTYPES:
        raise ValueError(f"array of {name}; token ids are int32 and log-probabilities float32")
    raw = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return {"dtype": name, "b64": base64.b64encode(raw).decode("ascii")}


def unpack(data: Mapping[str, str] | None) -> NDArray[Json] | None:
    """The array behind `pack`, in the machine's own byte order and writable."""
    if data is None:
        return None
    import numpy as np

    if data["dtype"] not in _DTYPES:
        raise ValueError(f"dtype {data['dtype']!r}; known: {', '.join(_DTYPES)}")
    stored = np.frombuffer(base64.b64decode(data["b64"]), dtype=np.dtype(data["dtype"]).newbyteorder("<"))
    return stored.astype(data["dtype"])


def packed_length(data: Mapping[str, str] | None) -> int:
    """How many numbers `pack` stored, without unpacking them (both dtypes take 4 bytes each)."""
    return 0 if data is None else len(data["b64"]) * 3 // 16


def _pairing_to_json(pairing: Pairing) -> dict[str, Json]:
    task = pairing.task
    return {
        "game": pairing.game,
        "seats": dict(pairing.seats),
        "learns": dict(pairing.learns),
        "seed": pairing.seed,
        "number": pairing.number,
        "generation": pairing.generation,
        "replica": pairing.replica,
        "task": {"data": task.data, "source": task.source, "key": task.key},
        "sampling_seed": pairing.sampling_seed,
    }


def _pairing_from_json(data: Mapping[str, Json]) -> Pairing:
    return Pairing(**{**data, "task": Task(**data["task"])})


def _move_to_json(move: Move) -> dict[str, Json]:
    parent_turn = None if move.parent is None else move.parent.turn
    if move.turn.parent is not parent_turn or move.turn.messages != move.messages:
        raise ValueError(f"move {move.id} does not continue the conversation of its parent")
    return {
        "id": move.id,
        "parent": None if move.parent is None else move.parent.id,
        "role": move.role,
        "seat": move.seat,
        "tag": move.tag,
        "group": move.group,
        "player": move.player,
        "learn": move.learn,
        "secret": move.secret,
        "messages": [[message.role, message.text] for message in move.messages],
        "told": [list(path) for path in move.turn.told],
        **completion_to_json(move.completion),
        "reward": move._reward,
        "foul": move.foul,
        "why_masked": move.why_masked,
        "keep": move.keep,
    }


def completion_to_json(completion: Completion) -> dict[str, Json]:
    """A reply as its policy gave it."""
    return {
        "text": completion.text,
        "prompt_ids": pack(completion.prompt_ids),
        "token_ids": pack(completion.token_ids),
        "logprobs": pack(completion.logprobs),
        "finish": completion.finish_reason.value,
        "weights_version": completion.weights_version,
    }


def completion_from_json(row: Mapping[str, Json]) -> Completion:
    """The inverse of `completion_to_json`; other keys are ignored."""
    return Completion(
        text=row["text"],
        prompt_ids=unpack(row["prompt_ids"]),
        token_ids=unpack(row["token_ids"]),
        logprobs=unpack(row["logprobs"]),
        finish_reason=FinishReason(row["finish"]),
        weights_version=row["weights_version"],
    )


def _moves_from_json(rows: list[dict[str, Json]]) -> list[Move]:
    moves = {row["id"]: _move_from_json(row) for row in rows}
    if len(moves) != len(rows):
        raise ValueError("two moves share an id")
    for row in rows:
        if row["parent"] is not None:
            move = moves[row["id"]]
            move.parent = moves[row["parent"]]
            move.turn.parent = move.parent.turn
    return list(moves.values())


def _move_from_json(row: Mapping[str, Json]) -> Move:
    messages = tuple(Message(role, text) for role, text in row["messages"])
    completion = completion_from_json(row)
    move = Move(
        id=row["id"],
        parent=None,
        role=row["role"],
        seat=row["seat"],
        tag=row["tag"],
        group=row["group"],
        player=row["player"],
        learn=row["learn"],
        secret=row["secret"],
        messages=messages,
        completion=completion,
        turn=Turn(None, messages, completion, tuple(tuple(path) for path in row["told"])),
    )
    move._reward, move.foul, move.why_masked, move.keep = row["reward"], row["foul"], row["why_masked"], row["keep"]
    return move
