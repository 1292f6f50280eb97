"""Images: a Python and what it needs, nothing else. No shell, no packages but numpy, no users.

`local_image` makes one of the Python that runs us, from the files of this machine, so that no registry is needed. Its
name is a hash of these files' names, sizes and times: when Python, numpy or a library changes, another image is made.
Any other image serves that says by its labels where its Python is, for instance one built with the Dockerfile that
lies beside this file.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from selfplay.errors import RunError, UsageError
from selfplay.sandbox.containers.engine import OURS
from selfplay.sandbox.launch import python, readable, sci_folders, site_of_numpy, standard_library

if TYPE_CHECKING:
    from docker import APIClient

_NAME = "selfplay-sandbox"
_PYTHON, _READABLE, _PACKAGES = "selfplay.python", "selfplay.readable", "selfplay.packages"
"""Labels: the interpreter; what executions may read, and folders to import numpy from, separated by colons."""
_NOT_NEEDED = {"site-packages", "dist-packages", "test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3"}
_OTHER_FILES = ("/etc/ld.so.cache", "/usr/share/zoneinfo")
_MOUNT_POINTS = ("/dev", "/proc", "/sys")
_LIBRARY = re.compile(r"^\s*(?:\S+ => )?(/\S+) \(", re.MULTILINE)
"""In a line of ldd."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image, and where in it things are."""

    name: str
    python: str
    readable: Sequence[str]
    packages: Sequence[str]
    """Folders that numpy is imported from; none if there is no numpy."""


def existing_image(engine: APIClient, name: str) -> Image:
    """An image that is there.

    Raises:
        UsageError: it is not, or its labels do not say where its Python is.
    """
    from docker.errors import ImageNotFound

    try:
        labels = engine.inspect_image(name)["Config"]["Labels"] or {}
    except ImageNotFound as error:
        raise UsageError(f"the container engine has no image {name!r}\n  build or pull it first") from error
    if _PYTHON not in labels or _READABLE not in labels:
        raise UsageError(
            f"image {name!r} has no labels {_PYTHON} and {_READABLE}, so it is not known where its Python is\n"
            f"  build it with {os.path.dirname(__file__)}/Dockerfile"
        )
    return Image(name, labels[_PYTHON], _split(labels[_READABLE]), _split(labels.get(_PACKAGES, "")))


def local_image(engine: APIClient) -> Image:
    """The image of the Python that runs us; made (a few seconds) if it is not there.

    Raises:
        RunError: this machine's files are of no use in a container.
    """
    from docker.errors import ImageNotFound

    if sys.platform != "linux":
        raise RunError(
            f"containers cannot run the Python of {sys.platform}\n  name an image of your own, built with"
            f" {os.path.dirname(__file__)}/Dockerfile"
        )
    packages = _packages()
    files = sorted(_files(packages))
    name = f"{_NAME}:{_hash(files)}"
    try:
        return existing_image(engine, name)
    except UsageError as error:
        if not isinstance(error.__cause__, ImageNotFound):
            raise
    said = {OURS: "image", _PYTHON: python(), _READABLE: ":".join(readable()), _PACKAGES: ":".join(packages)}
    with tempfile.TemporaryFile() as archive:
        _pack(files, archive)
        archive.seek(0)
        changes = [f'LABEL {label}="{text}"' for label, text in said.items()]
        engine.import_image(archive, name, changes=changes)  # podman does not read a tag of its own
    return existing_image(engine, name)


def _packages() -> list[str]:
    try:
        return [str(site_of_numpy())]
    except RunError:
        return []


def _files(packages: Sequence[str]) -> set[str]:
    """All files that go in, the folders and links on the way to them not counted."""
    trees = [*standard_library(), *sci_folders(packages), *_OTHER_FILES]
    found = {python(), *(path for tree in trees for path in _below(tree))}
    return found | _libraries([path for path in found if path.endswith(".so") or path == python()])


def _below(tree: str) -> Iterator[str]:
    if os.path.isfile(tree):
        yield tree
    for folder, folders, names in os.walk(tree):
        folders[:] = [name for name in folders if name not in _NOT_NEEDED and not name.startswith("config-")]
        yield from (os.path.join(folder, name) for name in names if not name.endswith((".opt-1.pyc", ".opt-2.pyc")))


def _libraries(programs: Sequence[str]) -> set[str]:
    """The shared libraries that programs and extension modules need, and the one that threads load when they end."""
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False)
    found = {os.path.normpath(path) for path in _LIBRARY.findall(said.stdout)}
    if not found and said.returncode:
        raise RunError(f"ldd does not say which libraries Python needs: {said.stderr.strip()}")
    beside = {os.path.dirname(path) for path in found}
    return found | {path for folder in beside for path in glob.glob(f"{folder}/libgcc_s.so.1")}


def _hash(files: Sequence[str]) -> str:
    found = hashlib.sha256(repr((sys.version, readable(), _MOUNT_POINTS)).encode())
    for path in files:
        status = os.stat(path, follow_symlinks=False)
        found.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return found.hexdigest()[:16]


def _pack(files: Sequence[str], archive: IO[bytes]) -> None:
    """A tar archive of `files` under their own names, with symbolic links on the way kept as they are."""
    with tarfile.open(fileobj=archive, mode="w") as tar:
        packed: set[str] = set()
        for path in [*_MOUNT_POINTS, *files]:
            _add(tar, path, packed)


def _add(tar: tarfile.TarFile, path: str, packed: set[str]) -> None:
    """Add a path, after the folders above it, and what it points to if it is a link."""
    if path in packed or path == "/":
        return
    packed.add(path)
    above = os.path.dirname(path)
    _add(tar, above, packed)
    real = os.path.join(os.path.realpath(above), os.path.basename(path))
    if real != path:  # a folder above is a link
        return _add(tar, real, packed)
    member = tarfile.TarInfo(path.lstrip("/")) if path in _MOUNT_POINTS else tar.gettarinfo(path, path.lstrip("/"))
    if path in _MOUNT_POINTS:
        member.type = tarfile.DIRTYPE
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644  # some lie where only root may look
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    if member.isreg():
        with open(path, "rb") as file:
            tar.addfile(member, file)
        return
    tar.addfile(member)
    if member.issym():
        _add(tar, os.path.normpath(os.path.join(above, member.linkname)), packed)


def _split(paths: str) -> list[str]:
    return [path for path in paths.split(":") if path]
