"""Tasks from the datasets library: every format, streaming, resuming, and what can be wrong with them."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import selfplay
from selfplay.errors import MissingExtra, RunError, UnknownName, UsageError
from selfplay.run.recipe import TaskSection
from selfplay.run.recipe_file import load_recipe, parse_toml, recipe_from, to_toml
from selfplay.run.sources import Tasks

ROWS = [{"id": i, "problem": f"{i} + 1", "solution": i + 1} for i in range(30)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def write(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    import datasets

    data = datasets.Dataset.from_list(rows)
    {".jsonl": data.to_json, ".csv": data.to_csv, ".parquet": data.to_parquet}[path.suffix](path)
    return path


def tasks(path: object, *, seed: int = 0, deals: int = 4, **settings: Any) -> Tasks:
    return Tasks([TaskSection(source="datasets", path=str(path), **settings)], seed, deals)


def drawn(source: Tasks, generations: range, deals: int = 4) -> list[Any]:
    return [source.draw(generation, deal).data for generation in generations for deal in range(deals)]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_rows_of_every_format_are_tasks(form: str, streaming: bool, tmp_path: Path) -> None:
    source = tasks(write(tmp_path / f"sums.{form}"), streaming=streaming)
    before = random.getstate()
    found = [source.draw(generation, deal) for generation in range(5) for deal in range(4)]
    assert random.getstate() == before
    assert all(task.data in ROWS and task.source == f"datasets:sums.{form}" for task in found)
    assert len({task.data["id"] for task in found}) > 8


def test_columns_are_chosen_and_named(tmp_path: Path) -> None:
    path = write(tmp_path / "sums.jsonl")
    (task, *_) = drawn(tasks(path, columns={"question": "problem", "answer": "solution"}), range(1))
    assert list(task) == ["question", "answer"] and task["question"] == f"{task['answer'] - 1} + 1"
    assert isinstance(drawn(tasks(path, column="problem"), range(1))[0], str)


def test_configurations_and_splits_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "sums"
    folder.mkdir()
    write(folder / "easy.jsonl", ROWS[:3])
    write(folder / "hard.jsonl", ROWS[10:13])
    files = "".join(
        f"- config_name: {name}\n  data_files:\n  - split: test\n    path: {name}.jsonl\n" for name in ("easy", "hard")
    )
    (folder / "README.md").write_text(f"---\nconfigs:\n{files}---\n")
    found = drawn(tasks(folder, config="hard", split="test", column="id"), range(4))
    assert set(found) == {10, 11, 12}
    with pytest.raises(UsageError, match=r"(?s)cannot load dataset .*easy.*expected a file, a folder"):
        tasks(folder, config="middling", split="test")
    with pytest.raises(UsageError, match="train"):
        tasks(folder, config="hard", split="train")


@pytest.mark.parametrize("streaming", [False, True])
def test_tasks_are_a_function_of_seed_generation_and_deal(streaming: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "sums.jsonl")
    whole = drawn(tasks(path, streaming=streaming), range(20))
    resumed = drawn(tasks(path, streaming=streaming), range(13, 20))
    assert resumed == whole[13 * 4 :]
    jumping = tasks(path, streaming=streaming)
    for generation, deal in ((9, 3), (9, 0), (2, 1), (11, 0), (0, 0)):
        assert jumping.draw(generation, deal).data == whole[generation * 4 + deal]
    assert drawn(tasks(path, streaming=streaming, seed=1), range(20)) != whole


def test_a_stream_uses_each_row_once_per_round_and_shuffles_each_anew(tmp_path: Path) -> None:
    source = tasks(write(tmp_path / "sums.jsonl"), streaming=True, deals=10, buffer=8, column="id")
    rounds = [drawn(source, range(first, first + 3), 10) for first in (0, 3, 6)]
    assert all(sorted(each) == list(range(30)) for each in rounds)
    assert len({tuple(each) for each in [*rounds, list(range(30))]}) == 4
    assert all(place <= 8 + i for i, place in enumerate(rounds[0]))  # no row comes from beyond the buffer


def test_deals_that_take_no_row_leave_theirs_out(tmp_path: Path) -> None:
    path = write(tmp_path / "sums.jsonl")
    settings = TaskSection(source="datasets", path=str(path), streaming=True, share=0.5, column="id")
    half = Tasks([settings], seed=0, deals=10)
    found = [half.draw(g, deal).data for g in range(3) for deal in range(10)]
    taken = [task for task in found if task is not None]
    assert 5 < len(taken) < 25 and max(Counter(taken).values()) == 1


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"columns": {"question": "problm"}}, UnknownName, r"column of dataset.*did you mean 'problem'\?\n.*solution"),
        ({"column": "problm"}, UnknownName, r"known: id, problem, solution"),
        ({"column": "id", "columns": {"a": "id"}}, UsageError, "not both"),
        ({"path": "missing.parquet"}, UsageError, r"no such file: missing\.parquet\n  looked in"),
        ({"path": ""}, UsageError, r"tasks\.path is missing"),
        ({"path": "nobody/nothing-of-this-name"}, UsageError, r"cannot load dataset 'nobody/nothing-of-this-name'"),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_what_is_wrong_is_told_before_the_run(
    settings: dict[str, Any], error: type[Exception], says: str, streaming: bool, tmp_path: Path
) -> None:
    given = {"path": write(tmp_path / "sums.jsonl"), **settings}
    with pytest.raises(error, match=says):
        tasks(given.pop("path"), streaming=streaming, **given)


def test_what_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    from datetime import datetime

    path = write(tmp_path / "when.parquet", [{"name": "a", "when": datetime(2026, 1, 1)}])
    with pytest.raises(UsageError, match=r"column 'when' holds.*datetime.*\n  choose other columns"):
        tasks(path)
    assert drawn(tasks(path, column="name"), range(1)) == ["a"] * 4


def test_files_that_are_not_what_they_seem_are_refused(tmp_path: Path) -> None:
    for name, content in (("a.jsonl", "{no json\n"), ("b.parquet", "PAR?"), ("c.jsonl", "")):
        (tmp_path / name).write_text(content)
        with pytest.raises(UsageError, match=rf"{name[0]}\."):
            tasks(tmp_path / name)


def test_a_stream_that_breaks_off_ends_the_run(tmp_path: Path) -> None:
    path = write(tmp_path / "sums.jsonl")
    source = tasks(path, streaming=True, buffer=2)
    path.write_text(json.dumps(ROWS[0]) + "\n{broken")
    with pytest.raises(RunError, match="cannot read tasks from dataset"):
        drawn(source, range(20))


def test_the_library_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "sums.jsonl")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"selfplay\[train\]"):
        tasks(path)


# ------------------------------------------------------------------ recipes

SECTION = """
[[tasks]]
source = "datasets"
path = "{path}"
streaming = true
share = 0.5
columns = {{ text = "problem" }}
"""


def test_a_run_resumes_with_the_tasks_it_would_have_had_from_another_folder(
    recipe_file: Path, tmp_path: Path, game_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Game and tasks are named relative to the recipe."""
    write(recipe_file.parent / "sums.jsonl")
    (recipe_file.parent / "own.py").write_text(game_file.read_text())
    text = recipe_file.read_text().replace(f"{game_file}:Vowels", "own.py:Vowels")
    recipe_file.write_text(text + SECTION.format(path="sums.jsonl"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    whole = selfplay.league(recipe_file, root=tmp_path / "whole")

    def stop(run: selfplay.Run) -> None:
        monkeypatch.setattr("selfplay.run.loop.Loop._settle", stopped_at_4)

    from selfplay.run.loop import Loop

    settle = Loop._settle

    def stopped_at_4(self: Loop, game: Any, now: Any) -> None:
        if now.number == 4:
            raise RuntimeError("killed")
        settle(self, game, now)

    with pytest.raises(RuntimeError):
        selfplay.league(recipe_file, root=tmp_path / "runs", on_start=stop)
    monkeypatch.setattr(Loop, "_settle", settle)
    monkeypatch.chdir(tmp_path)
    run = selfplay.league(root=tmp_path / "runs", resume="last")
    found = [[record.pairing.task for record in each.matches()] for each in (whole, run)]
    assert found[0] == found[1] and {task.source for task in found[0]} == {"", "datasets:sums.jsonl"}


def test_a_recipe_with_columns_is_written_and_read_back(recipe_file: Path) -> None:
    recipe_file.write_text(recipe_file.read_text() + SECTION.format(path="a/b"))
    recipe, _ = load_recipe(recipe_file, ['tasks.0.columns={"a b" = "c\\"d", e = "f"}'])
    assert recipe.tasks[0].columns == {"a b": 'c"d', "e": "f"}
    assert recipe_from(parse_toml(to_toml(recipe), "")) == recipe


def test_files_of_a_recipe_are_looked_for_beside_it_and_those_of_set_where_one_is(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for folder, name in ((tmp_path, "both.jsonl"), (here, "both.jsonl"), (here, "here.jsonl")):
        write(folder / name)
    monkeypatch.chdir(here)

    def path(given: str, *overrides: str) -> str:
        recipe_file.write_text(base + SECTION.format(path=given))
        return load_recipe(recipe_file, overrides)[0].tasks[0].path

    base = recipe_file.read_text()
    assert path("both.jsonl") == str(tmp_path / "both.jsonl")
    assert path("here.jsonl") == str(here / "here.jsonl")
    assert path("here.jsonl", "tasks.0.path=both.jsonl") == str(here / "both.jsonl")
    assert path("org/name") == "org/name"
