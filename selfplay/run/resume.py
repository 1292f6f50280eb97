"""What a killed run in `fast` mode leaves behind, and how the next process uses it.

In `exact` mode a resumed run plays the same batches again, to the same bits, so there is nothing to keep. In `fast`
mode a second play would differ, and replies may have cost money. So finished matches newer than the last checkpoint
move to ``salvage/`` before the logs are rewound, and every reply is written to ``salvage/`` as it arrives; both are
used up when their generation is played again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from selfplay.driver import OnMove, Recorded, ask_of
from selfplay.record.codec import completion_from_json, completion_to_json, dumps, from_json
from selfplay.record.folder import RunFolder
from selfplay.record.info import write_atomically
from selfplay.record.log import JsonlLog, read
from selfplay.types import Completion, Ending, MatchRecord, Move, Pairing


class Salvage:
    """The ``salvage/`` folder of a run."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._home = folder.path / "salvage"
        self._log: JsonlLog | None = None

    def collect(self, after: int) -> None:
        """Copy the matches of all generations after closed generation `after` here; call it before the rewind."""
        for number, log in self._folder.match_logs().items():
            if number > after:
                finished = (r for r in map(from_json, read(log)) if r.ending is not Ending.ERROR)  # those get a new try
                found = {record.id: record for record in finished}
                found |= self.records(number)
                self._home.mkdir(exist_ok=True)
                write_atomically(self._file(number), "".join(dumps(r) + "\n" for r in found.values()))

    def records(self, generation: int) -> dict[str, MatchRecord]:
        """Finished matches of a generation, by id."""
        return {record.id: record for record in map(from_json, read(self._file(generation)))}

    def replies(self, generation: int, pairings: Iterable[Pairing]) -> dict[str, Recorded]:
        """Replies of unfinished matches among a generation's `pairings`, by match id."""
        wanted = {pairing.id for pairing in pairings}
        found: dict[str, dict[tuple[int, ...], dict[int, Completion]]] = {}
        for line in read(self._replies_file(generation)):
            if line["match"] in wanted:
                ask, sibling = ask_of(line["move"])
                found.setdefault(line["match"], {}).setdefault(ask, {})[sibling] = completion_from_json(line["reply"])
        return {
            match: Recorded({ask: [given[i] for i in sorted(given)] for ask, given in asks.items()})
            for match, asks in found.items()
        }

    def watch(self, generation: int, then: OnMove) -> OnMove:
        """Write every reply of a generation down as it arrives, then call `then`."""
        self._log = JsonlLog(self._replies_file(generation))

        def on_move(pairing: Pairing, move: Move) -> None:
            assert self._log is not None
            reply = completion_to_json(move.completion)
            self._log.append({"match": pairing.id, "move": move.id, "reply": reply})
            then(pairing, move)

        return on_move

    def clear(self, generation: int) -> None:
        """All matches of this generation are in the log: their replies need no second place."""
        if self._log is not None:
            self._log.close()
            self._log = None
        self._replies_file(generation).unlink(missing_ok=True)

    def forget(self, generation: int) -> None:
        """A checkpoint holds everything up to `generation`."""
        for file in self._home.glob("gen-*.jsonl"):
            if int(file.stem[4:]) <= generation:
                file.unlink()

    def _file(self, generation: int) -> Path:
        return self._home / f"gen-{generation:04d}.jsonl"

    def _replies_file(self, generation: int) -> Path:
        return self._home / f"replies-{generation:04d}.jsonl"
