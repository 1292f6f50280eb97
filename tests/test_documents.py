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
LEARNING = ROOT / "docs" / "learning.md"
SHORTER = ["--no-live", "--set", "schedule.generations=1", "--set", "schedule.matches=8", "--set", "evaluation.every=0"]
SHORTER += ["--set", "evaluation.final_tasks=2"]
"""Added to commands that take minutes."""
SAVED = """
before = Reinforce(fresh, sft)
before.train(iter([[reply("2*3")]] * 2), firsts.append)
before.save(Path())
after = Reinforce(model_policy("tiny:countdown", Setup(game)).model, sft)
after.load(Path())
weights = zip(before.model.parameters(), after.model.parameters(), strict=True)
assert after.updates == 2 and all(torch.equal(*pair) for pair in weights)
"""
"""Added to the Python of docs/learning.md: its learner can be saved, as its contract says."""


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


@pytest.mark.parametrize("number", range(len(blocks(ROOT / "docs" / "interop.md", "python"))))
def test_python_blocks_of_the_page_on_other_environments_run(number: int, workplace: Path) -> None:
    pytest.importorskip("pettingzoo")
    (workplace / "block.py").write_text(blocks(ROOT / "docs" / "interop.md", "python")[number])
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


@pytest.fixture
def learning_page(workplace: Path) -> str:
    """The Python of docs/learning.md as one program; its files are in `workplace`."""
    program = []
    for code in blocks(LEARNING, "python"):
        name = re.match(r"# (\w+\.py)\n", code)
        if name:
            (workplace / name[1]).write_text(code)
        else:
            program.append(code)
    return "\n".join(program)


@pytest.mark.slow
def test_the_python_on_the_learning_page_runs(learning_page: str, workplace: Path) -> None:
    (workplace / "page.py").write_text(learning_page + SAVED)
    done = run([sys.executable, "page.py"], workplace)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_runs_use_what_the_learning_page_adds(learning_page: str, workplace: Path) -> None:
    lines = [line.removeprefix("$ ") for block in blocks(LEARNING, "console") for line in block.splitlines()]
    assert [word for line in lines for word in line.split() if "=" in word and ".py" in word] == [
        "game.id=median.py",
        "game.id=near_miss.py",
    ]
    for line in lines:
        done = run([sys.executable, "-m", *shlex.split(line), *SHORTER], workplace)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", ["learning", "players", "running"])
def test_tables_of_recipes_on_a_page_are_valid(page: str) -> None:
    from selfplay.run.phases import Phases
    from selfplay.run.recipe_file import parse_toml, recipe_from

    tables = blocks(ROOT / "docs" / f"{page}.md", "toml")
    assert tables
    for text in tables:
        Phases(recipe_from({"game": {"id": "countdown"}, **parse_toml(text, page)}))


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*/*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#\s]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"
