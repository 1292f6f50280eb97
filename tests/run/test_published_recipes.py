"""The recipes of examples/multiplication and examples/vote_training really run, and differ in what they say they do."""

from __future__ import annotations

from pathlib import Path

import pytest

import selfplay
from selfplay.record.run import Run
from selfplay.run.recipe_file import load_recipe

EXAMPLES = Path(__file__).parents[2] / "examples"
RECIPES = sorted(path for folder in ("multiplication", "vote_training") for path in (EXAMPLES / folder).glob("*.toml"))
SMALL = ["schedule.generations=2", "schedule.matches=8", "evaluation.tasks=3", "evaluation.final_tasks=3",
         "evaluation.every=0", "game.settings.attempts=4", "learning.learner=plain", "policy.threads=1"]  # fmt: skip


def run(name: str, root: Path, *overrides: str) -> Run:
    folder, _, file = name.partition("/")
    return selfplay.league(EXAMPLES / folder / f"{file}.toml", root=root, overrides=[*SMALL, *overrides])


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_recipe_runs_and_learns(path: Path, tmp_path: Path) -> None:
    played = run(f"{path.parent.name}/{path.stem}", tmp_path)
    assert played.status() == "done"
    assert not [record for record in played.matches() if record.error]
    lines = list(played.metrics())
    assert len(lines) == 2 and all("solve_rate" in line["notes"] for line in lines)
    if path.stem != "format_only":  # where nearly every answer is readable, it teaches nearly nothing
        assert any(line["grad_norm"] > 0 for line in lines), "something was learned from"


def test_recipes_name_their_paper_and_what_differs() -> None:
    assert len(RECIPES) >= 12
    for path in RECIPES:
        text = path.read_text()
        assert "arXiv" in text.partition("about =")[0], path.name
        assert load_recipe(path)[0].about


def test_labels_come_from_where_the_recipe_says(tmp_path: Path) -> None:
    frozen = run("vote_training/srt_frozen", tmp_path)
    asked = {move.role: move for record in frozen.matches(1) for move in record.moves}
    assert set(asked) == {"solver", "labeller"}
    assert not asked["labeller"].learn and asked["labeller"].completion.weights_version == 0
    assert asked["solver"].learn and asked["solver"].completion.weights_version == 1
    online = run("vote_training/srt_online", tmp_path)
    assert {move.role for record in online.matches() for move in record.moves} == {"solver"}


def test_a_frozen_proposer_stays_the_base_model(tmp_path: Path) -> None:
    played = run("multiplication/frozen_proposer", tmp_path)
    moves = [move for record in played.matches(1) for move in record.moves]
    assert {(m.role, m.learn, m.completion.weights_version) for m in moves} == {
        ("proposer", False, 0),
        ("solver", True, 1),
    }


def test_b_star_learns_from_what_the_best_balanced_threshold_lets_through(tmp_path: Path) -> None:
    generations = range(3)
    sets = [f"schedule.generations={len(generations)}", "game.settings.attempts=16"]
    played = run("vote_training/b_star", tmp_path, *sets)
    changes = list(played.events("override"))

    def setting(key: str) -> list[float]:
        """Its value in every generation."""
        mine = [(event["generation"], event["value"]) for event in changes if event["key"] == key]
        return [[value for since, value in mine if since <= generation][-1] for generation in generations]

    thresholds = setting("game.settings.threshold")
    assert thresholds[0] == 0.125 and len(set(thresholds)) > 1, "it moves"
    for line, chosen in zip(played.metrics(), thresholds[1:], strict=False):
        scores = {float(name): score for name, score in line["balance"].items() if name != "best"}
        assert chosen == max(scores, key=lambda t: (scores[t], -t)) and line["balance"]["best"] == scores[chosen] > 0
    for generation, threshold in zip(generations, thresholds, strict=True):
        for record in played.matches(generation):
            (noted,) = [fact.data["scores"] for fact in record.facts if "scores" in fact.data]
            assert [move.keep for move in record.moves] == [score >= threshold for score in noted]
    assert setting("sampling.temperature")[:2] == [0.8, 0.9]


def test_the_alarms_fire_when_votes_label_themselves_and_not_when_the_labels_are_frozen(tmp_path: Path) -> None:
    """At a learning rate that ruins either, only who labels itself comes to agree, on a few wrong answers."""
    ruinous = ["seed=101", "schedule.generations=16", "schedule.matches=12", "game.settings.attempts=16",
               "learning.lr=2e-3", "learning.warmup_updates=0"]  # fmt: skip
    alarms = {
        name: {event["rule"] for event in run(f"vote_training/{name}", tmp_path / name, *ruinous).events("alarm")}
        for name in ("srt_online", "srt_frozen")
    }
    of_votes = {"notes/label_gap", "solver/answer_entropy"}
    assert of_votes <= alarms["srt_online"] and not of_votes & alarms["srt_frozen"]
