"""The recipes of examples/program_io run, by the rules they name.

The built-in model plays another game: what it says are fouls. What good replies earn is tested with the game.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import selfplay

EXAMPLES = Path(__file__).parents[2] / "examples" / "program_io"
SMALL = ["schedule.generations=2", "schedule.matches=3", "evaluation.tasks=1", "evaluation.final_tasks=1",
         "evaluation.every=0", "learning.learner=plain", "learning.warmup_updates=0", "policy.threads=1",
         "policy.base=tiny:countdown", "sampling.max_tokens=8", "game.settings.attempts=2"]  # fmt: skip


@pytest.mark.parametrize(("name", "learns"), [("recipe", {"proposer"}), ("frozen_proposer", set())])
def test_every_recipe_runs(name: str, learns: set[str], tmp_path: Path) -> None:
    played = selfplay.league(EXAMPLES / f"{name}.toml", root=tmp_path, overrides=SMALL)
    assert played.status() == "done"
    records = list(played.matches())
    assert len(records) == 6 and not [record.error for record in records if record.error]
    assert {(move.role, move.reward) for record in records for move in record.moves} == {("proposer", -1.0)}
    assert {move.role for record in records for move in record.moves if move.learn} == learns
