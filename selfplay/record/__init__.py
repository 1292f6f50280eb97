"""The run folder: writing it so that it survives anything, and reading it back.

    codec   MatchRecord <-> one JSON line             log     append-only JSONL, torn tails, followers
    folder  the files of a run, lock, rewind          writer  what the run loop calls
    events  the public schema of the logs             run     what everybody else calls
    index   SQLite search over the logs (a cache)     export  one table row per move

The logs are the truth; everything else in a run folder can be rebuilt from them. Nothing here plays or learns.
"""

from __future__ import annotations

from selfplay.record.folder import RunFolder, list_runs
from selfplay.record.info import RunInfo, Status, new_info
from selfplay.record.run import Run, open_run
from selfplay.record.writer import RunWriter

__all__ = ["Run", "RunFolder", "RunInfo", "RunWriter", "Status", "list_runs", "new_info", "open_run"]
