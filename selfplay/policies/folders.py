"""What can be said of a model's name before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path

from selfplay.errors import UsageError

_ADVICE = "  give a folder such as `selfplay snapshot export` writes, or an id such as Qwen/Qwen3-0.6B"


def check_source(name: str) -> None:
    """Tell a folder that is not there, or holds no model, from an id of a model hub.

    Raises:
        UsageError: it can only be meant as a folder, and is none with a ``config.json``.
    """
    folder = Path(name)
    looks_like_path = folder.is_absolute() or name.startswith(".") or len(folder.parts) > 2
    if looks_like_path and not folder.exists():
        raise UsageError(f"no model at {name!r}: there is no such folder (looked in {Path.cwd()})\n{_ADVICE}")
    if folder.exists() and not (folder / "config.json").is_file():
        raise UsageError(f"no model at {name!r}: a Hugging Face folder with a config.json was expected\n{_ADVICE}")
