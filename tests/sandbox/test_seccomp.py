"""The system call filter of both architectures, interpreted here: the one for aarch64 cannot run on x86-64."""

from __future__ import annotations

import struct

import pytest

from selfplay.sandbox.inside import seccomp
from selfplay.sandbox.inside.syscalls import NUMBERS

ALLOW, EPERM, ENOSYS, KILL = 0x7FFF_0000, 0x0005_0001, 0x0005_0026, 0x8000_0000
ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
I386, PID = 0x4000_0003, 0x7FFF_5E1F


def decide(program: bytes, architecture: int, number: int, *args: int) -> int:
    """What the kernel does with a call, according to a filter program."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, *args, *[0] * (6 - len(args)))
    steps = list(struct.iter_unpack("=HBBI", program))
    at = value = 0
    while True:
        code, if_true, if_false, constant = steps[at]
        at += 1
        if code == 0x20:
            (value,) = struct.unpack_from("=I", data, constant)
        elif code == 0x06:
            return constant
        else:
            holds = {0x15: value == constant, 0x35: value >= constant, 0x45: bool(value & constant)}[code]
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("read", (), ALLOW),
        ("openat", (), ALLOW),
        ("futex", (), ALLOW),
        ("exit_group", (), ALLOW),
        ("ptrace", (), KILL),
        ("unshare", (), KILL),
        ("io_uring_setup", (), KILL),
        ("clone3", (), ENOSYS),
        ("seccomp", (), EPERM),
        ("socketpair", (1,), EPERM),
        ("epoll_ctl", (), EPERM),
        ("clone", (0x003D_0F00,), ALLOW),
        ("clone", (17,), EPERM),
        ("clone", (0x003D_0F00 | 0x1000_0000,), KILL),
        ("kill", (PID, 9), ALLOW),
        ("kill", (2**32 - 1, 9), EPERM),
        ("tgkill", (7, 7, 9), EPERM),
        ("prlimit64", (0,), ALLOW),
        ("prlimit64", (2,), EPERM),
        ("fcntl", (0, 1), ALLOW),
        ("fcntl", (0, 6), EPERM),
        ("ioctl", (0, 0x5401), ALLOW),
        ("ioctl", (0, 0x5412), EPERM),
        ("prctl", (15,), ALLOW),
        ("prctl", (4,), EPERM),
    ],
)
def test_decisions(machine: str, name: str, args: tuple[int, ...], expected: int) -> None:
    number = NUMBERS[machine][name] if name != "seccomp" else {"x86_64": 317, "aarch64": 277}[machine]
    assert decide(seccomp.program(machine=machine), ARCHITECTURES[machine], number, *args) == expected


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_every_number_is_decided(machine: str) -> None:
    program = seccomp.program(machine=machine)
    decisions = [decide(program, ARCHITECTURES[machine], number) for number in range(600)]
    assert set(decisions) == {ALLOW, EPERM, ENOSYS, KILL}
    assert set(decisions[451:]) == {ENOSYS}
    assert 80 < decisions.count(ALLOW) < 200


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_other_ways_into_the_kernel(machine: str) -> None:
    program = seccomp.program(machine=machine)
    assert decide(program, I386, NUMBERS[machine]["read"]) == KILL
    assert decide(program, ARCHITECTURES[machine], 0x4000_0000 + NUMBERS[machine]["read"]) == KILL


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_what_profiles_add(machine: str) -> None:
    numbers, architecture = NUMBERS[machine], ARCHITECTURES[machine]
    loop = seccomp.program(event_loop=True, machine=machine)
    pairs = {(1, 1): ALLOW, (1, 0x8_0801): ALLOW, (2, 1): EPERM, (1, 2): EPERM, (1, 0x8_0002): EPERM}
    assert {pair: decide(loop, architecture, numbers["socketpair"], *pair) for pair in pairs} == pairs
    assert decide(loop, architecture, numbers["setsockopt"]) == EPERM
    assert decide(loop, architecture, numbers["epoll_ctl"]) == ALLOW
    fork = seccomp.program(fork=True, machine=machine)
    assert decide(fork, architecture, numbers["clone"], 17) == ALLOW
    assert decide(fork, architecture, numbers["clone"], 0x1000_0011) == KILL


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_nobodys_modes_and_times_are_changed_where_files_outside_can_be_named(machine: str) -> None:
    alone, beside = (seccomp.program(alone=alone, machine=machine) for alone in (True, False))
    for name in ("fchmod", "fchmodat", "utimensat"):
        number = NUMBERS[machine][name]
        assert decide(alone, ARCHITECTURES[machine], number) == ALLOW
        assert decide(beside, ARCHITECTURES[machine], number) == EPERM


def test_no_two_calls_have_the_same_number() -> None:
    for numbers in NUMBERS.values():
        assert len(set(numbers.values())) == len(numbers)
