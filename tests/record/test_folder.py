"""The run folder: made once, found by many names, locked, and put back to a checkpoint after any kill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from selfplay.errors import RunError, UnknownName, UsageError
from selfplay.record import RunFolder, RunInfo, RunWriter, Status, events, list_runs, new_info, open_run
from selfplay.record.info import git_state
from selfplay.types import MatchRecord

Make = Callable[..., MatchRecord]


def files(folder: RunFolder) -> dict[str, bytes]:
    """Logs, checkpoints and snapshots of a run, by path."""
    kept = (folder.events, folder.metrics, *folder.path.glob("matches/*"), *folder.path.glob("*/*/*"))
    return {str(p.relative_to(folder.path)): p.read_bytes() for p in kept if p.is_file()}


def play_generation(writer: RunWriter, record_of: Make, generation: int, *, checkpoint: bool = True) -> None:
    writer.event(events.generation_started(generation, 3))
    for number in range(3):
        writer.match(record_of(number, generation))
    writer.metrics({"update": generation, "generation": generation})  # type: ignore[typeddict-item]
    snapshot = writer.folder.snapshot(generation + 1)
    snapshot.mkdir(exist_ok=True)
    (snapshot / "weights").write_text(str(generation))
    if checkpoint:
        path = writer.folder.checkpoints / f"gen-{generation:04d}"
        path.mkdir(exist_ok=True)
        (path / "state").write_text(str(generation))
        writer.checkpoint(path, generation, update=generation)


def test_a_new_run_has_its_files_and_last_points_at_it(folder: RunFolder) -> None:
    info = folder.info()
    assert folder.path.name.endswith(f"-test-run-{info.id}") and len(info.id) == 4
    assert (info.status, info.seed, info.game, info.name) == (Status.RUNNING, 7, "countdown", "test run")
    assert info.versions["python"] and info.hardware["cpus"] == os.cpu_count() and info.command
    assert folder.config.read_text() == "a = 1\n" and folder.config_input.read_text() == "a = 1 # one\n"
    assert (folder.path.parent / "last").resolve() == folder.path.resolve()
    assert folder.new_attempt().name == "attempt-1" and folder.new_attempt().name == "attempt-2"
    assert (folder.logs / "latest").resolve().name == "attempt-2"


def test_a_folder_in_use_for_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match="exists and is not empty"):
        RunFolder.create(tmp_path, "x", "", "", new_info("x", 0), at=tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    (tmp_path / "empty").mkdir()
    assert RunFolder.create(tmp_path, "x", "", "", new_info("x", 0), at=tmp_path / "empty").info().name == "x"


def test_a_place_where_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot create the run folder"):
        RunFolder.create(tmp_path / "file", "x", "", "", new_info("x", 0))  # holds for root too


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_read_only_parent_and_a_read_only_run(tmp_path: Path, folder: RunFolder) -> None:
    (tmp_path / "ro").mkdir(mode=0o555)
    with pytest.raises(UsageError, match="cannot create the run folder"):
        RunFolder.create(tmp_path / "ro", "x", "", "", new_info("x", 0))
    folder.path.chmod(0o555)
    with pytest.raises(UsageError, match="cannot write in run folder"), folder.lock():
        pass
    folder.path.chmod(0o755)


def test_a_run_on_a_read_only_file_system_can_be_read_but_not_written(
    folder: RunFolder, record_of: Make, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    with RunWriter(folder) as writer:
        play_generation(writer, record_of, 0)
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    bind = ["mount", "--bind", str(folder.path), str(mounted)]
    if subprocess.run(bind, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(mounted)], check=True)
        frozen = RunFolder(mounted)
        with pytest.raises(UsageError, match="cannot write in run folder"), RunWriter(frozen):
            pass
        assert len(list(open_run(mounted).matches())) == 3 and not open_run(mounted).alive
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_a_run_is_found_by_many_names(folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, id = tmp_path / "runs", folder.info().id
    for name in (folder.path, id, id[:3], folder.path.name, "test run", "last"):
        assert RunFolder.open(name, root).path == folder.path.resolve()
    monkeypatch.chdir(tmp_path)
    assert open_run().path == open_run("runs/last").path == folder.path.resolve()
    with pytest.raises(UnknownName, match="did you mean 'test run'"):
        RunFolder.open("test-run", root)
    with pytest.raises(UnknownName, match="unknown run 'last'"):
        RunFolder.open("last", tmp_path / "nothing")
    with pytest.raises(UsageError, match="not a run folder"):
        RunFolder.open(root)
    other = RunFolder.create(root, "test run", "", "", new_info("test run", 8))
    with pytest.raises(UsageError, match="could be any of these"):
        RunFolder.open("test run", root)
    assert {info.id for _, info in list_runs(root)} == {id, other.info().id}
    assert RunFolder.open("last", root).path == other.path.resolve()


def test_run_json_of_another_version_or_broken_is_refused(folder: RunFolder) -> None:
    path = folder.path / "run.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 9'))
    with pytest.raises(UsageError, match=r"schema 9.*reads schema 1"):
        folder.info()
    path.write_text("{")
    with pytest.raises(RunError, match="cannot read"):
        RunInfo.load(path)


def test_git_state_tells_commit_and_changes(tmp_path: Path) -> None:
    assert git_state(tmp_path) is None
    for command in ("init -q", "-c user.name=a -c user.email=a@b commit -q --allow-empty -m x"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    clean = git_state(tmp_path)
    assert clean is not None and len(clean["commit"]) == 40 and clean["dirty"] is False
    (tmp_path / "new").write_text("")
    dirty = git_state(tmp_path)
    assert dirty is not None and dirty["dirty"] and dirty["diff"]


def test_two_processes_never_write_one_run(folder: RunFolder) -> None:
    code = "import sys; from selfplay.record import *; from pathlib import Path\n"
    code += "with RunFolder(Path(sys.argv[1])).lock(): print('locked', flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None and holder.stdin is not None and holder.stdout.readline() == b"locked\n"
    assert folder.is_locked() and open_run(folder.path).alive
    with pytest.raises(UsageError, match=f"in use by process {holder.pid}"), folder.lock():
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    assert not folder.is_locked() and open_run(folder.path).status() == "killed"
    with RunWriter(folder):
        assert folder.info().attempts == 1


def test_rewind_puts_everything_back_to_the_last_checkpoint(folder: RunFolder, record_of: Make) -> None:
    with RunWriter(folder) as writer:
        play_generation(writer, record_of, 0)
        play_generation(writer, record_of, 1)
        expected = files(folder)
        play_generation(writer, record_of, 2, checkpoint=False)
    for _ in range(2):  # the second time changes nothing
        target = folder.rewind()
        assert target is not None and (target.generation, target.update) == (1, 1)
        assert files(folder) == expected
    with RunWriter(folder) as writer:
        writer.match(record_of(0, 2))
    assert [r.id for r in open_run(folder.path).matches()][-1] == "g0002-m0000"


def test_rewind_to_an_earlier_generation_or_to_the_start(folder: RunFolder, record_of: Make) -> None:
    with RunWriter(folder) as writer:
        play_generation(writer, record_of, 0)
        expected = files(folder)
        play_generation(writer, record_of, 1)
    target = folder.rewind(0)
    assert target is not None and target.generation == 0 and files(folder) == expected
    assert folder.rewind(-1) is None
    assert files(folder) == {"events.jsonl": b"", "metrics.jsonl": b""}


def test_a_checkpoint_without_its_seal_does_not_count(folder: RunFolder, record_of: Make) -> None:
    with RunWriter(folder) as writer:
        play_generation(writer, record_of, 0)
        (folder.checkpoints / "gen-0001").mkdir()
        (folder.checkpoints / "gen-0001" / "state").write_text("half")
    assert [c.generation for c in folder.sealed()] == [0]


def test_a_log_that_was_shortened_from_outside_is_an_error(folder: RunFolder, record_of: Make) -> None:
    with RunWriter(folder) as writer:
        play_generation(writer, record_of, 0)
    os.truncate(folder.events, 10)
    with pytest.raises(RunError, match="changed from outside"):
        folder.rewind()


_REWINDER = """
import os, signal, sys
from pathlib import Path
left = int(sys.argv[2])

def countdown(event, args):
    global left
    if event in ("os.truncate", "os.remove", "os.rmdir", "shutil.rmtree"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

from selfplay.record import RunFolder
sys.addaudithook(countdown)
RunFolder(Path(sys.argv[1])).rewind(0)
"""


def test_rewind_can_be_killed_at_every_step(folder: RunFolder, record_of: Make, tmp_path: Path) -> None:
    with RunWriter(folder) as writer:
        play_generation(writer, record_of, 0)
        expected = files(folder)
        for generation in (1, 2):
            play_generation(writer, record_of, generation)
        play_generation(writer, record_of, 3, checkpoint=False)
    for step in range(100):
        copy = tmp_path / f"copy-{step}"
        shutil.copytree(folder.path, copy)
        done = subprocess.run([sys.executable, "-c", _REWINDER, str(copy), str(step)]).returncode
        target = RunFolder(copy).rewind(0)
        assert target is not None and target.generation == 0
        assert files(RunFolder(copy)) == expected, f"killed before destructive step {step}"
        if done == 0:
            break
        assert done == -signal.SIGKILL
    assert step > 5
