"""Running untrusted code, and proving answers. Imported as `selfplay.sandbox`.

What a game names in `match.check` is here; the rest is imported from its module: `mutants`, `observe`, `pool`, `types`.
"""

from __future__ import annotations

if not __name__.startswith("selfplay."):
    raise ImportError(f"import this package as 'selfplay.{__name__}'; '{__name__}' alone may be anybody's package")

from selfplay.sandbox.comparators import Custom, Exact, Lines, Numeric, Tokens, Unordered
from selfplay.sandbox.suites import SuiteRun, SuiteWorth, Trial
from selfplay.sandbox.tasks import FunctionTask, ScriptTask
from selfplay.sandbox.types import Limits, Profile

__all__ = [
    "Custom",
    "Exact",
    "FunctionTask",
    "Limits",
    "Lines",
    "Numeric",
    "Profile",
    "ScriptTask",
    "SuiteRun",
    "SuiteWorth",
    "Tokens",
    "Trial",
    "Unordered",
]
