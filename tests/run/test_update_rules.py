"""Runs under every update rule, end to end with an untrained model: they learn, resume, and say what they left out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import selfplay
from selfplay.errors import SelfplayError, UsageError

GAME = '''
from selfplay import Exam, Game, Match, Role

class Vowels(Game):
    """The speaker is paid for vowels, and shown how it is done."""
    speaker = Role("Answer.")
    attempts: int = 4
    shows: bool = True

    async def play(self, match: Match) -> None:
        prompt = "asked" if match.task is None else str(match.task)
        answers = await match.ask(self.speaker, prompt, n=self.attempts)
        for answer in answers:
            answer.reward = float(sum(c in "aeiou" for c in answer.text) > 0)
        match.result(speaker=answers[0].reward)
        if self.shows:
            answers[0].keep = True
            match.prefer(match.example(self.speaker, prompt, "aeiou"), answers[-1])

    def exam(self):
        return Exam("speaker", {"one": ["a", "b"]}, {"attempts": 1})
'''

RECIPE = """
name = "vowels"
[game]
id = "{game}:Vowels"
[policy]
base = "hf:{model}"
threads = 1
[sampling]
max_tokens = 8
[schedule]
generations = 4
matches = 4
checkpoint_every = 1
[learning]
lr = 1e-2
learner = "{learner}"
{rule}
[evaluation]
every = 0
tasks = 2
final_tasks = 2
"""

RULES = {
    "sft": 'rule = "sft"',
    "dpo": 'rule = "dpo"\nnll = 0.5',
    "spin": 'rule = "dpo"\npairs = "against_example"\nreference = "current"\nepochs = 2\nwindow = 2',
    "kto": 'rule = "kto"',
    "offline_clip": 'rule = "offline_clip"\nwindow = 2',
}
Weights = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def write(tmp_path: Path, model_dir: Path) -> Callable[..., Path]:
    (tmp_path / "vowels.py").write_text(GAME)

    def write(rule: str, learner: str = "plain") -> Path:
        path = tmp_path / "recipe.toml"
        path.write_text(RECIPE.format(game=tmp_path / "vowels.py", model=model_dir, learner=learner, rule=rule))
        return path

    return write


@pytest.mark.parametrize("rule", RULES)
def test_what_is_wanted_becomes_likelier(rule: str, write: Callable[..., Path], tmp_path: Path) -> None:
    run = selfplay.league(write(RULES[rule]), root=tmp_path / "runs")
    assert run.status() == "done"
    lines = list(run.metrics())
    number = {"kto": "margin", "spin": "accuracy"}.get(rule, "nll")
    first, last = (line["roles"]["speaker"][number] for line in (lines[0], lines[-1]))
    assert last < first if number == "nll" else last > first
    made = list(run.events("material"))
    assert len(made) == 4 and all(event["rows"] >= 4 for event in made)


@pytest.mark.parametrize("rule", ["sft", "dpo", "kto"])
def test_a_role_counts_as_much_as_its_weight(rule: str, write: Callable[..., Path], tmp_path: Path) -> None:
    def begun(weight: float) -> tuple[int, float]:
        sets = [f"roles.speaker.weight={weight}", "schedule.generations=1"]
        run = selfplay.league(write(RULES[rule]), root=tmp_path / "runs", overrides=sets)
        (material,), (line,) = run.events("material"), run.metrics()
        return material["rows"], line["loss"]

    (rows, loss), (as_many, thrice), nothing = begun(1.0), begun(3.0), begun(0.0)
    assert rows == as_many > 0 and loss != 0.0 and thrice == pytest.approx(3 * loss, rel=1e-4)
    assert nothing == (0, 0.0)


@pytest.mark.parametrize("learner", ["plain", "trl"])
@pytest.mark.parametrize("rule", ["sft", "spin"])
def test_a_killed_run_ends_in_the_same_bits(
    learner: str, rule: str, write: Callable[..., Path], tmp_path: Path, weights: Weights
) -> None:
    """With `spin`, the last update learns from rows of the generation before, made again from the log."""
    calm = selfplay.league(write(RULES[rule], learner), root=tmp_path / "runs")
    torn = selfplay.open_run(shutil.copytree(calm.path, tmp_path / "torn", symlinks=True))
    shutil.rmtree(torn.folder.sealed()[-1].path)  # as if it had been killed before its last checkpoint
    shutil.rmtree(sorted((torn.path / "snapshots").glob("gen-*"))[-1])
    again = selfplay.league(resume=torn.path)
    assert again.status() == "done" and weights(again.path) == weights(calm.path)


PHASES = """
[[phases]]
name = "imitation"
set = ["learning.rule=sft"]
generations = 1
[[phases]]
name = "rewards"
generations = 2
[[phases]]
name = "preferences"
set = ["learning.rule=dpo", "learning.pairs=pass_fail", "learning.lr=1e-4"]
"""


@pytest.mark.parametrize("learner", ["plain", "trl"])
def test_phases_change_the_rule_and_a_killed_run_ends_in_the_same_bits(
    learner: str, write: Callable[..., Path], tmp_path: Path, weights: Weights
) -> None:
    recipe = write("", learner)
    recipe.write_text(recipe.read_text() + PHASES)
    calm = selfplay.league(recipe, root=tmp_path / "runs")
    assert [event["generation"] for event in calm.events("material")] == [0, 3]  # rewards select nothing
    assert [(event["generation"], event["name"]) for event in calm.events("phase")] == [
        (0, "imitation"), (1, "rewards"), (3, "preferences"),
    ]  # fmt: skip
    torn = selfplay.open_run(shutil.copytree(calm.path, tmp_path / "torn", symlinks=True))
    shutil.rmtree(torn.folder.sealed()[-1].path)
    shutil.rmtree(sorted((torn.path / "snapshots").glob("gen-*"))[-1])
    again = selfplay.league(resume=torn.path)
    assert again.status() == "done" and weights(again.path) == weights(calm.path)


RATES = """
[[phases]]
name = "fast"
set = ["learning.lr=1e-1"]
generations = 3
[[phases]]
name = "slow"
"""


@pytest.mark.parametrize("learner", ["plain", "trl"])
def test_a_run_killed_where_the_rate_changes_goes_on_at_the_new_one(
    learner: str, write: Callable[..., Path], tmp_path: Path, weights: Weights
) -> None:
    """The checkpoint was written at the rate of the phase before."""
    recipe = write(RULES["sft"], learner)
    recipe.write_text(recipe.read_text() + RATES)
    calm = selfplay.league(recipe, root=tmp_path / "runs")
    torn = selfplay.open_run(shutil.copytree(calm.path, tmp_path / "torn", symlinks=True))
    shutil.rmtree(torn.folder.sealed()[-1].path)
    shutil.rmtree(sorted((torn.path / "snapshots").glob("gen-*"))[-1])
    again = selfplay.league(resume=torn.path)
    for run in (calm, again):
        assert [line["lr"] for line in run.metrics()] == pytest.approx([1e-1, 1e-1, 1e-1, 1e-2])
    assert weights(again.path) == weights(calm.path)


@pytest.mark.parametrize("rule", ["dpo", "sft"])
def test_a_generation_without_a_row_is_counted_and_passed_over(
    rule: str, write: Callable[..., Path], tmp_path: Path
) -> None:
    run = selfplay.league(
        write(f'rule = "{rule}"'),
        root=tmp_path / "runs",
        overrides=["game.settings.shows=false", "schedule.generations=2"],
    )
    assert run.status() == "done"
    assert [event["rows"] for event in run.events("material")] == [0, 0]
    assert [line["loss"] for line in run.metrics()] == [0.0, 0.0]


def test_why_there_are_no_pairs_is_written_down(write: Callable[..., Path], tmp_path: Path) -> None:
    run = selfplay.league(
        write('rule = "dpo"\npairs = "best_worst"'), root=tmp_path / "runs",
        overrides=["game.settings.attempts=1", "schedule.matches=1", "schedule.generations=1"],
    )  # fmt: skip
    assert [event["left_out"] for event in run.events("material")] == [{"only one reply to the prompt": 1}]


@pytest.mark.parametrize(
    ("rule", "sets", "match"),
    [
        ('rule = "sft"', ["roles.speaker.kl=0.1"], "roles.speaker.kl is 0.1 with learning.rule = 'sft'"),
        ('rule = "dpo"', ["roles.speaker.kl=0.1"], "learning.beta does its work"),
        ('rule = "dpo"\npairs = "best"', [], "did you mean 'best_worst'"),
        ('rule = "sft"\nselect = "keep"', [], "did you mean 'kept'"),
        ('rule = "sft"\npairs = "best_worst"', [], "learning.pairs is 'best_worst', but learning.rule = 'sft'"),
        ('rule = "dpo"\nselect = "rewarded"', [], "learning.select is .*'dpo' does not read it"),
        ('rule = "kto"\nselect = "best_of_group"', [], "would count as undesirable"),
        ('rule = "ppo"', [], "rule"),
    ],
)
def test_recipes_that_cannot_work(
    rule: str, sets: list[str], match: str, write: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(SelfplayError, match=match) as error:
        selfplay.league(write(rule), root=tmp_path / "runs", overrides=sets)
    assert isinstance(error.value, UsageError)
    assert not (tmp_path / "runs").exists()
