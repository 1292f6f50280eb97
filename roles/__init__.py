"""Duties that games share: prompts, answer formats, foul policies, reward terms. Imported as `selfplay.roles`."""

from __future__ import annotations

if not __name__.startswith("selfplay."):
    raise ImportError(f"import this package as 'selfplay.{__name__}'; '{__name__}' alone may be anybody's package")
