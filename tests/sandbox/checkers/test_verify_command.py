"""`selfplay verify`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("z3")

from selfplay.cli import run

RIGHT = "def f(n: int) -> int:\n    ensures(result == 2 * n)\n    return n + n\n"
PROBLEM = {"name": "f", "params": {"n": "int"}, "returns": "int", "requires": [], "ensures": ["result == 2 * n"]}


def test_a_proved_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f.py").write_text(RIGHT)
    assert run(["verify", str(tmp_path / "f.py")]) == 0
    assert "PROVED" in capsys.readouterr().out


def test_a_refuted_file_shows_line_and_counterexample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f.py").write_text(RIGHT.replace("n + n", "n + [1][0]"))
    assert run(["verify", str(tmp_path / "f.py")]) == 1
    out = capsys.readouterr().out
    assert "REFUTED" in out and "line 2: ensures(result == 2 * n)" in out and "n = " in out and "result = " in out


def test_problem_and_solution_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.json").write_text(json.dumps(PROBLEM))
    (tmp_path / "s.py").write_text("def f(n):\n    return n * 3\n")
    assert run(["verify", "--problem", str(tmp_path / "p.json"), "--solution", str(tmp_path / "s.py"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["outcome"]) == ("REFUTED", "fail")
    assert run(["verify", "--problem", str(tmp_path / "p.json"), "--json"]) == 0
    assert "determinate" in json.loads(capsys.readouterr().out)["notes"]


def test_two_functions_that_agree_or_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, body in (("f", "return n + n"), ("g", "return 2 * n"), ("h", "return n * n")):
        (tmp_path / f"{name}.py").write_text(f"def {name}(n: int) -> int:\n    {body}\n")
    paths = {name: str(tmp_path / f"{name}.py") for name in "fgh"}
    assert run(["verify", paths["f"], "--same-as", paths["g"]]) == 0
    assert "equal for every allowed input" in capsys.readouterr().out
    assert run(["verify", paths["f"], "--same-as", paths["h"]]) == 1
    out = capsys.readouterr().out
    assert "results differ" in out and "reference = " in out and "candidate = " in out


def test_any_claim_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "claim.json"
    payload = {"family": "knights", "puzzle": "A:!A|!B"}
    path.write_text(json.dumps({"checker": "puzzles", "kind": "unique", "payload": payload}))
    assert run(["verify", "--claim", str(path)]) == 0
    assert "answer = 'KN'" in capsys.readouterr().out
    path.write_text("{}")
    assert run(["verify", "--claim", str(path)]) == 2
    assert "is no claim" in capsys.readouterr().err


def test_arguments_that_do_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify"]) == 2
    assert run(["verify", str(tmp_path / "missing.py")]) == 2
    assert "cannot read" in capsys.readouterr().err
