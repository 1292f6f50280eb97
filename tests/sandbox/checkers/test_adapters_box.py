"""Running programs that are not ours: what they see, and how they are ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from selfplay.sandbox.checkers.adapters import box
from selfplay.sandbox.checkers.types import Limits, ProofStatus

QUICK = Limits(cpu_s=0, wall_s=3)
"""At most a second of CPU time, and a wall time of 1.5 s."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="rlimits and /proc as on Linux")


def shell(script: str, limits: Limits = QUICK, **files: str) -> box.Ran:
    return box.run(["/bin/sh", "-c", script], files, limits)


@pytest.fixture(params=["boxed", "without a box"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """With and without namespaces."""
    if request.param == "boxed":
        if not shell("true").boxed:
            pytest.skip("this machine allows no namespaces")
    else:
        monkeypatch.setitem(box._boxes, "possible", False)
    yield request.param == "boxed"


def test_files_exit_code_and_output(either: bool) -> None:
    ran = shell("cat claim.txt; echo problem >&2; exit 7", claim="unused", **{"claim.txt": "a claim\n"})
    assert (ran.exit_code, ran.output, ran.trouble, ran.boxed) == (7, "a claim\nproblem\n", None, either)
    assert bool(box.note()) is not either


def test_a_scratch_folder_that_is_empty_every_time(either: bool) -> None:
    for _ in range(2):
        assert shell("ls -A; echo 1 > left; mktemp > /dev/null").output == ""


def test_the_environment_holds_nothing_of_ours(either: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELFPLAY_TOKEN", "a secret")
    assert "SELFPLAY_TOKEN" not in shell("env").output


def test_time_is_limited_and_the_whole_tree_ends(either: bool) -> None:
    assert shell("while :; do :; done").trouble is ProofStatus.TIMEOUT
    started = time.monotonic()
    assert shell("sleep 31.4159 & sleep 31.4159").trouble is ProofStatus.TIMEOUT
    assert time.monotonic() - started < 20
    assert not wait_for_none("31.4159")


def test_children_that_outlive_the_program_end_too(either: bool) -> None:
    assert shell("sleep 27.1828 > /dev/null 2>&1 &").trouble is None
    assert not wait_for_none("27.1828")


def wait_for_none(argument: str) -> list[str]:
    """Processes with that argument, once they had a moment to go."""
    for _ in range(100):
        alive = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if argument.encode() in path.read_bytes().split(b"\0"):
                    alive.append(str(path))
            except OSError:
                continue
        if not alive:
            return []
        time.sleep(0.05)
    return alive


def test_memory_and_output_are_limited(either: bool) -> None:
    greedy = Limits(cpu_s=5, wall_s=30, memory_mb=200)
    assert "memory exhausted" in shell("dd if=/dev/zero of=/dev/null bs=900M count=1", greedy).output
    assert shell("yes", greedy).trouble is ProofStatus.UNKNOWN


def test_what_a_boxed_program_sees(tmp_path: Path) -> None:
    if not shell("true").boxed:
        pytest.skip("this machine allows no namespaces")
    assert shell("id -u").output == "1000\n"
    assert shell("cat /proc/net/dev | grep -c :").output == "1\n", "the loopback device alone"
    here, home = Path(__file__).parent, Path.home()
    assert shell(f"ls {here} {home} {tmp_path} /etc/passwd").output.count("No such file") == 4
    assert shell(f"touch {tmp_path}/x /usr/x /x /etc/x").exit_code != 0
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_does_not_exist(either: bool) -> None:
    with pytest.raises(OSError, match="No such file"):
        box.run(["/nowhere/prover"], {}, QUICK)
