"""Hostile programs and how each must end. Numbers are those of the project's list of attacks; `{name}` is the number of
a system call on this machine.

A program that is refused something prints ``denied`` with the error number, so that a refusal for a wrong reason shows.
"""

# ruff: noqa: E501 - programs read best on one line each

from __future__ import annotations

import errno
from dataclasses import dataclass

from selfplay.sandbox.inside.kernel import MACHINE
from selfplay.sandbox.inside.syscalls import NUMBERS
from selfplay.sandbox.types import MIB, Level, Limits, Profile, Status

QUICK = Limits(cpu_s=0.2, memory=192 * MIB)
SEVERAL = Limits(cpu_s=0.2, memory=192 * MIB, processes=4)
SHORT = Limits(cpu_s=0.03, memory=64 * MIB)
OK, EXCEPTION, TIMEOUT, CPU = Status.OK, Status.EXCEPTION, Status.TIMEOUT, Status.CPU_LIMIT
OUTPUT, SIGNAL, VIOLATION = Status.OUTPUT_LIMIT, Status.SIGNAL, Status.VIOLATION
NO_RESULT, INVALID = Status.NO_RESULT, Status.INVALID_RESULT
BUSY = {CPU, TIMEOUT}
"""Which of the two it is depends on how busy the machine is; `test_local` tells them apart."""
HELP = """
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)

def denied(action, *args, **kwargs):
    try:
        result = action(*args, **kwargs)
    except OSError as error:
        print("denied", error.errno)
    else:
        print("allowed", result)

def call(number, *args):
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    if result < 0:
        raise OSError(ctypes.get_errno(), "syscall")
    return result

"""


@dataclass(frozen=True)
class Attack:
    """A script, and what must come of it."""

    name: str
    source: str
    status: set[Status]
    stdout: set[str] | None = None
    """One of these, without the line's end."""
    raises: str | None = None
    limits: Limits = QUICK
    profile: Profile = Profile.STD
    writable: bool = False
    since: Level = Level.L2
    """The level from which on it must end so; below it, whatever happens, the sandbox goes on."""

    @property
    def code(self) -> str:
        source = self.source
        for name, number in SYSCALLS.items():
            source = source.replace(f"{{{name}}}", str(number))
        return HELP + source


def denied(name: str, action: str, *errors: int, since: Level = Level.L2, writable: bool = False) -> Attack:
    """The call is refused with one of `errors`, and the program goes on."""
    wanted = {f"denied {error}" for error in errors or (errno.EPERM,)}
    return Attack(name, action, {OK}, wanted, since=since, writable=writable)


def kills(name: str, source: str, since: Level = Level.L1) -> Attack:
    return Attack(name, source, {VIOLATION}, since=since)


# Numbers that the filter does not need, x86-64 and aarch64.
_MORE = {
    "shmget": (29, 194),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "execve": (59, 221),
    "mlock": (149, 228),
    "sched_setscheduler": (144, 119),
    "setuid": (105, 146),
    "capset": (126, 91),
    "setsid": (112, 157),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "swapon": (167, 224),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "add_key": (248, 217),
    "personality": (135, 92),
    "setxattr": (188, 5),
    "inotify_init1": (294, 26),
    "signalfd4": (289, 74),
    "flock": (73, 32),
    "acct": (163, 89),
    "reboot": (169, 142),
    "seccomp": (317, 277),
    "landlock_restrict_self": (446, 446),
}
SYSCALLS = NUMBERS.get(MACHINE, {}) | {name: pair[MACHINE == "aarch64"] for name, pair in _MORE.items()}

BOMBS = (
    "while True: pass",
    "x = []\nwhile True: x.append(bytes(1 << 20))",
    "while True: print('x' * 9999)",
    "while True: open(str(id(object())) * 9, 'wb').write(bytes(1 << 20))",
    "while True: os.fork()",
    "import threading\nwhile True: threading.Thread(target=exec, args=['while True: pass'], daemon=True).start()",
)
RESOURCES = [
    Attack("1 endless loop", "while True: pass", BUSY),
    Attack("2 sleep", "import time; time.sleep(99)", {TIMEOUT}),
    Attack("3 SIGXCPU ignored", "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass", BUSY),
    Attack("4 busy threads", "import threading\ndef f():\n    while True: pass\nfor _ in range(8): threading.Thread(target=f).start()", BUSY),
    Attack("5 growing list", "x = []\nwhile True: x.append(bytes(1 << 20))", {EXCEPTION}, raises="MemoryError"),
    denied("6 huge mapping", "import mmap\ndenied(mmap.mmap, -1, 4 << 30)", errno.ENOMEM),
    Attack("7 huge bytearray", "bytearray(10**10)", {EXCEPTION}, raises="MemoryError"),
    denied("10 fork", "denied(os.fork)"),
    denied("11 clone3", "denied(call, {clone3}, ctypes.create_string_buffer(88), 88)", errno.ENOSYS),
    Attack("10 more processes than allowed", "import time\ndef f():\n    for _ in range(40):\n        if os.fork() == 0: time.sleep(1)\ndenied(f)", {OK}, {"denied 11"}, limits=SEVERAL, since=Level.L3),
    denied("11 clone", "denied(call, {clone}, 17, 0, 0, 0, 0)"),
    denied("11 vfork", "denied(call, {vfork})"),
    Attack("12 hundred threads", "import threading, time\nfor _ in range(100): threading.Thread(target=time.sleep, args=[9], daemon=True).start()", {EXCEPTION}, raises="RuntimeError"),
    denied("13 descriptors", "def f():\n    while True: os.dup(1)\ndenied(f)", errno.EMFILE),
    denied("14 large file", "denied(os.pwrite, os.open('f', os.O_RDWR | os.O_CREAT), b'x', 17 << 20)", errno.EFBIG, writable=True),
    denied("15 full disk", "def f():\n    for name in 'ab': open(name, 'wb').write(bytes(15 << 20))\ndenied(f)", errno.ENOSPC, since=Level.L3, writable=True),
    denied("16 inodes", "def f():\n    for i in range(5000): open(str(i), 'w').close()\ndenied(f)", errno.ENOSPC, since=Level.L3, writable=True),
    denied("17 sparse file", "denied(os.truncate, os.open('f', os.O_RDWR | os.O_CREAT), 1 << 40)", errno.EFBIG, writable=True),
    denied("18 deep folders", "def f():\n    for i in range(5000):\n        os.mkdir('d')\n        os.chdir('d')\ndenied(f)", errno.ENOSPC, since=Level.L3, writable=True),
    denied("19 memfd", "denied(call, {memfd_create}, b'x', 0)"),
    denied("19 shmget", "denied(call, {shmget}, 0, 4096, 0o1600)"),
    denied("19 shared memory", "from multiprocessing.shared_memory import SharedMemory\ndenied(SharedMemory, create=True, size=9)", errno.ENOENT, errno.EACCES, errno.EROFS),
    Attack("20 power in C", "pow(10, 10**9)", BUSY | {EXCEPTION}),
    Attack("21 regular expression", "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')", BUSY),
    Attack("22 long int to str", "str(10**300000)", {EXCEPTION}, raises="ValueError"),
    Attack("23 storm of alarms", "import signal\nsignal.signal(signal.SIGALRM, lambda *a: None)\nsignal.setitimer(signal.ITIMER_REAL, 1e-5, 1e-5)\nwhile True: pass", BUSY),
    Attack("24 parser bomb", "eval('(' * 100000)", {EXCEPTION}),
    Attack("24 parser bomb as the program", "(" * 60_000, {EXCEPTION}),
    Attack("24 syntax tree bomb as the program", "x = " + "-" * 60_000 + "1", {EXCEPTION, SIGNAL}),
    Attack("25 recursion without limit", "sys.setrecursionlimit(10**8)\ndef f(): return f()\nf()", BUSY | {SIGNAL, EXCEPTION}),
    Attack("25 recursion in C", "sys.setrecursionlimit(10**8)\nclass A:\n    def __getattr__(self, name): return getattr(self, name + 'x'[:0])\nrepr(A().x)", BUSY | {SIGNAL, EXCEPTION}),
    Attack("26 nested repr", "x = []\nfor _ in range(100000): x = [x]\nrepr(x)", {EXCEPTION}, raises="RecursionError"),
    denied("27 mlock", "denied(call, {mlock}, id(os), 4096)"),
    denied("27 nice", "denied(os.nice, -20)"),
    denied("27 real time", "denied(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1))"),
    *[Attack(f"28 bomb {n}", BOMBS[n % len(BOMBS)], BUSY | {OUTPUT, EXCEPTION}, limits=SHORT, writable=n % 2 > 0) for n in range(64)],
]  # fmt: skip

OUTPUT_ATTACKS = [
    Attack("29 stdout flood", "while True: print('x' * 1000)", {OUTPUT}),
    Attack("30 stderr flood", "while True: print('x' * 1000, file=sys.stderr)", {OUTPUT}),
    Attack("31 dripping", "import time\nwhile True:\n    print('.', flush=True)\n    time.sleep(0.01)", {TIMEOUT}),
    Attack("32 closed stdout", "os.close(1)\nprint('x')", {OK, NO_RESULT, EXCEPTION}),
    Attack("33 a child that keeps stdout", "import time\nif os.fork() == 0: time.sleep(60)\nprint('early')", {OK}, {"early"}, limits=SEVERAL),
    Attack("34 late write", "import threading, time\ndef f():\n    time.sleep(0.3)\n    print('late', flush=True)\nthreading.Thread(target=f, daemon=True).start()\nprint('early')", {OK}, {"early"}),
    Attack("35 surrogates", "print('\\ud800')", {EXCEPTION}, raises="UnicodeEncodeError"),
    Attack("36 control characters", "os.write(1, b'\\0\\x1b[2J\\xff\\n')", {OK}, {"\0\x1b[2J\ufffd"}),
    Attack("37 one long line", "os.write(1, b'x' * (64 << 20))", {OUTPUT}),
    Attack("38 records on stdout", "sys.stdout.buffer.write(b'e' + bytes([0, 0, 0, 1]) + bytes(8)); os._exit(0)", {NO_RESULT}),
    Attack("39 junk on all descriptors", "for i in range(1024):\n    try: os.write(i, b'junk' * 9)\n    except OSError: pass", {INVALID}),
    Attack("109 two ends", "os.write(3, b'e' + bytes([0, 0, 0, 1]) + bytes(8))", {INVALID}),
    Attack("109 cut short", "os.write(3, b'x' + bytes(8) + bytes([0, 0, 1, 0])); os._exit(0)", {INVALID}),
    Attack("109 exit in silence", "print('PASS'); sys.stdout.flush(); os._exit(0)", {NO_RESULT}),
    Attack("109 own failure as ours", "os.write(3, b'OSError: no space'); os._exit(1)", {INVALID}),
    Attack("a source that holds NUL", "\0", {EXCEPTION}),
    Attack("a source that is no text", "x = '\ud800'", {EXCEPTION}, raises="UnicodeEncodeError"),
    Attack("exit code", "sys.exit(3)", {EXCEPTION}, raises="SystemExit"),
]  # fmt: skip

ESCAPES = [
    denied("40 daemon", "denied(os.fork)"),
    Attack("40 daemon of several processes", "import time\nif os.fork() == 0:\n    try: os.setsid()\n    except OSError: pass\n    if os.fork() == 0: time.sleep(60)\n    os._exit(0)\nprint('early')", {OK}, {"early"}, limits=SEVERAL),
    denied("41 kill all", "denied(os.kill, -1, 9)"),
    denied("42 kill parent", "denied(os.kill, os.getppid(), 9)"),
    denied("42 kill 2", "denied(os.kill, 2, 9)"),
    kills("43 ptrace", "call({ptrace}, 0, 0, 0, 0)"),
    kills("44 process_vm_readv", "call({process_vm_readv}, 1, 0, 0, 0, 0, 0)"),
    kills("45 pidfd_open", "call({pidfd_open}, os.getpid(), 0)"),
    denied("46 /proc/self/environ", "denied(open, '/proc/self/environ')", errno.ENOENT, errno.EACCES),
    denied("46 /proc/1/mem", "denied(open, '/proc/1/mem')", errno.ENOENT, errno.EACCES),
    denied("47 exec", "denied(os.execv, '/bin/sh', ['sh'])", errno.EPERM, errno.ENOENT),
    denied("47 exec of Python", "denied(os.execv, '/lib64/ld-linux-x86-64.so.2', ['x'])", errno.EPERM, errno.ENOENT),
    denied("47 subprocess", "import subprocess\ndenied(subprocess.run, ['/bin/true'])"),
    Attack("48 abort", "os.abort()", {SIGNAL}),
    Attack("49 null pointer", "ctypes.string_at(0)", {SIGNAL}),
    Attack("50 all signals blocked", "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\ntime.sleep(99)", {TIMEOUT}),
    Attack("50 stops itself", "import signal, time\nos.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(99)", {TIMEOUT}),
    kills("52 x32", "call(0x40000000 + 39)"),
    denied("53 setuid", "denied(os.setuid, 0)"),
    denied("53 capset", "denied(call, {capset}, ctypes.create_string_buffer(8), ctypes.create_string_buffer(24))"),
    denied("53 dumpable", "denied(call, {prctl}, 4, 1, 0, 0, 0)"),
    denied("setsid", "denied(os.setsid)"),
]  # fmt: skip

NETWORK = [
    denied("55 tcp", "import socket\ndenied(socket.create_connection, ('127.0.0.1', 80))"),
    denied("55 listen", "import socket\ndenied(socket.create_server, ('127.0.0.1', 8000))"),
    denied("55 udp", "import socket\ndenied(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)"),
    Attack("55 dns", "import socket\nsocket.getaddrinfo('example.org', 80)", {EXCEPTION}, raises="gaierror"),
    *[
        denied(f"56-58 {family}", f"import socket\ndenied(socket.socket, {number}, 3)")
        for family, number in {"unix": 1, "netlink": 16, "packet": 17, "alg": 38, "vsock": 40}.items()
    ],
    denied("59 socketpair", "import socket\ndenied(socket.socketpair)"),
    Attack("59 tcp with asyncio", "import socket\ndenied(socket.socket)", {OK}, {"denied 1"}, profile=Profile.ASYNCIO),
    Attack("59 datagrams with asyncio", "import socket\ndenied(socket.socketpair, socket.AF_UNIX, socket.SOCK_DGRAM)", {OK}, {"denied 1"}, profile=Profile.ASYNCIO),
    Attack("59 socket filter with asyncio", "import socket\ndenied(socket.socketpair()[0].setsockopt, 1, 26, bytes(16))", {OK}, {"denied 1"}, profile=Profile.ASYNCIO),
    denied("60 flock", "import fcntl\ndenied(fcntl.flock, os.open(os.__file__, os.O_RDONLY), fcntl.LOCK_SH)"),
    denied("61 lock", "import fcntl\ndenied(fcntl.lockf, os.open(os.__file__, os.O_RDONLY), fcntl.LOCK_SH)"),
    denied("61 lease", "import fcntl\ndenied(fcntl.fcntl, os.open(os.__file__, os.O_RDONLY), fcntl.F_SETLEASE, 0)"),
    kills("62 keyctl", "call({keyctl}, 0, -3, 0)"),
    denied("63 message queue", "denied(call, {mq_open}, b'q', 0o100, 0o600, 0)"),
    denied("63 semaphores", "denied(call, {semget}, 0, 1, 0o1600)"),
]  # fmt: skip

_UNREADABLE = ["/etc/passwd", "/etc/shadow", "/root/.ssh", "/root/.bashrc", "/proc/cmdline", "/sys/kernel", "/dev/mem"]
FILES = [
    *[denied(f"65 read {p}", f"denied(open, {p!r})", errno.ENOENT, errno.EACCES) for p in _UNREADABLE],
    denied("65 list home", "denied(os.listdir, '/root')", errno.ENOENT, errno.EACCES),
    denied("65 list root", "denied(os.listdir, '/')", errno.EACCES),
    Attack("66 environment", "print(sorted(os.environ))", {OK}, {"['HOME', 'LANG', 'TZ']"}),
    *[
        denied(f"67 write {p}", f"denied(open, '{p}', 'w')", errno.EROFS, errno.EACCES, errno.ENOENT)
        for p in ("/usr/x", "/etc/x", "/dev/x", "/x", "/tmp/x", "/usr/lib/x", "x")
    ],
    denied("67 remove", "denied(os.remove, os.__file__)", errno.EROFS, errno.EACCES),
    denied("68 symbolic link", "os.symlink('/etc/passwd', 'l')\ndenied(open, 'l')", errno.ENOENT, errno.EACCES, writable=True),
    denied("69 hard link", "open('f', 'w').close()\ndenied(os.link, 'f', 'g')", writable=True),
    denied("70 fifo", "denied(os.mkfifo, 'f')", writable=True),
    denied("70 device", "denied(os.mknod, 'f', 0o20666, os.makedev(1, 1))", writable=True),
    denied("73 attribute", "open('f', 'w').close()\ndenied(os.setxattr, 'f', 'user.x', b'1')", writable=True),
    denied("71 a long name", "denied(open, 'x' * 5000, 'w')", errno.ENAMETOOLONG, writable=True),
    denied("71 a name above", "denied(open, '../../x', 'w')", errno.EROFS, errno.EACCES, writable=True),
    Attack("71 odd names", "for name in (b'\\xff', b'a\\nb', b' ', b'-rf', b'x' * 255): open(name, 'w').close()\nprint(len(os.listdir('.')))", {OK}, {"5"}, writable=True),
    Attack("72 a link to outside", "os.symlink('/', 'l')\nprint('left')", {OK}, {"left"}, writable=True),
    Attack("73 setuid", "open('f', 'w').close()\ndenied(os.chmod, 'f', 0o6755)", {OK}, {"allowed None", "denied 1"}, writable=True),
    *[
        denied(f"73 {what} of a file outside", f"denied({call})", errno.EPERM, errno.ENOENT, errno.EROFS, errno.EACCES)
        for what, call in {"mode": "os.chmod, '/etc', 0o755", "mode of Python": "os.chmod, os.__file__, 0o644", "times": "os.utime, '/tmp'"}.items()
    ],
    denied("65 read other packages", "name = os.path.dirname(os.__file__) + '/site-packages'\ndef f():\n    for each, _, files in os.walk(name):\n        for file in files: open(os.path.join(each, file)).close()\n    raise OSError(2, 'none')\ndenied(f)", errno.ENOENT, errno.EACCES),
    kills("74 chroot", "os.chroot('/')"),
    kills("74 mount", "call({mount}, b'x', b'/', b'tmpfs', 0, 0)"),
    kills("74 pivot_root", "call({pivot_root}, b'.', b'.')"),
]  # fmt: skip

KERNEL = [
    kills("75 unshare", "call({unshare}, 0x10000000)"),
    kills("75 clone with user namespace", "call({clone}, 0x10000000 | 17, 0, 0, 0, 0)"),
    kills("75 thread with user namespace", "call({clone}, 0x10000000 | 0x10000, 0, 0, 0, 0)"),
    *[
        kills(f"76-79 {name}", f"call({{{name}}}, 0, 0, 0, 0, 0)")
        for name in ("bpf", "io_uring_setup", "userfaultfd", "perf_event_open", "setns", "kcmp", "fsopen", "pidfd_getfd")
    ],
    *[
        denied(f"80 {name}", f"denied(call, {{{name}}}, 0, 0, 0, 0, 0)")
        for name in (
            "open_by_handle_at", "name_to_handle_at", "kexec_load", "init_module", "swapon", "quotactl", "syslog", "add_key",
            "personality", "inotify_init1", "signalfd4", "acct", "reboot", "seccomp", "landlock_restrict_self",
        )
    ],
    denied("80 a call of the future", "denied(call, 999)", errno.ENOSYS),
    denied("81 terminal input", "import fcntl\ndenied(fcntl.ioctl, 0, 0x5412, b'x')"),
    denied("81 limit of another process", "import resource\ndenied(resource.prlimit, 2, resource.RLIMIT_CPU)"),
    denied("81 raised limit", "import resource\ndenied(lambda: call({prlimit64}, 0, 7, (ctypes.c_long * 2)(9999, 9999), 0))"),
]  # fmt: skip

if MACHINE == "x86_64":
    ESCAPES.append(
        kills(
            "51 32-bit call",
            "import mmap\nm = mmap.mmap(-1, 4096, prot=7)\nm.write(b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3')\n"
            "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()",
        )
    )

_LEAVE = "import builtins\nopen('left', 'w').close(); builtins.len = lambda x: 7; os.environ['LEFT'] = 'x'; sys.modules['left'] = sys; sys.path.append('left')"
_LOOK = "print(os.listdir('.'), len('ab'), 'LEFT' in os.environ, 'left' in sys.modules, 'left' in sys.path)"
LEFT_BEHIND = [
    *[Attack(f"54 leaves something {n}", _LEAVE, {INVALID}, writable=True) for n in range(8)],
    *[Attack(f"54 looks for it {n}", _LOOK, {OK}, {"[] 2 False False False"}, writable=True) for n in range(8)],
    Attack("120 looks around", "assert sys.flags.isolated or sys.flags.no_site; print(type(__builtins__), __name__, __doc__, 'help' in dir(__builtins__))", {OK}),
]  # fmt: skip

ATTACKS = [*RESOURCES, *OUTPUT_ATTACKS, *ESCAPES, *NETWORK, *FILES, *KERNEL, *LEFT_BEHIND]
