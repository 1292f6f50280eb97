"""A run against players behind an endpoint: it dies, costs money, comes back, and nothing is lost or paid twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from endpoint_server import Server, answer, error

import selfplay
from selfplay.errors import RunError
from selfplay.policies.api import CapReached
from selfplay.types import Ending

Weights = Callable[[Path], dict[str, bytes]]
Start = Callable[..., "subprocess.Popen[str]"]
SECRET = b"sk-very-secret"


@pytest.fixture
def recipe(recipe_file: Path, endpoint: Server) -> Path:
    """The asker learns; every answer comes from the endpoint."""
    text = recipe_file.read_text().replace("kl = 0.01", f'player = "{endpoint.player}"')
    recipe_file.write_text(text + "\n[api]\nprice_in = 1000\nprice_out = 2000\nretries = 2\nconcurrency = 4\n")
    return recipe_file


def league(recipe: Path | None, root: Path, **more: Any) -> selfplay.Run:
    return selfplay.league(recipe, root=root, **more)


def test_a_run_learns_against_an_endpoint_and_shows_the_bill(
    recipe: Path, endpoint: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from selfplay.cli import run as command

    run = league(recipe, tmp_path / "runs")
    records = list(run.matches())
    answers = [move for record in records for move in record.moves if move.role == "answerer"]
    assert len(answers) == 6 * 6 * 4 and not any(move.learn or move.completion.token_ids for move in answers)
    assert all(move.player == endpoint.player and move.text.startswith("say ") for move in answers)
    bill = run.bill()
    assert (bill.requests, bill.replies) == (endpoint.answered, len(answers))
    assert bill.tokens_in + bill.tokens_out == endpoint.tokens
    command(["show", str(run.path)])
    assert f"{bill.requests} requests to endpoints, {bill.tokens_in:,} tokens in" in capsys.readouterr().out
    for file in run.path.rglob("*"):
        assert file.is_dir() or SECRET not in file.read_bytes(), file


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_an_endpoint_that_dies_ends_the_run_and_resuming_finishes_it(
    mode: str, recipe: Path, endpoint: Server, tmp_path: Path, weights: Weights
) -> None:
    mode_of = [f"schedule.mode={mode}"]
    whole = league(recipe, tmp_path / "whole", overrides=mode_of)
    needed = {str(asked.body) for asked in endpoint.asked}
    endpoint.asked.clear()

    proper = answer()
    endpoint.otherwise = lambda handler, body: (proper if len(endpoint.asked) < 20 else error(503, "gone"))(
        handler, body
    )
    with pytest.raises(RunError, match="HTTP 503: gone") as caught:
        league(recipe, tmp_path / "runs", overrides=mode_of)
    assert "resume with: selfplay league --resume" in "".join(caught.value.__notes__)
    run = selfplay.open_run("last", tmp_path / "runs")
    assert run.status() == "failed" and run.bill().requests == 19

    endpoint.otherwise = proper
    before = len(endpoint.asked)
    run = league(None, tmp_path / "runs", resume="last")
    assert run.status() == "done"
    assert not [record for record in run.matches() if record.ending is Ending.ERROR]
    if mode == "exact":
        assert weights(run.path) == weights(whole.path)
        assert {str(a.body) for a in endpoint.asked if a.body["max_tokens"] > 1} == needed  # 1: is anybody there
        assert len(endpoint.asked) - before == len(needed) - 19


def test_a_spending_cap_stops_the_run_before_it_is_passed(
    recipe: Path, endpoint: Server, tmp_path: Path, weights: Weights
) -> None:
    whole = league(recipe, tmp_path / "whole")
    price = whole.bill().usd
    with pytest.raises(CapReached, match="raise the cap"):
        league(recipe, tmp_path / "runs", overrides=[f"api.spending_cap_usd={0.6 * price}"])
    run = selfplay.open_run("last", tmp_path / "runs")
    assert run.status() == "stopped" and 0.2 * price < run.bill().usd <= 0.6 * price
    with pytest.raises(CapReached):  # the cap is the run's, not the process's
        league(None, tmp_path / "runs", resume="last")
    run = league(None, tmp_path / "runs", resume="last", overrides=[f"api.spending_cap_usd={1.5 * price}"])
    assert run.status() == "done" and run.bill().usd == pytest.approx(price)
    assert weights(run.path) == weights(whole.path)


def test_a_request_without_a_reply_masks_its_match(recipe: Path, endpoint: Server, tmp_path: Path) -> None:
    proper, refused = answer(), error(400, "too long")
    endpoint.otherwise = lambda handler, body: (refused if len(endpoint.asked) == 5 else proper)(handler, body)
    run = league(recipe, tmp_path / "runs", overrides=["game.settings.attempts=1", "schedule.generations=1"])
    records = list(run.matches())
    failed = [record for record in records if record.ending is Ending.ERROR]
    assert len(failed) == 1 and failed[0].error and "HTTP 400: too long" in failed[0].error
    assert all(move.reward is None for move in failed[0].moves) and failed[0].result is None
    (closed,) = run.events("generation_closed")
    assert closed["endings"] == {"ok": 5, "error": 1}


def test_an_exam_leaves_out_what_got_no_reply(
    endpoint: Server, game_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    from selfplay.cli import run as command

    def behave(handler: Any, body: dict[str, Any]) -> None:
        (error(400) if body["messages"][-1]["content"] == "b" else answer("aeiou"))(handler, body)

    endpoint.otherwise = behave
    arguments = ["eval", endpoint.player, "--game", f"{game_file}:Vowels", "--json"]
    assert command([*arguments, "--paid", str(tmp_path / "paid.jsonl")]) == 0
    out = capsys.readouterr()
    found = json.loads(out.out)
    assert (found["unanswered"], found["errors"]) == (1, 0)
    assert found["levels"]["one"]["of"] == 2 and found["levels"]["two"]["of"] == 3
    assert found["mean"]["value"] == 1.0
    asked = len(endpoint.asked)
    assert command([*arguments, "--paid", str(tmp_path / "paid.jsonl")]) == 0
    assert len(endpoint.asked) == asked + 1 and "5 replies paid earlier used again" in capsys.readouterr().err


def test_one_match_from_the_command_line(endpoint: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from selfplay.cli import run as command

    words = ["play", "countdown", "--seat", f"solver={endpoint.player}", "--set", "attempts=2"]
    assert command([*words, "--prices", "1,2", "--spending-cap", "1"]) == 0
    out = capsys.readouterr()
    assert "say " in out.out and "1 requests to endpoints, 10 tokens in, 10 out; $0.0000" in out.err
    assert command([*words, "--prices", "1e6,1e6", "--spending-cap", "1"]) == 1
    assert "spending cap: $0.0000 of $1.0000 are spent" in capsys.readouterr().err
    assert command([*words, "--spending-cap", "1"]) == 2
    assert "no prices" in capsys.readouterr().err
    assert command([*words, "--prices", "cheap"]) == 2
    assert "expected IN,OUT" in capsys.readouterr().err


def test_the_recipes_in_the_documentation_are_recipes() -> None:
    import re

    from selfplay.run.recipe_file import parse_toml, recipe_from

    docs = Path(__file__).parents[2] / "docs"
    blocks = [
        block
        for page in ("players.md", "running.md")
        for block in re.findall(r"^```toml\n(.*?)^```", (docs / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)
    ]
    assert len(blocks) >= 2
    for block in blocks:
        recipe_from({"game": {"id": "countdown"}, **parse_toml(block, "docs")})


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the command line in a process of its own."""
    processes = []

    def begin(*words: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "selfplay", *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen(command, env=environment, text=True, **pipes))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def wait_until(condition: Callable[[], bool], seconds: float = 150.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.01)


@pytest.mark.timeout(300)
def test_kill_9_costs_only_what_was_under_way(
    recipe: Path, endpoint: Server, tmp_path: Path, weights: Weights, start: Start
) -> None:
    recipe.write_text(recipe.read_text().replace("generations = 6", "generations = 3"))
    whole = league(recipe, tmp_path / "whole")
    needed = len(endpoint.asked)
    endpoint.asked.clear()
    endpoint.otherwise = answer(wait=0.02)
    process = start("league", str(recipe), "--root", str(tmp_path / "runs"), "--no-live")
    wait_until(lambda: len(endpoint.asked) >= needed // 2)
    process.kill()
    process.wait()
    run = league(None, tmp_path / "runs", resume="last")
    assert weights(run.path) == weights(whole.path)
    assert len(endpoint.asked) <= needed + 4  # `concurrency` calls were under way, and their answers lost
    assert run.bill().replies == whole.bill().replies


@pytest.mark.timeout(300)
def test_ctrl_c_does_not_wait_for_an_endpoint(endpoint: Server, start: Start) -> None:
    endpoint.otherwise = error(503, retry_after="300")
    process = start("play", "countdown", "--seat", f"solver={endpoint.player}")
    wait_until(lambda: len(endpoint.asked) == 1)
    time.sleep(0.2)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert time.monotonic() - begin < 100 and len(endpoint.asked) == 1
