"""What a recipe describes: mistakes are found before there is a folder, and settings reach what they are about."""

from __future__ import annotations

from pathlib import Path

import pytest

import selfplay
from selfplay.errors import RunError, UsageError
from selfplay.policies.hf import LocalPolicy
from selfplay.run.parts import Parts
from selfplay.run.recipe_file import load_recipe

HEALTH = '\n[[health]]\nmetric = "{}"\nkind = "above"\nthreshold = 0\n'
CONTROLLER = '\n[[controllers]]\nkind = "schedule"\nkey = "{}"\nstart = 1\nend = 2\n'


@pytest.mark.parametrize(
    ("more", "sets", "words"),
    [
        ("", ["roles.asker.credit=zscore"], "unknown credit estimator 'zscore'"),
        ("", ["learning.lr=0"], "lr is 0.0; it must be above 0"),
        (CONTROLLER.format("game.settings.atempts"), [], "did you mean 'attempts'"),
        (CONTROLLER.format("roles.answer.weight"), [], "did you mean 'answerer'"),
        (CONTROLLER.format("roles.asker.weight") + 'metric = "asker/klo"\n', [], "did you mean 'asker/kl'"),
        (HEALTH.format("answerer/lenght"), [], "did you mean 'answerer/length'"),
    ],
)
def test_mistakes_are_found_before_anything_starts(
    more: str, sets: list[str], words: str, recipe_file: Path, tmp_path: Path
) -> None:
    recipe_file.write_text(recipe_file.read_text() + more)
    with pytest.raises(UsageError, match=words):
        selfplay.league(recipe_file, root=tmp_path / "runs", overrides=sets)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("sets", "cap"),
    [([], 0.2), (["learning.loss=cispo"], 5.0), (["learning.loss=cispo", "learning.epsilon_high=3"], 3.0)],
)
def test_each_loss_has_its_own_upper_clip(sets: list[str], cap: float, recipe_file: Path) -> None:
    recipe, _ = load_recipe(recipe_file, sets)
    assert Parts.of(recipe, "runs").learning.clip_high == cap


def test_a_fixed_player_of_two_roles_is_loaded_once(recipe_file: Path, model_dir: Path, game_file: Path) -> None:
    game_file_three = game_file.with_name("three.py")
    game_file_three.write_text(
        game_file.read_text().replace("    attempts:", '    third = Role("Third.")\n    attempts:')
    )
    sets = [f"game.id={game_file_three}:Vowels"]
    sets += [f"roles.{role}.player=hf:{model_dir}" for role in ("asker", "third")]
    recipe, _ = load_recipe(recipe_file, sets)
    cast = Parts.of(recipe, "runs").cast
    assert set(cast.players) == {f"hf:{model_dir}", "main"}
    assert isinstance(cast.players[f"hf:{model_dir}"].policy, LocalPolicy)


def test_the_exam_is_answered_at_the_length_of_the_role_that_takes_it(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[tuple[str, int]] = set()
    complete = LocalPolicy.complete

    def spy(self, requests):  # type: ignore[no-untyped-def]
        asked.update((r.role, r.sampling.max_tokens) for r in requests if r.sampling.temperature == 0)
        return complete(self, requests)

    monkeypatch.setattr(LocalPolicy, "complete", spy)
    sets = ["schedule.generations=1", "roles.asker.sampling.max_tokens=2", "roles.answerer.sampling.max_tokens=7"]
    selfplay.league(recipe_file, root=tmp_path / "runs", overrides=sets)
    assert asked == {("answerer", 7)}


SETTLE = """
    def settle(self, records):
        from selfplay.types import Edit
        return [Edit("g9", "0", 1.0, "")]
"""


def test_a_settle_that_fails_is_named(recipe_file: Path, tmp_path: Path, game_file: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(game_file.read_text() + SETTLE)
    with pytest.raises(RunError, match=r"settle of game .* failed in generation 0: KeyError: \('g9', '0'\)"):
        selfplay.league(recipe_file, root=tmp_path / "runs", overrides=[f"game.id={bad}:Vowels"])


def test_a_run_that_starts_from_a_snapshot_remembers_which(recipe_file: Path, tmp_path: Path) -> None:
    root, sets = tmp_path / "runs", ["schedule.generations=2", "evaluation.every=0"]
    first = selfplay.league(recipe_file, root=root, overrides=sets)
    sets += ["policy.base=last@last", "roles.asker.player=last@gen-0", "roles.answerer.opponent=last@best"]
    second = selfplay.league(recipe_file, root=root, overrides=sets)
    assert f'base = "{first.info.id}@gen-2"' in second.config
    assert f'player = "{first.info.id}@gen-0"' in second.config
    assert f'opponent = "{first.info.id}@gen-' in second.config
    assert selfplay.league(resume=second.path, root=root).status() == "done"


def test_a_game_without_an_exam_cannot_be_judged_by_it(recipe_file: Path, tmp_path: Path, game_file: Path) -> None:
    blind = tmp_path / "blind.py"
    blind.write_text(game_file.read_text().partition("    def exam")[0])
    recipe_file.write_text(recipe_file.read_text() + HEALTH.format("canary/fall_p"))
    with pytest.raises(UsageError, match="has no held-out tasks to judge by"):
        selfplay.league(recipe_file, root=tmp_path / "runs", overrides=[f"game.id={blind}:Vowels"])
