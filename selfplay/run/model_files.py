"""What can be told about a model from its files, without loading it or torch."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from math import prod
from pathlib import Path

from selfplay.policies.folders import check_source
from selfplay.run.players import not_local, snapshot_path

BYTES_PER_TOKEN = 4.0
"""Of English text in the tokenizers of current models; used where the model's own cannot be asked."""


def count_parameters(folder: Path) -> int | None:
    """Numbers in a folder's safetensors files, from their headers alone; `None` if there are none."""
    shapes: list[list[int]] = []
    for file in folder.glob("*.safetensors"):
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(length))
        shapes += [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    return sum(map(prod, shapes)) or None


def model_folder(base: str, root: str | Path) -> Path | None:
    """Where the model lies on this machine, if it does.

    Raises:
        UsageError: it is no local model at all, or a folder, family or snapshot that does not exist.
    """
    kind, _, rest = base.partition(":")
    if kind == "tiny":
        from selfplay.tiny.store import find_tiny

        return find_tiny(rest)
    if kind != "hf":
        if "@" not in base:
            raise not_local(base)
        return snapshot_path(base, root)
    rest = os.path.expanduser(rest)
    check_source(rest)
    if Path(rest).is_dir():
        return Path(rest)
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return None
    try:
        found = try_to_load_from_cache(rest, "config.json")
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def token_counter(folder: Path | None) -> Callable[[str], int]:
    """Counts tokens with the tokenizer in `folder`, or by bytes."""
    file = folder / "tokenizer.json" if folder else None
    if file is None or not file.is_file():
        return lambda text: round(len(text.encode("utf-8", "replace")) / BYTES_PER_TOKEN)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
