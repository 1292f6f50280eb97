"""What a worker of this machine is started with: which Python, and which of its files it may see."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from selfplay.errors import RunError
from selfplay.sandbox.worker import Launch

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache")
_DEVICES = ("/dev/null", "/dev/urandom")
PACKAGES_OF_SCI = ("numpy", "numpy.libs")


def python() -> str:
    """The interpreter that runs us, outside any virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def launch(layers: Mapping[str, bool], *, numpy: bool) -> Launch:
    """How to start a worker with these layers (see `selfplay.sandbox.levels`)."""
    packages = [site_of_numpy()] if numpy else []
    own = [str(folder / name) for folder in packages for name in PACKAGES_OF_SCI]
    readable = _outermost([*_LIBRARIES, *standard_library()]) + own
    return Launch(
        python=[python()],
        settings={
            **layers,
            "readable": readable,
            "devices": list(_DEVICES),
            "hidden": [path for path in _site_packages() if not any(name.startswith(path) for name in own)],
            "packages": [str(folder) for folder in packages],
            "preload": ["numpy"] if numpy else [],
        },
    )


def standard_library() -> list[str]:
    """Folders that hold it."""
    paths = sysconfig.get_paths()
    return [os.path.realpath(paths[name]) for name in ("stdlib", "platstdlib")]


def site_of_numpy() -> Path:
    """The folder that numpy is imported from.

    Raises:
        RunError: it is not installed.
    """
    found = importlib.util.find_spec("numpy")
    if found is None or found.origin is None:
        raise RunError("profile 'sci' needs numpy, which is not installed\n  install it with: pip install numpy")
    return Path(found.origin).parents[1]


def _site_packages() -> list[str]:
    """What else is installed for this Python, which is nobody's business in there."""
    return [f"{folder}/site-packages" for folder in standard_library()] + ["/usr/lib/python3/dist-packages"]


def _outermost(paths: Sequence[str]) -> list[str]:
    """`paths` without those that lie in another one; a symbolic link does not hold what it points to."""
    found: list[str] = []
    for path in sorted(dict.fromkeys(paths)):
        if not any(path.startswith(f"{above}/") and not os.path.islink(above) for above in found):
            found.append(path)
    return found
