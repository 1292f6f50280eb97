"""`selfplay sandbox`: programs here and on a server, what the self-test prints, recipes that name a sandbox."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from selfplay.sandbox import selftest
from selfplay.sandbox.selftest import forgeries

from .conftest import Command


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path, subprocess.Popen[str]]]:
    """URL, token file and process of `selfplay sandbox serve`."""
    token = tmp_path / "token"
    token.write_text("a-token-for-this-test\n")
    command = [sys.executable, "-m", "selfplay", "sandbox", "serve", "--port", "0", "--workers", "1"]
    with subprocess.Popen([*command, "--token-file", str(token)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        while "serving at" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        yield re.findall(r"http://\S+(?=;)", said)[0], token, process
        process.kill()


def test_a_server_runs_programs_until_it_is_told_to_stop(
    served: tuple[str, Path, subprocess.Popen[str]], selfplay: Command, tmp_path: Path
) -> None:
    url, token, process = served
    program, tests = tmp_path / "program.py", tmp_path / "tests.json"
    program.write_text("def f(x):\n    return x * x\n")
    tests.write_text("[[[3], 9], [[4], 17]]")
    where = ("--backend", "remote", "--url", url, "--token-file", token)
    result = selfplay("sandbox", "run", program, "--tests", tests, "--call", "f", "--json", *where)
    assert result.code == 1
    assert result.json["parts"] == ["ok", "wrong"]  # type: ignore[index]
    assert result.json["sandbox"]["servers"] == {url: "local, level L3"}  # type: ignore[index]
    refused = selfplay("sandbox", "run", program, "--backend", "remote", "--url", url)
    assert refused.code == 2 and "refuses the token" in refused.err
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == -signal.SIGTERM


def test_wrong_words(selfplay: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SELFPLAY_SANDBOX_TOKEN", raising=False)
    monkeypatch.delenv("SELFPLAY_SANDBOX_URL", raising=False)
    program = tmp_path / "program.py"
    program.write_text("print(1)")
    function_cases = tmp_path / "cases.json"
    function_cases.write_text("[[[3], 9]]")
    for words, why in {
        ("run", program, "--backend", "loacl"): "did you mean 'local'",
        ("run", program, "--image", "x"): "use docker",
        ("run", program, "--call", "f"): "name a file of --tests",
        ("run", program, "--tests", function_cases): "it tests a function\n  name it with --call",
        ("run", program, "--cpu", "0"): "expected more than 0",
        ("run", program, "--cpu", "nan"): "expected more than 0",
        ("run", program, "--cpu", "21"): "at most 20 seconds",
        ("run", program, "--url", "http://box"): "use remote",
        ("run", program, "--backend", "remote"): "SELFPLAY_SANDBOX_URL",
        ("serve", "--host", "0.0.0.0"): "there is no token",
        ("serve", "--backend", "remote"): "choose another --backend",
        ("serve", "--token-file", tmp_path / "none"): "cannot read the token",
    }.items():
        result = selfplay("sandbox", *words)
        assert result.code == 2 and why in result.err, (words, result.err)


def test_the_self_test_plays_forgeries_too(selfplay: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "PROGRAMS", selftest.PROGRAMS[:2])
    monkeypatch.setattr(forgeries, "FORGERIES", forgeries.FORGERIES[:1])
    monkeypatch.setattr(forgeries, "SUITES", forgeries.SUITES[:1])
    sound = selfplay("sandbox", "selftest")
    assert sound.code == 0
    assert "2 of 2 programs ended" in sound.out and "8 of 8 forgeries and honest answers were judged" in sound.out
    monkeypatch.setattr(forgeries, "HONEST", "def solve(x):\n    return 0\n")
    broken = selfplay("sandbox", "selftest", "--json")
    assert broken.code == 1
    assert broken.json["forged"] == ["function: honest", "tests: honest"]  # type: ignore[index]


def test_a_dry_run_says_what_is_wrong_with_the_sandbox(selfplay: Command, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[game]\nid = "program_io"\n[sandbox]\nbackend = "docker"\nurl = "http://box"\n')
    result = selfplay("league", recipe, "--dry-run")
    assert result.code == 2 and "use remote" in result.err and "from [sandbox] of the recipe" in result.err
