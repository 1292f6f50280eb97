"""The loop from end to end, with an untrained model: what is written, and that nothing is lost."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import selfplay
from selfplay.errors import RunError, UsageError
from selfplay.record.codec import dumps
from selfplay.record.folder import RunFolder
from selfplay.record.log import read_lines
from selfplay.record.packed import open_log, packed
from selfplay.record.run import Run

Weights = Callable[[Path], dict[str, bytes]]


def logs(run: Run) -> list[str]:
    """Everything recorded about matches, as text."""
    return [dumps(record) for record in run.matches()]


def test_a_run_learns_and_writes_everything_down(recipe_file: Path, tmp_path: Path, weights: Weights) -> None:
    run = selfplay.league(recipe_file, root=tmp_path / "runs")
    assert run.status() == "done"
    assert run.generations == list(range(6))
    assert [line["generation"] for line in run.metrics()] == list(range(6))
    assert [event["generation"] for event in run.events("canary")] == [-1, 2, 5]
    assert len(list(run.matches())) == 36
    assert {move.completion.weights_version for record in run.matches(5) for move in record.moves} == {5}
    line = list(run.metrics())[-1]
    assert line["matches"] == 36 and line["tokens"] > 0 and set(line["roles"]) == {"asker", "answerer"}
    assert line["roles"]["answerer"]["kl"] > 0
    first = run.path / run.snapshots[0]["path"]
    assert (first / "model.safetensors").exists()


@pytest.mark.parametrize("learner", ["plain", "trl"])
def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(
    learner: str, recipe_file: Path, tmp_path: Path, weights: Weights
) -> None:
    sets = [f"learning.learner={learner}", "schedule.generations=2"]
    runs = [selfplay.league(recipe_file, root=tmp_path / f"{i}", overrides=[*sets, f"seed={i // 2}"]) for i in range(3)]
    assert logs(runs[0]) == logs(runs[1]) != logs(runs[2])
    assert weights(runs[0].path) == weights(runs[1].path) != weights(runs[2].path)


def start(recipe: Path, root: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "selfplay", "league", "--no-live", "--root", str(root), *more]
    if "--resume" not in more:
        command.insert(4, str(recipe))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)


def folder_in(root: Path) -> Path:
    (found,) = (path.parent for path in root.glob("*/run.json") if not path.parent.is_symlink())
    return found


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes], timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    while not condition() and process.poll() is None:
        assert time.monotonic() < end, "the run did not get there"
        time.sleep(0.005)


def lines_in(folder: Path) -> int:
    """Matches in the logs so far."""
    return sum(1 for log in RunFolder(folder).match_logs().values() for _ in read_lines(log))


@pytest.mark.slow
def test_killed_three_times_a_run_ends_bit_identical(recipe_file: Path, tmp_path: Path, weights: Weights) -> None:
    calm = selfplay.league(recipe_file, root=tmp_path / "calm")
    root, chance = tmp_path / "killed", random.Random(os.urandom(8))
    process = start(recipe_file, root)
    for goal in sorted(chance.sample(range(1, 34), 3)):

        def far_enough(goal: int = goal) -> bool:
            return sum(lines_in(folder) for folder in root.glob("2*")) >= goal

        wait_for(far_enough, process)
        time.sleep(chance.random() * 0.05)
        process.kill()
        process.communicate()
        process = start(recipe_file, root, "--resume", str(folder_in(root)))
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output.decode()
    again = selfplay.open_run(folder_in(root))
    assert logs(again) == logs(calm)
    assert weights(again.path) == weights(calm.path)
    assert [e["levels"] for e in again.events("canary")] == [e["levels"] for e in calm.events("canary")]


def test_ctrl_c_saves_and_says_how_to_go_on(recipe_file: Path, tmp_path: Path, weights: Weights) -> None:
    calm = selfplay.league(recipe_file, root=tmp_path / "calm")
    root = tmp_path / "stopped"
    process = start(recipe_file, root)
    wait_for(lambda: any(root.glob("*/matches/gen-0001.jsonl*")), process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output.decode()
    assert "selfplay league --resume" in output.decode()
    stopped = selfplay.open_run(folder_in(root))
    assert stopped.status() == "stopped"
    again = selfplay.league(resume=stopped.path, root=root)
    assert weights(again.path) == weights(calm.path)


def test_torn_last_lines_are_cut_off_when_a_run_is_resumed(recipe_file: Path, tmp_path: Path, weights: Weights) -> None:
    calm = selfplay.league(recipe_file, root=tmp_path / "runs")
    torn = selfplay.open_run(shutil.copytree(calm.path, tmp_path / "torn", symlinks=True))
    last = torn.folder.sealed()[-1]
    shutil.rmtree(last.path)  # as if it had been killed before its last checkpoint
    with open_log(torn.folder.matches(5)) as text:  # a generation is packed when a checkpoint holds it: not this one
        torn.folder.matches(5).write_bytes(text.read())
    packed(torn.folder.matches(5)).unlink()
    for log in (torn.folder.events, torn.folder.metrics, torn.folder.matches(5)):
        log.write_bytes(log.read_bytes()[:-20])
    assert len(list(torn.matches())) == 35
    again = selfplay.league(resume=torn.path)
    assert again.status() == "done" and logs(again) == logs(calm)
    assert weights(again.path) == weights(calm.path)


def test_resuming_a_finished_run_does_nothing(recipe_file: Path, tmp_path: Path) -> None:
    run = selfplay.league(recipe_file, root=tmp_path / "runs", overrides=["schedule.generations=2"])
    before = logs(run)
    assert logs(selfplay.league(resume=run.path)) == before


def test_a_damaged_checkpoint_is_named_and_the_run_counts_as_failed(recipe_file: Path, tmp_path: Path) -> None:
    run = selfplay.league(recipe_file, root=tmp_path / "runs", overrides=["schedule.generations=2"])
    last = run.folder.sealed()[-1].path
    (last / "learner.pt").write_bytes(b"torn")
    with pytest.raises(RunError, match=f"cannot continue from the checkpoint in .*{last.name}"):
        selfplay.league(resume=run.path)
    assert run.status() == "failed"


def test_a_changed_recipe_is_refused_on_resume(recipe_file: Path, tmp_path: Path) -> None:
    run = selfplay.league(recipe_file, root=tmp_path / "runs", overrides=["schedule.generations=2"])
    with pytest.raises(UsageError, match=r"learning\.lr: 0\.001 -> 0\.1"):
        selfplay.league(resume=run.path, overrides=["learning.lr=0.1"])
    selfplay.league(resume=run.path, overrides=["evaluation.tasks=2"])
    assert "tasks = 2" in run.config
    selfplay.league(resume=run.path)
    assert "tasks = 2" in run.config


def test_fast_mode_keeps_finished_matches_and_paid_replies(recipe_file: Path, tmp_path: Path) -> None:
    root = tmp_path / "fast"
    process = start(recipe_file, root, "--set", "schedule.mode=fast", "--set", "schedule.matches=40")
    wait_for(lambda: any(p.read_bytes().count(b"\n") >= 50 for p in root.glob("*/matches/gen-0001.jsonl"))
             or any(root.glob("*/matches/gen-0002.jsonl*")), process)  # fmt: skip
    process.kill()
    process.communicate()
    run = selfplay.open_run(folder_in(root))
    sealed = max((c.generation for c in run.folder.sealed()), default=-1)
    kept = {record.id: dumps(record) for g in run.generations if g > sealed for record in run.matches(g)}
    again = selfplay.league(resume=run.path)
    assert again.status() == "done"
    after = {record.id: dumps(record) for record in again.matches()}
    assert {id: after[id] for id in kept} == kept


def test_every_move_masked_is_an_update_without_effect(recipe_file: Path, tmp_path: Path, game_file: Path) -> None:
    masked = tmp_path / "masked.py"
    masked.write_text(
        game_file.read_text().replace("answer.reward = ", "answer.mask('no'); _ = ").replace("asked.reward", "_")
    )
    sets = [f"game.id={masked}:Vowels", "schedule.generations=2"]
    for learner in ("plain", "trl"):
        run = selfplay.league(recipe_file, root=tmp_path / learner, overrides=[*sets, f"learning.learner={learner}"])
        assert run.status() == "done"
        assert [line["roles"]["answerer"]["masked_share"] for line in run.metrics()] == [1.0, 1.0]


def test_a_game_that_always_fails_stops_the_run(recipe_file: Path, tmp_path: Path, game_file: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(game_file.read_text().replace('prompt = "asked"', "prompt = 1 / 0"))
    with pytest.raises(RunError, match="ZeroDivisionError"):
        selfplay.league(
            recipe_file, root=tmp_path / "runs", overrides=[f"game.id={broken}:Vowels", "schedule.matches=10"]
        )
    run = selfplay.open_run("last", tmp_path / "runs")
    assert run.status() == "failed"
    assert "matches were errors" in (run.path / "logs" / "latest" / "main.log").read_text()
    assert all(record.error and "ZeroDivisionError" in record.error for record in run.matches())


def test_a_health_rule_stops_the_run_and_another_rolls_back(recipe_file: Path, tmp_path: Path) -> None:
    text = recipe_file.read_text()
    rule = '\n[[health]]\nmetric = "answerer/kl"\nkind = "above"\nthreshold = -1.0\naction = "{}"\n'
    recipe_file.write_text(text + rule.format("stop"))
    with pytest.raises(RunError, match=r"(?s)answerer/kl.*resume with: selfplay league --resume .*stop"):
        selfplay.league(recipe_file, root=tmp_path / "stop")
    assert selfplay.open_run("last", tmp_path / "stop").status() == "stopped"
    recipe_file.write_text(text + rule.format("rollback"))
    with pytest.raises(RunError, match="after 2 rollbacks"):
        selfplay.league(recipe_file, root=tmp_path / "back")
    run = selfplay.open_run("last", tmp_path / "back")
    assert [event["action"] for event in run.events("alarm")] == ["rollback"] * 3


def test_the_pool_feeds_proposals_back_and_frozen_roles_do_not_learn(recipe_file: Path, tmp_path: Path) -> None:
    recipe_file.write_text(
        recipe_file.read_text().replace("[roles.asker]", '[roles.asker]\nweights = "frozen"')
        + '\n[[tasks]]\nsource = "pool"\nshare = 0.5\n'
    )
    run = selfplay.league(recipe_file, root=tmp_path / "runs")
    sources = {record.pairing.task.source for record in run.matches()}
    assert sources == {"", "pool:pool"}
    asked = [move for record in run.matches() for move in record.moves if move.role == "asker"]
    assert {(move.player, move.learn, move.completion.weights_version) for move in asked} == {("base", False, 0)}


def test_a_league_runs_inside_a_running_event_loop(recipe_file: Path, tmp_path: Path) -> None:
    async def notebook() -> str:
        return selfplay.league(recipe_file, root=tmp_path / "runs", overrides=["schedule.generations=1"]).status()

    assert asyncio.run(notebook()) == "done"


def test_a_controller_changes_a_setting_and_says_so(recipe_file: Path, tmp_path: Path) -> None:
    recipe_file.write_text(
        recipe_file.read_text()
        + '\n[[controllers]]\nkind = "schedule"\nkey = "game.settings.attempts"\nstart = 2\nend = 6\ngenerations = 4\n'
    )
    run = selfplay.league(recipe_file, root=tmp_path / "runs")
    assert [record.config["attempts"] for g in range(6) for record in list(run.matches(g))[:1]] == [2, 3, 4, 5, 6, 6]
    assert [event["value"] for event in run.events("override")] == [2.0, 3.0, 4.0, 5.0, 6.0]
