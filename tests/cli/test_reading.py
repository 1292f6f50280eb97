"""Commands that read a run: runs, show, export, replay."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from selfplay.record import RunFolder, Status

from .conftest import Command


def test_runs_list(selfplay: Command, finished_run: RunFolder) -> None:
    root, id = finished_run.path.parent, finished_run.info().id
    (row,) = selfplay("runs", "list", "--root", root, "--json").json
    assert (row["id"], row["status"], row["generations"], row["matches"]) == (id, "done", 2, 6)
    assert (row["canary_first"], row["canary_last"]) == (0.25, 0.75)
    shown = selfplay("runs", "list", "--root", root)
    assert shown.code == 0 and f"{id}  bots" in shown.out and "0.25 > 0.75" in shown.out


def test_no_runs_is_no_error(selfplay: Command, tmp_path: Path) -> None:
    result = selfplay("runs", "list", "--root", tmp_path)
    assert (result.code, result.out) == (0, "") and "selfplay league" in result.err
    assert selfplay("runs", "list", "--root", tmp_path, "-q").err == ""
    assert selfplay("runs", "list", "--root", tmp_path, "--json").json == []


def test_show_a_run(selfplay: Command, finished_run: RunFolder) -> None:
    root, id = finished_run.path.parent, finished_run.info().id
    found = selfplay("show", id, "--root", root, "--json").json
    assert (found["run"], found["status"], found["game"]) == (id, "done", "countdown")
    assert found["held_out"]["gain"]["value"] == pytest.approx(0.5)
    assert [(e["count"], e["where"], e["text"]) for e in found["errors"]] == [
        (1, "learner", "one thing went wrong\nsecond line")
    ]
    assert {task["match"][:5] for task in found["tasks"]} == {"g0001"}
    text = selfplay("show", finished_run.path).out
    assert "one thing went wrong" in text and "second line" not in text and "2 of 2" in text


def test_show_a_match_whole_or_as_one_seat(selfplay: Command, finished_run: RunFolder) -> None:
    root = finished_run.path.parent
    match = selfplay("show", "last/g0001-m0002", "--root", root)
    assert match.code == 0 and "proposer" in match.out and "solver" in match.out
    solver = selfplay("show", "last/g0001-m0002", "--root", root, "--as", "solver").out
    record = selfplay("show", "last/g0001-m0002", "--root", root, "--json").json
    proposal = next(move["text"] for move in record["moves"] if move["role"] == "proposer")
    assert proposal in match.out and "Target" in solver and "Expression over" not in solver
    assert selfplay("show", "last/last", "--root", root, "--json").json == record


def test_hostile_text_reaches_the_screen_inert(selfplay: Command, copied_run: RunFolder) -> None:
    log = copied_run.matches(1)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines[2]["moves"][0]["text"] = "\x1b[2J\x1b]0;owned\x07[bold red]x[/] :smile: \u202e"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    shown = selfplay("show", f"{copied_run.path}/g0001-m0002").out
    assert not set("\x1b\x07\u202e") & set(shown)
    assert "[bold red]x[/] :smile:" in shown


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["show", "nope"], "unknown run 'nope'"),
        (["show", "last/g0009-m0000"], "unknown match 'g0009-m0000'"),
        (["show", "last/g0001-m0009"], "unknown match 'g0001-m0009'"),
        (["show", "last/g0001-m0000", "--as", "solvr"], "did you mean 'solver'"),
        (["show", "last", "--as", "solver"], "--as and --tokens are about a match"),
        (["replay", "last"], "names no match"),
        (["replay", "last/g0001-m0009"], "unknown match"),
        (["export", "last", "--to", "csv"], "unknown export format 'csv'"),
        (["export", "last", "--to", "jsonl", "-o", "/nowhere/x.jsonl"], "cannot write /nowhere/x.jsonl"),
        (["snapshot", "export", "last", "out"], "names no snapshot"),
        (["snapshot", "export", "last@best", "out"], "has no snapshot yet"),
        (["eval", "last@best", "--game", "countdown"], "has no snapshot yet"),
        (["watch", "nope"], "unknown run 'nope'"),
    ],
)
def test_wrong_names(selfplay: Command, finished_run: RunFolder, args: list[str], message: str) -> None:
    result = selfplay(*args, "--root", finished_run.path.parent)
    assert result.code == 2 and result.out == ""
    assert result.err.startswith("error: ") and message in result.err and "Traceback" not in result.err


def test_a_torn_last_line_is_ignored(selfplay: Command, copied_run: RunFolder) -> None:
    for log in (copied_run.events, copied_run.matches(1)):
        log.write_bytes(log.read_bytes()[:-20])
    found = selfplay("show", copied_run.path, "--json")
    assert found.code == 0
    assert selfplay("show", f"{copied_run.path}/last", "--json").json["id"] == "g0001-m0001"
    assert selfplay("replay", f"{copied_run.path}/g0001-m0002").code == 2


def test_damage_in_the_middle_is_named(selfplay: Command, copied_run: RunFolder) -> None:
    lines = copied_run.events.read_text().splitlines(keepends=True)
    copied_run.events.write_text("".join([lines[0], "garbage\n", *lines[1:]]))
    result = selfplay("show", copied_run.path)
    assert result.code == 1 and "line 2 is not a JSON object" in result.err


def test_another_schema_is_refused(selfplay: Command, copied_run: RunFolder) -> None:
    file = copied_run.path / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema": 99}))
    result = selfplay("show", copied_run.path)
    assert result.code == 2 and "schema 99" in result.err and "pip install -U" in result.err


def test_export(selfplay: Command, finished_run: RunFolder, tmp_path: Path) -> None:
    root, out = finished_run.path.parent, tmp_path / "moves.jsonl"
    what = selfplay("export", "last", "--to", "jsonl", "-o", out, "--root", root, "--json").json
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert what == {"file": str(out), "rows": len(rows), "format": "jsonl"}
    assert {row["role"] for row in rows} == {"proposer", "solver"}


def test_watch_a_finished_run_in_a_pipe(selfplay: Command, finished_run: RunFolder) -> None:
    result = selfplay("watch", "--root", finished_run.path.parent)
    assert result.code == 0 and result.out.splitlines()[-1].startswith("gen 2/2 matches")


def test_doctor_finds_what_killed_runs_leave_behind(selfplay: Command, copied_run: RunFolder) -> None:
    info = copied_run.info()
    info.status = Status.RUNNING
    copied_run.save_info(info)
    (copied_run.path / ".run.json.123.tmp").write_text("half")
    report = selfplay("doctor", "--root", copied_run.path.parent, "--json").json
    notes = [finding["found"] for finding in report["findings"] if finding["name"] == "runs"]
    assert f"{info.id} (bots) was killed" in notes[1] and ".run.json.123.tmp" in notes[2]
    text = selfplay("doctor", "--root", copied_run.path.parent).out
    assert f"selfplay league --resume {copied_run.path.parent}" in text


def test_doctor_says_when_there_is_no_space(selfplay: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage("/"))(100, 99, 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    result = selfplay("doctor", "--root", tmp_path)
    assert result.code == 1 and "FIX" in result.out and "--root" in result.out


def test_replay_gives_the_same_match(selfplay: Command, finished_run: RunFolder) -> None:
    root = finished_run.path.parent
    for number in range(3):
        found = selfplay("replay", f"last/g0001-m000{number}", "--root", root, "--json")
        assert found.code == 0 and found.json["same"] is True
    assert selfplay("replay", "last/last", "--root", root).out.startswith("g0001-m0002: the same")


def test_replay_finds_what_was_changed(selfplay: Command, copied_run: RunFolder) -> None:
    log = copied_run.matches(1)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    changed = next(move for move in lines[2]["moves"] if move["role"] == "solver")
    changed["reward"] = 0.25
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = selfplay("replay", f"{copied_run.path}/g0001-m0002")
    assert result.code == 1
    assert f"g0001-m0002 differs: move {changed['id']} (solver): reward was 0.25, then 1.0" in result.out
    assert selfplay("replay", f"{copied_run.path}/g0001-m0002", "--json").json["difference"]["move"] == changed["id"]
