"""Engines: finding one, and clearing away what ended processes have left on it.

Every container and image of ours has the label `OURS`; a container also says for which run it works and which process
it belongs to. A container ends with its process, even one that is killed. One that is there all the same, since the
engine or the machine went down, is *left over*: it is removed when the next sandbox starts, or by `selfplay doctor
--clean`. Containers of other machines' processes are never touched; nothing is known about those.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from selfplay.errors import MissingExtra, RunError

if TYPE_CHECKING:
    from docker import APIClient

OURS, RUN, OWNER = "selfplay.sandbox", "selfplay.run", "selfplay.owner"
"""Labels."""
_ANSWER_S, _GOING_S = 120, 10
_SOCKETS = ("/var/run/docker.sock", "{runtime}/docker.sock")
"""Podman's are not tried: see `selfplay.sandbox.docker`."""


def connect() -> APIClient:
    """The engine that ``DOCKER_HOST`` names, or else the first one that answers on this machine.

    Raises:
        MissingExtra: the package `docker` is not installed.
        RunError: none answers.
    """
    try:
        from docker import APIClient
        from docker.errors import DockerException
        from docker.utils import kwargs_from_env
    except ImportError as error:
        raise MissingExtra("the docker sandbox", "docker") from error
    tried = []
    try:
        options = kwargs_from_env()
        for address in [options.pop("base_url")] if "base_url" in options else _addresses():
            try:
                return APIClient(address, version="auto", timeout=_ANSWER_S, **options)
            except (DockerException, OSError) as error:
                tried.append(f"{address}: {error}")
    except DockerException as error:
        tried.append(f"DOCKER_HOST={os.environ.get('DOCKER_HOST')}: {error}")
    raise RunError(
        "no container engine answers\n  start docker, or name its socket: export DOCKER_HOST=unix:///PATH"
        + "".join(f"\n  tried {each}" for each in tried)
    )


def _addresses() -> Iterator[str]:
    for place in _SOCKETS:
        path = place.format(runtime=os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}"))
        if os.path.exists(path):
            yield f"unix://{path}"


def labels(run: str) -> dict[str, str]:
    """For a container of this process that works for `run`."""
    return {OURS: "worker", RUN: run, OWNER: f"{os.uname().nodename} {os.getpid()} {_started(os.getpid())}"}


def left_over(engine: APIClient) -> list[str]:
    """Containers of ours whose process on this machine has ended, by id."""
    found = engine.containers(all=True, filters={"label": f"{OURS}=worker"})
    return [each["Id"] for each in found if _has_ended(each["Labels"].get(OWNER, ""))]


def remove_left_over(engine: APIClient) -> int:
    """Remove them; how many there were."""
    found = left_over(engine)
    for container in found:
        remove(engine, container)
    return len(found)


def remove(engine: APIClient, container: str) -> None:
    """Kill and delete a container; afterwards it is gone, unless the engine fails."""
    from docker.errors import APIError

    with contextlib.suppress(OSError):
        try:
            engine.remove_container(container, force=True, v=True)
        except APIError:  # it is gone already, or going
            engine.wait(container, timeout=_GOING_S, condition="removed")


def _has_ended(owner: str) -> bool:
    host, _, rest = owner.partition(" ")
    pid, _, started = rest.partition(" ")
    return host == os.uname().nodename and pid.isdigit() and _started(int(pid)) != started


def _started(pid: int) -> str:
    """When a process began, so that a later one with its number is not taken for it; empty if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # it has ended, or this system has no /proc
        return "yes" if not os.path.exists("/proc/self") and _is_there(pid) else ""
    return stat.rpartition(")")[2].split()[19]


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True
