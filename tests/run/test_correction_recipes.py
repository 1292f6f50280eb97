"""The recipes of examples/self_correction and examples/digits_frontier really run, and do what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

import selfplay
from selfplay.record.run import Run

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = ["schedule.generations=3", "schedule.matches=4", "evaluation.tasks=2", "evaluation.final_tasks=2",
         "evaluation.every=0", "learning.learner=plain", "learning.warmup_updates=0", "policy.threads=1",
         "policy.base=tiny:countdown"]  # fmt: skip


def run(name: str, root: Path, *overrides: str) -> Run:
    played = selfplay.league(EXAMPLES / f"{name}.toml", root=root, overrides=[*SMALL, *overrides])
    assert played.status() == "done"
    assert not [record for record in played.matches() if record.error]
    return played


def trained(played: Run) -> set[tuple[str, str]]:
    """(role, tag) of the moves that were learned from."""
    return {(move.role, move.tag) for record in played.matches() for move in record.moves if move.learn}


LEARNS = {
    "single": {("solver", "first")},
    "cocos": {("solver", "second")},
    "reflect": {("reflector", "")},
}


@pytest.mark.parametrize("name", LEARNS)
def test_each_system_trains_what_its_paper_trains(name: str, tmp_path: Path) -> None:
    played = run(f"self_correction/{name}", tmp_path)
    assert trained(played) == LEARNS[name]
    assert all({"acc1", "acc2", "fixed", "broken", "edited"} <= set(line["notes"]) for line in played.metrics())


def test_score_has_two_stages(tmp_path: Path) -> None:
    """Stage I pays both attempts for the second one, stage II pays the second one for progress."""
    played = run("self_correction/score", tmp_path, "phases.0.generations=2")
    schemes = [{record.config["scheme"] for record in played.matches(number)} for number in range(3)]
    assert schemes == [{"last"}, {"last"}, {"progress"}]
    assert trained(played) == {("solver", "first"), ("solver", "second")}
    assert {move.reward for record in played.matches(2) for move in record.moves} <= {-10.0, 0.0, 1.0, 11.0}
    kinds = [line["roles"] for line in played.metrics()]
    assert all("kl" in roles["solver/first"] for roles in kinds)


@pytest.mark.parametrize("name", ["recipe", "no_filters"])
def test_the_frontier_moves_and_kept_replies_are_learned(name: str, tmp_path: Path) -> None:
    small = ["game.settings.problems=2", "game.settings.votes=2", "controllers.0.above=0.0", "controllers.0.patience=1"]
    played = run(f"digits_frontier/{name}", tmp_path, *small, "game.settings.new_share=1.0")
    assert [line["notes"]["frontier"] for line in played.metrics()] == [6.0, 7.0, 8.0]
    assert all(line["grad_norm"] > 0 for line in played.metrics())
