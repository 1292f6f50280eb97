"""What credit remembers of earlier batches, as a JSON file beside the learner's own.

Floats are written so that they are read back to the same bits: a resumed run has the very baselines it would have had.
"""

from __future__ import annotations

import json
from pathlib import Path

from selfplay.learning.credit import CreditState
from selfplay.learning.estimators import RunningMean

_FILE = "credit.json"


def save_state(state: CreditState, folder: Path) -> None:
    """Write it into `folder`."""
    (folder / _FILE).write_text(json.dumps(state), encoding="utf-8")


def load_state(folder: Path) -> CreditState:
    """Read what `save_state` wrote; a checkpoint without it has no memory (it is older than this file)."""
    path = folder / _FILE
    saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: RunningMean(*pair) for name, pair in saved.items()}
