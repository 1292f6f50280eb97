"""One container: no network, nothing that can be written but a small scratch folder, no capabilities, few resources.

The server's stdin and stdout travel over the engine's attach connection. It belongs to this process: when the process
ends, however it does, the engine closes the server's stdin, the server ends, and the engine deletes the container.

Traps: attach before start, or the first bytes are lost. The engine wraps what comes in frames of its own: one byte
stream number, three zero bytes, four bytes length. podman raises limits on processes unless it is told some.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from selfplay.sandbox.containers.engine import connect, labels, remove
from selfplay.sandbox.inside.namespaces import SCRATCH_PARENT
from selfplay.sandbox.types import MIB, Limits

if TYPE_CHECKING:
    from docker import APIClient

MEMORY = 1280 * MIB
"""Of all processes in it together, and its scratch folder."""
PROCESSES = 128
_NOBODY = 65534
_STUCK_S = 30.0
"""How long the engine may take in the middle of a frame."""
_END_S = 2.0
"""How long an idle server may take to end by itself."""
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts containers. See `selfplay.sandbox.process.Start`."""

    image: str
    runtime: str | None
    """``runc``, ``runsc``, ...; None: the engine's default."""
    run: str
    """What they work for."""

    def __call__(self, command: Sequence[str], environment: Mapping[str, str]) -> Container:
        return Container(self, command, environment)


class Container:
    """See `selfplay.sandbox.process.Process`.

    Raises:
        OSError: the engine does not do it.
    """

    def __init__(self, starter: Starter, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.engine = connect()
        self.id: str = self.engine.create_container(
            starter.image,
            list(command),
            user=f"{_NOBODY}:{_NOBODY}",
            stdin_open=True,
            environment=dict(environment),
            network_disabled=True,
            working_dir="/",
            entrypoint="",
            hostname="sandbox",
            labels=labels(starter.run),
            host_config=_host_config(self.engine, starter.runtime),
        )["Id"]
        try:
            streams = {"stdin": 1, "stdout": 1, "stream": 1}
            self._attached: Any = self.engine.attach_socket(self.id, streams)  # closed when nothing refers to it
            self._socket: socket.socket = getattr(self._attached, "_sock", self._attached)
            self._socket.settimeout(_STUCK_S)
            self._readable = select.poll()
            self._readable.register(self._socket, select.POLLIN)
            self._heard = bytearray()
            self.engine.start(self.id)
        except BaseException:
            remove(self.engine, self.id)
            raise

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def wait(self, timeout_s: float) -> bool:
        return bool(self._heard or self._readable.poll(timeout_s * 1000))

    def read(self, size: int) -> bytes:
        while len(self._heard) < size:
            header = self._receive(8)
            self._heard += self._receive(int.from_bytes(header[4:], "big"))
        data = bytes(self._heard[:size])
        del self._heard[:size]
        return data

    def kill(self) -> None:
        self.engine.kill(self.id)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            while self._readable.poll(_END_S * 1000) and self._socket.recv(_CHUNK):
                pass
        remove(self.engine, self.id)
        self._attached.close()
        self.engine.close()

    def _receive(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(min(size - len(parts), _CHUNK))
            if not part:
                raise EOFError("the container has ended")
            parts += part
        return bytes(parts)


def _host_config(engine: APIClient, runtime: str | None) -> dict[str, object]:
    from docker.types import LogConfig, Ulimit

    sizes = {"nofile": 1024, "nproc": 4096, "core": 0}
    config: dict[str, object] = engine.create_host_config(
        network_mode="none",
        ipc_mode="none",  # no /dev/shm either
        read_only=True,
        tmpfs={SCRATCH_PARENT: f"rw,nosuid,nodev,noexec,size={Limits().tmpfs_size},{_scratch_options(engine)}"},
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        pids_limit=PROCESSES,
        mem_limit=MEMORY,
        memswap_limit=MEMORY,
        nano_cpus=10**9,
        ulimits=[Ulimit(name=name, soft=size, hard=size) for name, size in sizes.items()],
        log_config=LogConfig(type="none"),
        auto_remove=True,
        runtime=runtime,
    )
    return config


def _scratch_options(engine: APIClient) -> str:
    """Whose the scratch folder is, and how many files it may hold, where the engine can say so."""
    if any("Podman" in part["Name"] for part in engine.version().get("Components", ())):
        return "mode=1777"
    return f"mode=0755,uid={_NOBODY},gid={_NOBODY},nr_inodes={Limits().tmpfs_inodes}"
