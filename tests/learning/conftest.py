"""Makes `worlds` importable, and keeps torch to one thread."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)
