"""The recipes of code_and_tests, regex_speaker_listener and verifiable_instructions run, by their rules.

The built-in model plays none of these games: what it says are fouls. What good replies earn is tested with the games.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import selfplay

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = ("code_and_tests", "regex_speaker_listener", "verifiable_instructions")
RECIPES = sorted(path for folder in FOLDERS for path in (EXAMPLES / folder).glob("*.toml"))
SMALL = ["schedule.generations=2", "schedule.matches=2", "evaluation.tasks=1", "evaluation.final_tasks=1",
         "evaluation.every=0", "learning.learner=plain", "learning.warmup_updates=0", "policy.threads=1",
         "policy.base=tiny:countdown", "sampling.max_tokens=8", "game.settings.exam_size=2"]  # fmt: skip


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_recipe_runs(path: Path, tmp_path: Path) -> None:
    phases = ["phases.0.generations=1"] if "[[phases]]" in path.read_text() else []
    played = selfplay.league(path, root=tmp_path, overrides=[*SMALL, *phases])
    assert played.status() == "done"
    records = list(played.matches())
    assert len(records) == 4 and not [record.error for record in records if record.error]
    assert "arXiv" in path.read_text().partition("about =")[0], "names its paper"
    roles = {move.role for record in records for move in record.moves if move.learn}
    assert roles >= {"code_and_tests": {"solver", "verifier"}, "regex_speaker_listener": {"speaker"}}.get(
        path.parent.name, {"writer", "tester"}
    )
