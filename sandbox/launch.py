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
_PACKAGES_OF_SCI = ("numpy", "numpy.libs")


def python() -> str:
    """The interpreter that runs us, outside any virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def launch(layers: Mapping[str, bool], *, numpy: bool) -> Launch:
    """How to start a worker with these layers (see `selfplay.sandbox.levels`)."""
    packages = [str(site_of_numpy())] if numpy else []
    own = sci_folders(packages)
    hidden = [path for path in _site_packages() if not any(name.startswith(path) for name in own)]
    return Launch([python()], {**settings(layers, readable(), packages), "hidden": hidden})


def settings(layers: Mapping[str, bool], readable: Sequence[str], packages: Sequence[str]) -> dict[str, object]:
    """A server's, with numpy if there are `packages`: the folders to import it from."""
    return {
        **layers,
        "readable": [*readable, *sci_folders(packages)],
        "devices": list(_DEVICES),
        "hidden": [],
        "packages": list(packages),
        "preload": ["numpy"] if packages else [],
    }


def readable() -> list[str]:
    """What every execution may read: the standard library and the libraries of the system."""
    return _outermost([*_LIBRARIES, *standard_library()])


def sci_folders(packages: Sequence[str]) -> list[str]:
    """What belongs to numpy in the folders that it is imported from."""
    return [f"{folder}/{name}" for folder in packages for name in _PACKAGES_OF_SCI]


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
