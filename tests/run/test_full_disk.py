"""A league on a disk that fills up: the error says so, finished matches are kept, and the run goes on afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import selfplay
from selfplay.cli import run as command
from selfplay.cli import screen
from selfplay.record.codec import dumps

Weights = Callable[[Path], dict[str, bytes]]
LARGE = "size=32m,nr_inodes=10k"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with room for a run."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("mounting a tiny disk needs root on Linux")
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", LARGE, "tmpfs", place], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def resize(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{size}", disk], check=True)


def bytes_for(share: float, disk: Path) -> str:
    """The mount option that leaves room for this share of what is there already."""
    found = os.statvfs(disk)
    return f"size={round((1 + share) * (found.f_blocks - found.f_bfree)) * found.f_frsize}"


def files_for(share: float, disk: Path) -> str:
    """As `bytes_for`, but it is the number of files that runs out."""
    found = os.statvfs(disk)
    return f"nr_inodes={round((1 + share) * (found.f_files - found.f_ffree))}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "room", "share"),
    [
        ("exact", bytes_for, 0.35),
        ("exact", bytes_for, 0.5),
        ("exact", bytes_for, 0.65),
        ("exact", bytes_for, 0.8),
        ("exact", files_for, 0.5),
        ("fast", bytes_for, 0.6),
    ],
)
def test_a_run_whose_disk_is_full_goes_on_when_there_is_room(
    mode: str,
    room: Callable[[float, Path], str],
    share: float,
    disk: Path,
    recipe_file: Path,
    weights: Weights,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sets = [f"schedule.mode={mode}"]
    calm = selfplay.league(recipe_file, root=disk / "calm", overrides=sets)
    resize(disk, room(share, disk))
    screen._console.cache_clear()
    code = command(["league", str(recipe_file), "--root", str(disk / "runs"), "--set", *sets, "--no-live"])
    broken = selfplay.open_run("last", disk / "runs")
    err = capsys.readouterr().err
    assert code == 1 and "Traceback" not in err
    assert f"error: cannot write {broken.path}/" in err and " bytes are free there" in err
    assert "free some space" in err and f"resume with: selfplay league --resume {broken.path}\n" in err
    assert broken.status() in ("failed", "killed")
    kept = {record.id: dumps(record) for record in broken.matches(settled=False)}

    resize(disk, LARGE)
    assert command(["league", "--resume", str(broken.path), "--no-live"]) == 0
    assert broken.status() == "done"
    after = {record.id: dumps(record) for record in broken.matches(settled=False)}
    assert len(after) == 36 and {id: after[id] for id in kept} == kept
    if mode == "exact":
        assert weights(broken.path) == weights(calm.path)
