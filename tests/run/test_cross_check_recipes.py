"""The recipes of code_and_tests, regex_speaker_listener and verifiable_instructions run, by their rules.

The model of another game stands in where only the recipe is looked at: what it says are fouls. With the game's own
built-in model every role earns something.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import selfplay
from selfplay.games import make_game
from selfplay.types import MatchRecord

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = ("code_and_tests", "regex_speaker_listener", "verifiable_instructions")
RECIPES = sorted(path for folder in FOLDERS for path in (EXAMPLES / folder).glob("*.toml"))
SMALL = ["schedule.generations=2", "schedule.matches=2", "evaluation.tasks=1", "evaluation.final_tasks=1",
         "evaluation.every=0", "learning.learner=plain", "learning.warmup_updates=0", "policy.threads=1",
         "game.settings.exam_size=2"]  # fmt: skip
STRANGER = ["policy.base=tiny:countdown", "sampling.max_tokens=8"]
ASKED_FIRST: dict[str, set[str]] = {
    "code_and_tests": {"solver", "verifier"},
    "regex_speaker_listener": {"speaker"},
    "verifiable_instructions": set(),  # the responder learns, which is asked if something was verified
}
"""Roles that learn, and are asked whatever the others say."""


def run(path: Path, root: Path, *overrides: str) -> list[MatchRecord]:
    """The matches of a small run of a recipe, none of which failed."""
    phases = ["phases.0.generations=1"] if "[[phases]]" in path.read_text() else []
    played = selfplay.league(path, root=root, overrides=[*SMALL, *phases, *overrides])
    assert played.status() == "done"
    records = list(played.matches())
    assert not [record.error for record in records if record.error]
    return records


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_recipe_runs(path: Path, tmp_path: Path) -> None:
    records = run(path, tmp_path, *STRANGER)
    assert len(records) == 4
    assert "arXiv" in path.read_text().partition("about =")[0], "names its paper"
    learning = {move.role for record in records for move in record.moves if move.learn}
    assert learning >= ASKED_FIRST[path.parent.name]


@pytest.mark.parametrize("folder", ["regex_speaker_listener", "verifiable_instructions"])
def test_with_its_own_model_every_role_earns_something(folder: str, tmp_path: Path) -> None:
    records = run(EXAMPLES / folder / "recipe.toml", tmp_path, "schedule.matches=8")
    assert {move.role for record in records for move in record.moves} == set(make_game(folder).roles)
    earned = {move.role for record in records for move in record.moves if (move.reward or 0.0) > 0.0}
    assert earned >= {role for role in make_game(folder).roles if role != "translator"}, "translations are not paid"
