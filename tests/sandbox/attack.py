"""Every attack, honest program and forgery of the self-test, wherever a sandbox can stand. `make attack`

    python tests/sandbox/attack.py [PLACE ...]

A *place* is a backend under circumstances: as a plain user, in a default container, without user namespaces. Each has a
process of its own and must reach the level that is due there; what this machine does not have is skipped, with the
reason. Exit code 1 if anything went otherwise than it must. A container engine: ``scripts/container-engine start``.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from selfplay.errors import RunError
from selfplay.sandbox.judge import Rules
from selfplay.sandbox.local import LocalSandbox
from selfplay.sandbox.pool import CodePool
from selfplay.sandbox.selftest import PROGRAMS, selftest
from selfplay.sandbox.selftest.forgeries import forged_passes, questions
from selfplay.sandbox.subprocess import SubprocessSandbox
from selfplay.sandbox.types import Level, Profile, Sandbox

ROOT = Path(__file__).parents[2]
SYSTEM_PYTHON = "/usr/bin/python3"
"""What a user may run who is not allowed into our home."""
_NOBODY = "65534"


class Skip(Exception):
    """This machine does not have what a place needs."""


class Place(NamedTuple):
    """Where, and what must hold there."""

    name: str
    level: Level
    box: str
    """Of `BOXES`."""
    around: Callable[[Sequence[str]], Sequence[str]] = list
    """The command line that runs a command in these circumstances."""


# Inside: one sandbox, here


def _remote() -> Sandbox:
    sys.path.insert(0, str(Path(__file__).parent))
    from conftest import Served

    return Served()


def _docker() -> Sandbox:
    from selfplay.sandbox.docker import DockerSandbox

    return DockerSandbox(workers=2)


BOXES: dict[str, Callable[[], Sandbox]] = {
    "local": lambda: LocalSandbox(workers=2),
    "local-L2": lambda: LocalSandbox(workers=2, without=["namespaces"]),
    "subprocess": lambda: SubprocessSandbox(workers=2),
    "subprocess-bare": lambda: SubprocessSandbox(workers=2, bubblewrap=False),
    "remote": _remote,
    "docker": _docker,
}


def attack(box: str) -> dict[str, object]:
    """Play everything in one sandbox."""
    numpy = importlib.util.find_spec("numpy") is not None
    programs = [program for program in PROGRAMS if numpy or program.profile is not Profile.SCI]

    async def play() -> tuple[str, dict[str, str]]:
        async with BOXES[box]() as sandbox:
            return sandbox.level.name, await selftest(sandbox, programs)

    level, found = asyncio.run(play())
    pool = CodePool(BOXES[box], Rules(allow_weak_sandbox=True))
    forged = forged_passes(pool)
    pool.close()
    wrong = [f"{name}: {trouble}" for name, trouble in found.items() if trouble]
    wrong += [f"judged wrongly - {name}" for name in forged]
    return {"level": level, "programs": len(found), "forgeries": len(questions()), "wrong": wrong}


# Outside: all places


def _as_nobody(command: Sequence[str]) -> list[str]:
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Skip("only root can become somebody else, with setpriv")
    user = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    try:
        tried = subprocess.run(
            [*user, SYSTEM_PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], check=False
        )
    except OSError as error:
        raise Skip(str(error)) from error
    if tried.returncode or not os.stat(ROOT).st_mode & 0o005:
        raise Skip(f"that user lacks Python 3.11 in {SYSTEM_PYTHON}, or may not read this checkout")
    return [*user, SYSTEM_PYTHON, *command[1:]]


def _without_user_namespaces(command: Sequence[str]) -> list[str]:
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces"
    tried = subprocess.run(["unshare", "-Ur", "sh", "-c", forbid], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise Skip(f"this machine cannot pretend: {tried.stderr.strip()}")
    return ["unshare", "-Ur", "sh", "-c", f"{forbid} && exec {shlex.join(command)}"]


def _with_bubblewrap(command: Sequence[str]) -> Sequence[str]:
    if shutil.which("bwrap") is None:
        raise Skip("bubblewrap is not installed (apt-get install bubblewrap)")
    return command


def _with_engine(command: Sequence[str]) -> Sequence[str]:
    try:
        from selfplay.sandbox.containers.engine import connect

        connect().close()
    except (RunError, ImportError) as error:
        raise Skip(f"{str(error).splitlines()[0]} (see scripts/container-engine)") from error
    return command


@contextmanager
def _container(command: Sequence[str]) -> Iterator[str]:
    """What a default container says that runs our Python with this checkout; see `_in_container`."""
    from selfplay.sandbox.containers.engine import connect, remove
    from selfplay.sandbox.containers.image import local_image

    client = connect()
    image = local_image(client)
    parts = ("selfplay", "sandbox", "tests", "pyproject.toml")
    binds = {str(ROOT / name): {"bind": f"/checkout/{name}", "mode": "ro"} for name in parts}
    made = client.create_container(
        image.name,
        [image.python, "/checkout/tests/sandbox/attack.py", *command],
        environment={"PYTHONPATH": "/checkout"},
        host_config=client.create_host_config(binds=binds, network_mode="none"),
    )["Id"]
    try:
        said = client.attach(made, stdout=True, stderr=False, stream=True)
        client.start(made)
        yield b"".join(said).decode()
    finally:
        remove(client, made)
        client.close()


def _in_container(command: Sequence[str]) -> Sequence[str]:
    return [*_with_engine(command)[:2], "--in-container", *command[2:]]


PLACES = [
    Place("local", Level.L3, "local"),
    Place("local, a plain user", Level.L3, "local", _as_nobody),
    Place("local, no user namespaces", Level.L2, "local", _without_user_namespaces),
    Place("local, in a container", Level.L2, "local", _in_container),
    Place("local, namespaces off", Level.L2, "local-L2"),
    Place("subprocess, bubblewrap", Level.L2, "subprocess", _with_bubblewrap),
    Place("subprocess, bare", Level.L2, "subprocess-bare"),
    Place("remote", Level.L3, "remote"),
    Place("docker", Level.L2, "docker", _with_engine),
]


def _visit(place: Place) -> tuple[str, bool]:
    """Play everything there; what to say, and whether it holds."""
    start = time.monotonic()
    try:
        command = place.around([sys.executable, str(Path(__file__)), "--here", place.box])
    except Skip as reason:
        return f"skipped: {reason}", True
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", env=environment, check=False)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return f"it broke: {(done.stderr or done.stdout).strip()[-500:]}", False
    wrong = found["wrong"]
    if found["level"] != place.level.name:
        wrong.insert(0, f"the level is {found['level']}, not {place.level.name}")
    summary = f"{found['level']}  {found['programs']} programs, {found['forgeries']} forgeries"
    return "\n    ".join([f"{summary}  {time.monotonic() - start:4.0f} s", *wrong]), not wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", metavar="PLACE", nargs="*", help=f"of: {'; '.join(place.name for place in PLACES)}")
    parser.add_argument("--here", metavar="BOX", help=argparse.SUPPRESS)
    parser.add_argument("--in-container", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        if options.in_container:
            with _container(["--here", options.here]) as said:
                print(said)
        else:
            print(json.dumps(attack(options.here)))
        return 0
    unknown = set(options.places) - {place.name for place in PLACES}
    if unknown:
        parser.error(f"no such place: {', '.join(unknown)}")
    held = True
    for place in PLACES:
        if not options.places or place.name in options.places:
            said, good = _visit(place)
            held &= good
            print(f"{'ok  ' if good else 'FAIL'} {place.name:26} {said}", flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
