"""The portable reference: a fresh Python for every execution, in bubblewrap where that is installed.

It shares everything that runs inside with the local backend and nothing of what is built around it: no namespace,
mount or warm process of ours. Verdicts of the two are compared in the tests. Slow (0.1 s of CPU time per execution), so
not for training.

https://github.com/containers/bubblewrap
"""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Sequence
from dataclasses import replace

from selfplay.sandbox.inside.namespaces import SCRATCH_PARENT
from selfplay.sandbox.launch import launch, python
from selfplay.sandbox.local import LocalSandbox
from selfplay.sandbox.types import MIB
from selfplay.sandbox.worker import Launch


class SubprocessSandbox(LocalSandbox):
    """See `selfplay.sandbox.types.Sandbox`.

    Args:
        workers: processes at a time, one per core unless given.
        bubblewrap: use it if it is installed.
    """

    backend = "subprocess"

    def __init__(self, workers: int | None = None, *, bubblewrap: bool = True) -> None:
        super().__init__(workers, without=["namespaces"], recycle_after=1)
        self.bubblewrap = shutil.which("bwrap") if bubblewrap else None
        if self.bubblewrap:
            self.missing["namespaces"] = f"not ours; {self.bubblewrap} is used"

    def _launch(self, *, numpy: bool) -> Launch:
        plain = launch(self.layers, numpy=numpy)
        if self.bubblewrap is None:
            return plain
        settings = {**plain.settings, "scratch": SCRATCH_PARENT}
        box = _box(settings["readable"], settings["devices"], settings["hidden"])
        return replace(plain, python=[self.bubblewrap, *box, *plain.python], settings=settings)


def _box(readable: Sequence[str], devices: Sequence[str], hidden: Sequence[str]) -> list[str]:
    """What bubblewrap is told: nothing but these paths, no network, nobody else's processes."""
    options = "--unshare-all --die-with-parent --new-session --cap-drop ALL --hostname sandbox --uid 1000 --gid 1000"
    box = options.split()
    for path in (*readable, python(), *_shared_python()):
        if os.path.islink(path):
            box += ["--symlink", os.readlink(path), path]
        elif os.path.exists(path):
            box += ["--ro-bind", path, path]
    for path in hidden:
        if os.path.isdir(path):
            box += ["--tmpfs", path]
    for path in devices:
        box += ["--dev-bind", path, path]
    return [*box, "--size", str(16 * MIB), "--tmpfs", SCRATCH_PARENT, "--remount-ro", "/", "--chdir", "/"]


def _shared_python() -> list[str]:
    """The library that holds the interpreter, where the program does not."""
    folder, name = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME")
    return [f"{folder}/{name}"] if folder and name and name.endswith((".so", ".so.1.0")) else []
