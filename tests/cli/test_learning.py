"""From a recipe to a run, its snapshot and an exam, with the commands a person types."""

from __future__ import annotations

from pathlib import Path

import pytest

from selfplay.record import open_run

from .conftest import Command

RECIPE = """[game]
id = "countdown"
settings = {{ attempts = 2, sizes = [3] }}
[policy]
base = "tiny:{model}"
threads = 1
[sampling]
max_tokens = 8
[schedule]
generations = 2
matches = 4
checkpoint_every = 1
[learning]
learner = "plain"
[evaluation]
every = 1
tasks = 3
final_tasks = 4
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    file = tmp_path_factory.mktemp("league") / "recipe.toml"
    file.write_text(RECIPE.format(model=tiny_model))
    return file


def test_from_recipe_to_model(selfplay: Command, recipe: Path) -> None:
    root = recipe.parent / "runs"
    done = selfplay("league", recipe, "--root", root, "--name", "small", "--json")
    assert done.code == 0, done.err
    id = done.json["run"]
    assert done.json["status"] == "done" and done.json["matches"] == 8
    assert f"run {id} in {open_run(id, root).path}" in done.err

    (row,) = selfplay("runs", "list", "--root", root, "--json").json
    assert (row["id"], row["name"], row["generations"]) == (id, "small", 2)

    model = recipe.parent / "model"
    exported = selfplay("snapshot", "export", f"{id}@best", model, "--root", root, "--json").json
    assert exported["folder"] == str(model) and (model / "model.safetensors").is_file()
    again = selfplay("snapshot", "export", f"{id}@best", model, "--root", root)
    assert again.code == 2 and "is not empty" in again.err

    by_name = selfplay("eval", f"{id}@best", "--game", "countdown", "--tasks", 5, "--root", root, "--json").json
    by_folder = selfplay("eval", f"hf:{model}", "--game", "countdown", "--tasks", 5, "--json").json
    assert by_name["levels"] == by_folder["levels"] and by_name["levels"]["3"]["of"] == 5
    low, rate, high = (by_name["levels"]["3"][key] for key in ("low", "rate", "high"))
    assert 0 <= low <= rate <= high <= 1

    match = selfplay("play", "countdown", "--seat", f"solver={id}@last", "--root", root, "--json").json
    assert {move["player"] for move in match["moves"]} >= {f"{id}@last"}

    shown = selfplay("show", f"{id}/last", "--tokens", "--root", root)
    assert "id:logprob" in shown.out


def test_without_json_the_end_table_is_printed(selfplay: Command, recipe: Path) -> None:
    result = selfplay("league", recipe, "--root", recipe.parent / "other", "--generations", 1, "--no-live")
    assert result.code == 0 and "held-out solve rate" in result.out and "what next" in result.out
    quiet = selfplay("league", recipe, "--root", recipe.parent / "other", "--generations", 1, "-q")
    assert quiet.code == 0 and quiet.err == ""
