"""The box: a server's own view of the machine, in which nothing is left but Python's files, read-only.

`enter` moves the calling process into new user, mount, pid, network, ipc, uts and cgroup namespaces and a root
directory that holds the readable paths and nothing else. It returns in a *child*, which is process 1 of the box; what
stays outside waits for it and ends with it, so nothing in the box outlives either of the two.

`fresh_pids` gives the next fork a pid namespace of its own, `fresh_ipc_and_files` an execution its own ipc namespace
and scratch folder.

Traps, each of which cost somebody hours:
- Root builds the mounts while it still is root (Python may lie below a folder that only root enters), then becomes an
  unused user id, so that limits per user count this server alone, and only then enters a user namespace.
- /proc cannot be mounted in here and is not needed, but the maps of user ids are written through it: its folder is
  opened before it disappears, and made ours again after the change of user id.
- `unshare(CLONE_NEWPID)` works once, unless `setns` to one's own pid namespace comes before it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from selfplay.sandbox.inside import kernel

SCRATCH_PARENT = "/box"
SCRATCH = "/box/work"
_FIRST_UID = 64000
_UIDS = 1000
_UID_INSIDE = 1000
_EVERYTHING = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)
_READ_ONLY = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV
_MOUNT_POINT = "/tmp"


def enter(readable: Sequence[str], devices: Sequence[str], hidden: Sequence[str]) -> None:
    """Move into a new box; returns in a child. `hidden` are folders below readable ones that are empty in the box.

    Raises:
        OSError: the kernel or a container does not allow it. The process must end then: it may be half inside.
    """
    own_proc = os.open("/proc/self", os.O_PATH | os.O_CLOEXEC)
    if os.geteuid() == 0:
        uid = _FIRST_UID + os.getpid() % _UIDS
        kernel.call("unshare", kernel.CLONE_NEWNS)
        _build(readable, devices, hidden)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        kernel.let_proc_be_ours()
        kernel.call("unshare", _EVERYTHING)
        _map_ids(own_proc, uid, uid)
    else:
        uid, gid = os.geteuid(), os.getegid()
        kernel.call("unshare", _EVERYTHING)
        _map_ids(own_proc, uid, gid)
        _build(readable, devices, hidden)
    os.close(own_proc)
    kernel.call("sethostname", b"sandbox", 7)
    _become_first_process()


def fresh_pids(own: int) -> None:
    """The next fork is process 1 of a new pid namespace. `own` is a pidfd of this process."""
    kernel.call("setns", own, kernel.CLONE_NEWPID)
    kernel.call("unshare", kernel.CLONE_NEWPID)


def fresh_ipc_and_files(size: int, inodes: int) -> None:
    """An ipc namespace of this process's own and, if `size` is not 0, an empty tmpfs of so many bytes at `SCRATCH`."""
    kernel.call("unshare", kernel.CLONE_NEWIPC | (kernel.CLONE_NEWNS if size else 0))
    if size:
        flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount("tmpfs", SCRATCH, "tmpfs", flags, f"size={size},nr_inodes={inodes},mode=0700")


def _build(readable: Sequence[str], devices: Sequence[str], hidden: Sequence[str]) -> None:
    """Make a root directory for this process's mount namespace. Paths keep their names and symbolic links."""
    kernel.mount("none", "/", "none", kernel.MS_REC | kernel.MS_PRIVATE)
    sources = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in (*readable, *devices) if os.path.exists(path)}
    links = {path: os.readlink(path) for path in sources if os.path.islink(path)}
    kernel.mount("tmpfs", _MOUNT_POINT, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=1m,mode=0755")
    for path, source in sources.items():
        target = _MOUNT_POINT + path
        if path in links:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.symlink(links[path], target)
            continue
        if os.path.isdir(f"/proc/self/fd/{source}"):
            os.makedirs(target, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
        _bind(f"/proc/self/fd/{source}", target, read_only=path not in devices)
        os.close(source)
    for path in hidden:
        if os.path.isdir(_MOUNT_POINT + path):
            kernel.mount("tmpfs", _MOUNT_POINT + path, "tmpfs", _READ_ONLY, "size=4k")
    os.makedirs(_MOUNT_POINT + SCRATCH)
    os.chmod(_MOUNT_POINT + SCRATCH, 0o755)
    kernel.mount("none", _MOUNT_POINT, "none", kernel.MS_REMOUNT | kernel.MS_BIND | _READ_ONLY)
    kernel.pivot_root_to(_MOUNT_POINT)


def _bind(source: str, target: str, *, read_only: bool) -> None:
    """Show `source` at `target`. A flag that the source has cannot be taken away in a user namespace, so it is kept."""
    kernel.mount(source, target, "none", kernel.MS_BIND)
    kept = os.statvfs(target).f_flag & (_READ_ONLY | kernel.MS_NOEXEC)
    flags = kernel.MS_NOSUID | (kernel.MS_RDONLY | kernel.MS_NODEV if read_only else 0)
    kernel.mount("none", target, "none", kernel.MS_REMOUNT | kernel.MS_BIND | kept | flags)


def _map_ids(own_proc: int, uid: int, gid: int) -> None:
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{_UID_INSIDE} {uid} 1"),
        ("gid_map", f"{_UID_INSIDE} {gid} 1"),
    ):
        file = os.open(name, os.O_WRONLY, dir_fd=own_proc)
        os.write(file, text.encode())
        os.close(file)


def _become_first_process() -> None:
    """Go on as process 1 of the pid namespace; the process outside only waits."""
    child = os.fork()
    if child:
        os.closerange(0, 1024)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    kernel.die_with_parent()
    if os.getpid() != 1:
        raise OSError(f"expected to be process 1 of a new pid namespace, am {os.getpid()}")
