"""Exports load with `datasets`, hold every move, and are written whole or not at all."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from selfplay.errors import MissingExtra, UnknownName, UsageError
from selfplay.record import RunFolder, RunWriter, events
from selfplay.record.export import export
from selfplay.types import Edit, MatchRecord

Make = Callable[..., MatchRecord]


@pytest.fixture
def played(folder: RunFolder, record_of: Make) -> RunFolder:
    with RunWriter(folder) as writer:
        for generation in range(2):
            for number in range(3):
                writer.match(record_of(number, generation))
            writer.event(events.edits(generation, [Edit(f"g{generation:04d}-m0001", "0", 0.25, "duplicate")]))
    return folder


@pytest.mark.parametrize(("to", "loader"), [("parquet", "parquet"), ("jsonl", "json")])
def test_datasets_loads_it(played: RunFolder, record_of: Make, tmp_path: Path, to: str, loader: str) -> None:
    datasets = pytest.importorskip("datasets")
    out = tmp_path / f"run.{to}"
    assert export(played, to, out) == 24
    table = datasets.load_dataset(loader, data_files=str(out), cache_dir=str(tmp_path / "cache"), split="train")
    assert len(table) == 24
    row, record = table[4], record_of(1, 0)
    move = record.moves[0]
    assert (row["match"], row["generation"], row["number"], row["game"]) == ("g0000-m0001", 0, 1, "countdown")
    assert (row["role"], row["seat"], row["player"], row["weights_version"]) == ("proposer",) * 2 + ("p-proposer", 4)
    assert row["prompt"] == [
        {"role": "system", "content": "You are proposer."},
        {"role": "user", "content": "Make a puzzle"},
    ]
    assert row["completion"] == move.text and row["token_ids"] == move.completion.token_ids.tolist()  # type: ignore[union-attr]
    assert np.array(row["logprobs"], np.float32).tobytes() == move.completion.logprobs.tobytes()  # type: ignore[union-attr]
    assert row["reward"] == 0.25, "settled"
    assert row["result"] == -1.0 and row["seed"] == str(2**64 - 2) and row["task"] == '{"z":1,"a":[1,null]}'
    assert [m["role"] for m in table[5]["prompt"]] == ["system", "user", "assistant", "user"]
    assert table[6]["verdicts"] == [{"outcome": "pass", "score": 1.0, "status": "OK", "detail": ""}]
    assert table[7]["token_ids"] is None and table[7]["foul"] == "not an expression" and table[7]["masked"] == "foul"


def test_a_wrong_format_an_empty_run_and_a_bad_place(played: RunFolder, folder: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'parquet'"):
        export(played, "parquett", tmp_path / "x")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        export(played, "jsonl", tmp_path / "file" / "x.jsonl")
    played.rewind(-1)
    with pytest.raises(UsageError, match="no matches yet"):
        export(played, "jsonl", tmp_path / "x.jsonl")
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".tmp")] == []


def test_parquet_without_pyarrow_names_the_extra(
    played: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *args: object) -> object:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"selfplay\[export\]"):
        export(played, "parquet", tmp_path / "x.parquet")
