"""Bad input ends with exit code 2 and a message that says what to do, before any work."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selfplay.record import RunFolder

from .conftest import Command

RECIPE = """[game]
id = "countdown"
[policy]
base = "tiny:nowhere"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "recipe.toml"
    file.write_text(RECIPE)
    return file


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["play", "countdwn"], "unknown game 'countdwn' - did you mean 'countdown'?"),
        (["play", "countdown", "--seat", "solvr=random"], "did you mean 'solver'?"),
        (["play", "countdown", "--seat", "solver=randm"], "did you mean 'random'?"),
        (["play", "countdown", "--seat", "solver=scripted:clever"], "unknown bot of game countdown 'clever'"),
        (["play", "countdown", "--seat", "solver"], "expected SEAT=PLAYER"),
        (["play", "countdown", "--set", "attempt=3"], "did you mean 'attempts'?"),
        (["play", "countdown", "--set", "attempts=many"], "countdown.attempts = 'many' (str): expected int"),
        (["play", "countdown", "--set", "attempts"], "expected KEY=VALUE"),
        (["play", "nowhere.py:Game"], "no such game file: nowhere.py"),
        (["play", "countdown", "--seat", "solver=tiny:nowhere"], "unknown tiny model 'nowhere'"),
        (["play", "countdown", "--seat", "solver=hf:./nowhere"], "there is no such folder"),
        (["play", "countdown", "--seat", "solver=nobody@best"], "unknown run 'nobody'"),
        (["games", "show", "countdwn"], "did you mean 'countdown'?"),
        (["games", "check", "countdwn"], "did you mean 'countdown'?"),
        (["games", "new", "no spaces please"], "a game cannot be called 'no spaces please'"),
        (["eval", "randm", "--game", "countdown"], "did you mean 'random'?"),
        (["tiny", "show", "nowhere"], "unknown tiny model 'nowhere'"),
        (["league"], "name a recipe"),
        (["league", "nowhere.toml"], "cannot read recipe nowhere.toml"),
        (["league", "--resume", "nobody"], "unknown run 'nobody'"),
        (["league", "--dry-run"], "--dry-run needs a recipe"),
    ],
)
def test_unknown_names(
    selfplay: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = selfplay(*args)
    assert result.code == 2 and result.out == ""
    assert result.err.startswith("error: ") and message in result.err and "Traceback" not in result.err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("dry", [["--dry-run"], []])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RECIPE + "[learning]\nlearning_rate = 1e-4\n", "unknown recipe key 'learning.learning_rate'"),
        (RECIPE + '[learning]\nlr = "fast"\n', "learning.lr = 'fast'"),
        (RECIPE + "[learning\n", "is not valid TOML"),
        (RECIPE.replace("countdown", "countdwn"), "did you mean 'countdown'?"),
        (RECIPE + "[roles.solvr]\nkl = 0.1\n", "unknown role of game countdown 'solvr' - did you mean 'solver'?"),
        (RECIPE + "[game.settings]\nattempt = 3\n", "did you mean 'attempts'?"),
        (RECIPE, "unknown tiny model 'nowhere'"),
        (RECIPE.replace("tiny:nowhere", "hf:./nowhere"), "no model at './nowhere': there is no such folder"),
        (RECIPE.replace("tiny:nowhere", "nobody@best"), "unknown run 'nobody'"),
        (RECIPE.replace("tiny:nowhere", "scripted:random"), "'scripted:random' is not a local model"),
        (RECIPE.replace("countdown", "nowhere.py"), "no such game file: nowhere.py"),
        (RECIPE + '[roles.solver]\ncredit = "group_zscor"\n', "did you mean 'group_zscore'?"),
        (RECIPE + '[roles.solver.tags.again]\ncredit = "perclass"\n', "did you mean 'per_class'?"),
        (RECIPE + '[learning]\nrule = "offline_clap"\n', "did you mean 'offline_clip'?"),
        (RECIPE + '[learning]\nrule = "dpo"\npairs = "pass_fial"\n', "did you mean 'pass_fail'?"),
        (RECIPE + '[learning]\nrule = "sft"\nselect = "rewards"\n', "did you mean 'rewarded'?"),
        (RECIPE + '[learning]\nrule = "sft"\npairs = "diverse"\n', "'sft' does not read it"),
        (RECIPE + '[[phases]]\nname = "a"\nset = ["roles.solver.credit=rwa"]\n', "did you mean 'raw'?"),
        (RECIPE + '[[phases]]\nname = "a"\nset = ["learning.rule=dpi"]\n', "did you mean 'dpo'?"),
        (RECIPE + "[roles.solver]\nupdate_every = 0\n[roles.proposer]\nupdate_every = 0\n", "no role ever learns"),
        (RECIPE + '[[health]]\nmetric = "solver/entropi"\nkind = "above"\nthreshold = 1\n', "'solver/entropy'?"),
    ],
)
def test_recipes(selfplay: Command, recipe: Path, text: str, message: str, dry: list[str]) -> None:
    recipe.write_text(text)
    root = recipe.parent / "runs"
    result = selfplay("league", recipe, "--root", root, *dry)
    assert result.code == 2 and result.out == "" and message in result.err
    assert not root.exists()


def test_a_recipe_error_names_the_line(selfplay: Command, recipe: Path) -> None:
    recipe.write_text(RECIPE + "[schedule]\ngenerations = 3\nmatchs = 5\n")
    result = selfplay("league", recipe)
    assert f"{recipe}:7" in result.err and "did you mean 'schedule.matches'?" in result.err


@pytest.mark.parametrize(
    ("args", "message", "place"),
    [
        (["--set", "schedule.matches=0"], "schedule.matches = 0: input should be greater than 0", "--set {set}"),
        (["--set", "schedule={mode='quick'}"], "'exact' or 'fast'", "--set {set}"),
        (["--set", "roles.solver.weights=forked"], "'shared', 'frozen', 'fork' or 'adapter'", "--set {set}"),
        (["--generations", "3", "--set", "learning.learner=3"], "learning.learner = 3", "--set {set}"),
        (["--set", "policy.base=hf:./nowhere"], "no such folder", "policy.base of the recipe"),
        (["--set", "roles.solver.credit=rwa"], "did you mean 'raw'?", "[roles.solver] of the recipe"),
        (["--set", "game.id=countdwn"], "did you mean 'countdown'?", "[game] of the recipe"),
    ],
)
def test_an_error_says_where_the_value_came_from(
    selfplay: Command, recipe: Path, args: list[str], message: str, place: str
) -> None:
    result = selfplay("league", recipe, "--root", recipe.parent / "runs", *args)
    assert result.code == 2 and message in result.err
    assert result.err.endswith(f"  from {place.format(set=args[-1])}\n")


RULE = '[[health]]\nmetric = "canary/fall_p"\nkind = "below"\nthreshold = 0.1\naction = "stop"\n'


@pytest.mark.parametrize(
    ("override", "code", "message"),
    [
        ("health.0.action=warn", 0, 'action = "warn"'),
        ("health.0.patience=0", 2, "health.0.patience = 0: input should be greater than 0"),
        ("health.1.action=warn", 2, "health is a list of 1, not 1 (the first is health.0)"),
        ("health.action=warn", 2, "health is not a table"),
        ("health.0=warn", 2, "health is not a table"),
    ],
)
def test_one_item_of_a_list_is_set_by_its_number(
    selfplay: Command, recipe: Path, override: str, code: int, message: str
) -> None:
    recipe.write_text(RECIPE.replace("tiny:nowhere", "tiny:countdown") + RULE)
    result = selfplay("league", recipe, "--dry-run", "--set", override)
    assert result.code == code and message in result.out + result.err


def test_a_recipe_that_is_no_text(selfplay: Command, recipe: Path) -> None:
    recipe.write_bytes(b"\xff\xfe")
    result = selfplay("league", recipe)
    assert result.code == 2 and f"cannot read recipe {recipe}: it is not UTF-8 text" in result.err


def test_a_player_that_does_not_exist(selfplay: Command, recipe: Path, tiny_model: Path) -> None:
    recipe.write_text(RECIPE.replace("nowhere", str(tiny_model)) + '[roles.proposer]\nplayer = "randm"\n')
    result = selfplay("league", recipe, "--root", recipe.parent / "runs")
    assert result.code == 2 and "unknown player 'randm'" in result.err
    assert not (recipe.parent / "runs").exists()


def test_a_game_file_with_a_syntax_error(selfplay: Command, recipe: Path, tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("from selfplay import Game\n\nclass Broken(Game)\n    pass\n")
    for command in (
        ["play", file],
        ["games", "check", file],
        ["tiny", "make", "--with", file, "--out", tmp_path / "m"],
        ["league", recipe, "--set", f"game.id={file}", "--root", tmp_path / "runs"],
        ["eval", "random", "--game", file],
    ):
        result = selfplay(*command)
        assert result.code == 2 and f"{file}:3: expected ':'" in result.err and "class Broken(Game)" in result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.py", "recipe.toml"]


def test_a_model_that_is_no_causal_lm(selfplay: Command, recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "architectures": ["BertModel"]}))
    result = selfplay("play", "countdown", "--seat", f"solver=hf:{tmp_path}")
    assert result.code == 2 and "is not a causal language model" in result.err and "BertModel" in result.err
    root = tmp_path / "runs"
    result = selfplay("league", recipe, "--set", f"policy.base=hf:{tmp_path}", "--root", root)
    assert result.code == 2 and "is not a causal language model" in result.err and not root.exists()


def test_resuming_with_a_changed_recipe(selfplay: Command, copied_run: RunFolder) -> None:
    before = copied_run.events.read_bytes()
    result = selfplay("league", "--resume", copied_run.path, "--set", "learning.lr=0.5")
    assert (
        result.code == 2 and "was made by another recipe" in result.err and "learning.lr: 0.0003 -> 0.5" in result.err
    )
    assert copied_run.events.read_bytes() == before


def test_a_run_that_is_going_on_is_not_resumed(selfplay: Command, copied_run: RunFolder, tiny_model: Path) -> None:
    text = copied_run.config.read_text().replace("tiny:countdown", f"tiny:{tiny_model}")
    copied_run.config.write_text(text)
    with copied_run.lock():
        result = selfplay("league", "--resume", copied_run.path)
    assert result.code == 2 and f"is in use by process {os.getpid()}" in result.err


def test_a_root_that_cannot_be_written(selfplay: Command, recipe: Path, tiny_model: Path) -> None:
    recipe.write_text(RECIPE.replace("nowhere", str(tiny_model)))
    blocked = recipe.parent / "file"
    blocked.write_text("")
    result = selfplay("league", recipe, "--root", blocked / "runs")
    assert result.code == 2 and "cannot create the run folder" in result.err and "--root" in result.err


def test_a_run_folder_that_exists_is_left_alone(
    selfplay: Command, recipe: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe.write_text(RECIPE.replace("nowhere", str(tiny_model)))
    root = recipe.parent / "runs"
    monkeypatch.setattr(secrets, "token_hex", lambda size: "3f2a")
    monkeypatch.setattr(time, "strftime", lambda *_: "2026-11-21")
    taken = root / "2026-11-21-mine-3f2a"
    taken.mkdir(parents=True)
    (taken / "thesis.tex").write_text("precious")
    result = selfplay("league", recipe, "--root", root, "--name", "mine")
    assert result.code == 2 and f"run folder {taken} exists and is not empty" in result.err
    assert "--resume" in result.err and "--name" in result.err
    assert [path.name for path in taken.iterdir()] == ["thesis.tex"] and os.listdir(root) == [taken.name]


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounting needs root on Linux")
def test_a_read_only_place(selfplay: Command, recipe: Path, tiny_model: Path, copied_run: RunFolder) -> None:
    text = copied_run.config.read_text().replace("tiny:countdown", f"tiny:{tiny_model}")
    copied_run.config.write_text(text)
    recipe.write_text(RECIPE.replace("nowhere", str(tiny_model)))
    root = copied_run.path.parent
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    if subprocess.run(["mount", "--bind", root, root], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
        new = selfplay("league", recipe, "--root", root)
        old = selfplay("league", "--resume", copied_run.path)
        read = [selfplay(*words) for words in (["show", copied_run.path], ["runs", "list", "--root", root])]
    finally:
        subprocess.run(["umount", "--lazy", root], check=True)
    assert new.code == 2 and "cannot create the run folder" in new.err and "Read-only file system" in new.err
    assert old.code == 2 and f"cannot write in run folder {copied_run.path}: Read-only file system" in old.err
    assert "copy it to a place you may write to" in old.err
    assert [result.code for result in read] == [0, 0]
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_files_are_never_overwritten(
    selfplay: Command, copied_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("precious")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("precious")
    assert "exists already" in selfplay("games", "new", "mine").err
    assert "is not empty" in selfplay("tiny", "make", "--out", "model").err
    assert (tmp_path / "mine.py").read_text() == (tmp_path / "model" / "weights").read_text() == "precious"


def test_a_missing_extra_is_one_line_with_the_command(selfplay: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None)
    result = selfplay("play", "countdown", "--seat", "solver=hf:some/model")
    assert result.code == 2 and "pip install 'selfplay[hf]'" in result.err


def test_verbose_tells_where_an_error_comes_from(selfplay: Command) -> None:
    assert "Traceback" in selfplay("play", "countdwn", "-v").err
    assert "Traceback" not in selfplay("play", "countdwn").err


def test_a_bug_keeps_its_traceback_and_asks_for_a_report(selfplay: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("oops")

    assert selfplay("games", "list").code == 0
    monkeypatch.setattr(sys.modules["selfplay.cli.games"], "list_games", broken)
    result = selfplay("games", "list")
    assert result.code == 1
    assert "ZeroDivisionError: oops" in result.err and "report" in result.err and "doctor --json" in result.err


@pytest.mark.parametrize("args", [["nope"], ["play"], ["play", "countdown", "--sead", "1"], ["games", "nope"]])
def test_wrong_usage(selfplay: Command, args: list[str]) -> None:
    result = selfplay(*args)
    assert result.code == 2 and result.out == "" and result.err.startswith("Usage: selfplay")
