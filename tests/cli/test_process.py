"""What only a process of its own can show: start-up, Ctrl-C, standard input, pipes."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selfplay.record import open_run

from .test_learning import RECIPE

COMMAND = [sys.executable, "-m", "selfplay"]
HEAVY = {"torch", "transformers", "trl", "numpy", "datasets", "pyarrow", "rich.console"}


def run(*args: object, **settings: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **settings)  # type: ignore[call-overload,no-any-return]


def test_help_is_quick() -> None:
    def cpu_seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert "league" in run("--help").stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cpu_seconds() for _ in range(3)) < 0.3


@pytest.mark.parametrize("args", [["--help"], ["play", "--help"], ["league", "--help"], ["tiny", "make", "--help"]])
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    script = "import sys; from selfplay.cli import run; code = run(sys.argv[1:]); print(code, *sorted(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True, check=True)
    code, *modules = result.stdout.splitlines()[-1].split()
    assert code == "0" and set(modules) & HEAVY == set()


def test_a_person_plays(tmp_path: Path) -> None:
    args = (
        "play",
        "hidden_number",
        "--seat",
        "guesser=human",
        "--seat",
        "keeper=scripted:truthful",
        "--set",
        "highest=4",
    )
    result = run(*args, input="2\n1\n3\n4\n1\n2\n3\n", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    told, _, transcript = result.stdout.partition("match g0000-m0000")
    assert "guesser>" in told and "The number is" not in told  # what the keeper knows is shown afterwards
    assert "The number is" in transcript and "result:" in transcript
    assert "keeper has moved" in result.stderr


def test_a_person_who_leaves(tmp_path: Path) -> None:
    result = run("play", "hidden_number", "--seat", "guesser=human", input="", cwd=tmp_path)
    assert result.returncode == 1 and "error: the input ended before the match" in result.stderr


def test_json_is_all_there_is_on_stdout(tmp_path: Path) -> None:
    for args in (["games", "list"], ["games", "show", "countdown"], ["runs", "list"], ["play", "hidden_number"]):
        result = run(*args, "--json", cwd=tmp_path)
        assert result.returncode == 0 and json.loads(result.stdout) is not None and result.stderr == ""


def test_no_colours_in_a_pipe() -> None:
    assert "\x1b" not in run("play", "countdown").stdout


def test_a_closed_pipe_is_no_crash() -> None:
    result = subprocess.run(
        f"{sys.executable} -m selfplay games show countdown | head -n 1", shell=True, capture_output=True, text=True
    )
    assert result.stdout.strip() == "countdown" and "Traceback" not in result.stderr


def test_ctrl_c_saves_and_says_how_to_resume(tmp_path: Path, tiny_model: Path) -> None:
    recipe, root = tmp_path / "recipe.toml", tmp_path / "runs"
    recipe.write_text(RECIPE.format(model=tiny_model).replace("generations = 2", "generations = 500"))
    process = subprocess.Popen(
        [*COMMAND, "league", str(recipe), "--root", str(root)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not (root / "last").exists() or len(open_run("last", root).generations) < 2:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    stopped = open_run("last", root)
    assert process.returncode == 130, err
    assert f"selfplay league --resume {root}" in err  # it is not kept in ./runs
    assert "Traceback" not in err and "error" not in err
    assert stopped.status() == "stopped" and out.startswith("gen ")
    closed = sum(1 for _ in stopped.events("generation_closed"))
    assert run("show", "last", "--root", root, "--json").returncode == 0
    assert closed == len(stopped.generations) and closed < 500


def test_ctrl_c_twice_stops_at_once(tmp_path: Path, tiny_model: Path) -> None:
    recipe, root = tmp_path / "recipe.toml", tmp_path / "runs"
    recipe.write_text(RECIPE.format(model=tiny_model).replace("matches = 4", "matches = 50_000"))
    process = subprocess.Popen(
        [*COMMAND, "league", str(recipe), "--root", str(root), "--no-live"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not any(root.glob("*/matches/*.jsonl*")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):  # once waits for the generation
            process.communicate(timeout=0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    stopped = open_run("last", root)
    assert process.returncode == 130, err
    assert "stopped at once" in err and f"selfplay league --resume {stopped.path}" in err and "Traceback" not in err
    assert stopped.status() == "stopped" and 0 < len(list(stopped.matches())) < 50_000


def test_ctrl_c_while_a_person_thinks(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "play", "hidden_number", "--seat", "guesser=human"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    seen = ""
    while "guesser> " not in seen:
        seen += process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "\nstopped\n")
