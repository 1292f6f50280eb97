"""The games: rules only. Imported as `selfplay.envs`."""

from __future__ import annotations

if not __name__.startswith("selfplay."):
    raise ImportError(f"import this package as 'selfplay.{__name__}'; '{__name__}' alone may be anybody's package")
