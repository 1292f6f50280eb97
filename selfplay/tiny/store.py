"""Where the tiny models live: ``tiny:countdown`` (built in) and ``tiny:path/to/folder`` (made by ``tiny make``).

Weights lie on disk as float16 and are used as float32. Loading goes through the same code as ``hf:``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from selfplay.errors import UnknownName

if TYPE_CHECKING:
    from selfplay.policies.hf import LocalPolicy

MODELS = Path(__file__).parent / "models"
"""One folder per built-in family."""


def families() -> list[str]:
    """Names of the built-in families."""
    return sorted(path.parent.name for path in MODELS.glob("*/config.json"))


def find_tiny(name: str | os.PathLike[str]) -> Path:
    """The folder of a built-in family, or of a tiny model anywhere.

    Raises:
        UnknownName: neither a family nor a folder with a model.
    """
    text = os.path.expanduser(name)
    for folder in (MODELS / text, Path(text)):
        if (folder / "config.json").is_file():
            return folder
    hint = "give one of these or a folder; 'selfplay tiny make' makes a model for any game that offers demonstrations"
    raise UnknownName("tiny model", os.fspath(name), families(), hint)


def load_tiny(name: str | os.PathLike[str], *, rows: int | None = None, threads: int | None = None) -> LocalPolicy:
    """A tiny model as a policy, on the CPU in float32; see `load_hf`."""
    from selfplay.policies.loading import load_hf

    return load_hf(find_tiny(name), dtype="float32", device="cpu", rows=rows, threads=threads)
