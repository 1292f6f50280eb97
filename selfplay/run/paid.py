"""Replies that were paid for, on disk: ``paid.jsonl`` in the run folder, or a file of the person's own.

One line per answered call, written before the reply is used, never cut back and never deleted: it is what a resumed run
takes its replies from, and its bill. A line with no replies is a call that may have been charged without an answer.
Only places are kept in memory. No key, address or header is in it.
"""

from __future__ import annotations

import threading
from dataclasses import asdict
from pathlib import Path

from selfplay.policies.api import Paid
from selfplay.policies.api.endpoint import Reply
from selfplay.record.log import JsonlLog, Span, read_at, read_lines
from selfplay.types import Bill, FinishReason


class PaidReplies:
    """The journal in a file; implements `selfplay.policies.api.Journal`.

    Raises:
        UsageError: the file cannot be written.
        RunError: it is damaged, or, from `write`, the disk refused.
    """

    def __init__(self, path: Path) -> None:
        self.bill = Bill()
        self._path = path
        self._places: dict[str, list[Span]] = {}
        self._lock = threading.Lock()
        self._log = JsonlLog(path)
        for line in read_lines(path):
            self._places.setdefault(line.value["key"], []).append(line.span)
            self.bill.add_line(line.value)

    def replies(self, key: str) -> list[Reply]:
        """The replies kept under `key`, in order."""
        with self._lock:
            places = list(self._places.get(key, ()))
        lines = [read_at(self._path, place) for place in places]
        return [Reply(text, FinishReason(reason)) for line in lines for text, reason in line["replies"]]

    def write(self, paid: Paid) -> None:
        """Keep one call."""
        line = asdict(paid)
        line["replies"] = [[reply.text, reply.finish_reason.value] for reply in paid.replies]
        line["tokens"] = [line.pop("tokens_in"), line.pop("tokens_out")]
        with self._lock:
            span = self._log.append(line)
            self._places.setdefault(paid.key, []).append(span)

    def close(self) -> None:
        self._log.close()
