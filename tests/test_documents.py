"""The README and the pages in docs do what they say: Python blocks run, console blocks exit with 0."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "docs" / "writing-a-game.md"]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def environment() -> dict[str, str]:
    """The checkout's package, and threads that do not burn the core which a test beside this one needs."""
    threads = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    return {**os.environ, **threads, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """An empty folder that sees the project's examples."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


def test_the_game_on_the_first_screen_is_complete(workplace: Path) -> None:
    (game, *_) = blocks(ROOT / "README.md", "python")
    assert len(game.splitlines()) <= 40
    (workplace / "mini.py").write_text(game)
    for arguments in (["games", "check", "mini.py"], ["play", "mini.py", "--seed", "1"]):  # both use its demonstrations
        done = run([sys.executable, "-m", "selfplay", *arguments], workplace)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("number", range(1, len(blocks(ROOT / "README.md", "python"))))
def test_python_blocks_of_the_readme_run(number: int, workplace: Path) -> None:
    (workplace / "block.py").write_text(blocks(ROOT / "README.md", "python")[number])
    done = run([sys.executable, "block.py"], workplace)
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(400)
def test_console_blocks_of_the_readme_run(workplace: Path) -> None:
    lines = [line for block in blocks(ROOT / "README.md", "console") for line in block.splitlines() if line.strip()]
    assert len(lines) > 5
    for line in lines:
        assert line.startswith("$ selfplay "), line
        done = run([sys.executable, "-m", "selfplay", *shlex.split(line)[2:]], workplace)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*/*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#\s]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"
