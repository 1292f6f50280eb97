"""The recipes of examples/propose_solve_verify and examples/autoformalize really run, and do what they say."""

from __future__ import annotations

from pathlib import Path

import selfplay
from selfplay.record.run import Run

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = ["schedule.generations=3", "schedule.matches=6", "evaluation.tasks=1", "evaluation.final_tasks=1",
         "evaluation.every=0", "learning.learner=plain", "learning.warmup_updates=0", "policy.threads=1",
         "policy.base=tiny:countdown", "sampling.max_tokens=12", "game.settings.attempts=2"]  # fmt: skip
EACH = "roles.solver.update_every=1"
FEW = ["tasks.0.share=0.5", "tasks.1.share=0.5", "game.settings.proposals=2"]


def run(name: str, root: Path, *overrides: str) -> Run:
    played = selfplay.league(EXAMPLES / f"{name}.toml", root=root, overrides=[*SMALL, *overrides])
    assert played.status() == "done"
    assert not [record for record in played.matches() if record.error]
    return played


def test_psv_solves_first_then_also_proposes_and_keeps_one_solution_of_each_contract(tmp_path: Path) -> None:
    """The model knows neither role: nothing it writes is worth posing, and without a verifier everything is learned."""
    played = run("propose_solve_verify/recipe", tmp_path, *FEW, EACH, "game.settings.verifier=none")
    roles = [{move.role for record in played.matches(g) for move in record.moves} for g in range(3)]
    assert roles == [{"solver"}, {"proposer", "solver"}, {"proposer", "solver"}]
    solved: set[str] = set()
    for generation, event in enumerate(played.events("material")):
        moves = [move for record in played.matches(generation) for move in record.moves if move.role == "solver"]
        solved |= {move.messages[-1].text for move in moves if move.reward == 1.0}
        assert event["rows"] == len(solved), "at most one for each contract, from all generations"
    assert all(line["grad_norm"] > 0 for line in played.metrics())


def test_without_proposals_only_starting_contracts_are_solved(tmp_path: Path) -> None:
    played = run("propose_solve_verify/recipe", tmp_path, EACH, "tasks.0.share=0", "tasks.1.share=0")
    assert {move.role for record in played.matches() for move in record.moves} == {"solver"}
    assert all(record.pairing.task.data is None for record in played.matches())


def test_by_policy_gradient_the_proposer_learns_too(tmp_path: Path) -> None:
    played = run("propose_solve_verify/policy_gradient", tmp_path, *FEW, "game.settings.tries=2")
    moves = [move for record in played.matches() for move in record.moves]
    assert {move.role for move in moves if move.learn and move.reward is not None} == {"proposer", "solver"}


def test_autoformalize_credits_segments(tmp_path: Path) -> None:
    played = run("autoformalize/recipe", tmp_path)
    assert {move.tag for record in played.matches() for move in record.moves} >= {"statement"}
    assert all("faithful" in line["notes"] for line in played.metrics())
