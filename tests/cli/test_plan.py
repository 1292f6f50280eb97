"""`selfplay league --dry-run`: the resolved recipe and what it will take."""

from __future__ import annotations

import json
import struct
import tomllib
from pathlib import Path

import pytest

from selfplay import Game, Match, Role
from selfplay.games import make_game
from selfplay.run import recipe as recipe_module
from selfplay.run.model_files import count_parameters
from selfplay.run.plan import Plan, measure, plan
from selfplay.run.recipe import Recipe, Section
from selfplay.run.recipe_file import recipe_from

from .conftest import Command

SHAPE = {"num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 2, "vocab_size": 100}


def fake_model(folder: Path) -> Path:
    """A model as far as a plan looks at it: shapes without numbers."""
    folder.mkdir()
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "a": {"dtype": "F32", "shape": [100, 8], "data_offsets": [0, 3200]},
            "b": {"dtype": "F32", "shape": [40], "data_offsets": [3200, 3360]},
        }
    ).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    (folder / "config.json").write_text(json.dumps(SHAPE))
    return folder


def recipe_for(folder: Path, **more: object) -> Recipe:
    settings = {"attempts": 4, "sizes": [3]}
    basic = {"game": {"id": "countdown", "settings": settings}, "policy": {"base": f"tiny:{folder}"}}
    return recipe_from({**basic, "schedule": {"generations": 10, "matches": 20}, **more})


def plan_for(recipe: Recipe) -> Plan:
    return plan(recipe, make_game(recipe.game.id, recipe.game.settings))


def test_matches_asks_and_tokens(tmp_path: Path) -> None:
    found = plan_for(recipe_for(fake_model(tmp_path / "model"), sampling={"max_tokens": 10}))
    assert (found.matches, found.updates) == (200, 10)
    assert found.asks is not None and found.replies is not None and found.tokens is not None
    assert 200 <= found.asks <= 400  # one to the proposer, one to the solver unless the proposal was no good
    assert found.replies > found.asks  # the solver is asked for four
    assert 0 < found.tokens < (found.tokens_at_most or 0) == found.replies * 10


def test_the_estimate_is_what_the_bots_really_do(tmp_path: Path) -> None:
    class Fixed(Game):
        """Two asks of known length, three replies."""

        bots = {"random": lambda request, rng: "12345678"}
        one = Role("abcd")

        async def play(self, match: Match) -> None:
            await match.ask(self.one, "efgh")
            await match.ask(self.one, "ij", n=2)

    recipe = recipe_for(fake_model(tmp_path / "model"), sampling={"max_tokens": 16})
    usage = measure(recipe, Fixed(), len)
    assert usage is not None
    assert (usage.asks, usage.replies) == (2, 3)
    assert (usage.prompt_tokens, usage.reply_tokens, usage.reply_tokens_at_most) == (4 + 4 + 2, 24, 48)
    assert usage.longest == 4 + 4 + 8 + 2 + 16


def test_memory_and_disk_follow_from_the_shapes(tmp_path: Path) -> None:
    folder = fake_model(tmp_path / "model")
    assert count_parameters(folder) == 840
    plain, anchored = plan_for(recipe_for(folder)), plan_for(recipe_for(folder, roles={"solver": {"kl": 0.1}}))
    assert plain.memory_mb is not None and anchored.memory_mb is not None
    assert plain.memory_mb["weights"] == pytest.approx(840 * 4 / 1e6)
    assert anchored.memory_mb["weights"] == pytest.approx(2 * 840 * 4 / 1e6)
    assert plain.memory_mb["gradients and Adam"] == pytest.approx(3 * 840 * 4 / 1e6)
    assert plain.disk_mb["snapshots"] == pytest.approx(2 * 840 * 4 / 1e6)
    often = plan_for(recipe_for(folder, schedule={"generations": 10, "matches": 20, "snapshot_every": 2}))
    assert often.disk_mb["snapshots"] == pytest.approx((2 + 5) * 840 * 4 / 1e6)


def test_exams_are_counted(tmp_path: Path) -> None:
    recipe = recipe_for(fake_model(tmp_path / "model"), evaluation={"every": 4, "tasks": 10, "final_tasks": 30})
    assert plan_for(recipe).exam_matches == 2 * 30 + 2 * 10


def test_a_game_without_bots_has_a_plan_with_gaps(tmp_path: Path) -> None:
    class Silent(Game):
        """Nobody to play with."""

        one = Role("Say something.")

        async def play(self, match: Match) -> None:
            await match.ask(self.one, "?")

    found = plan(recipe_for(fake_model(tmp_path / "model")), Silent())
    assert found.matches == 200 and found.tokens is None and found.disk_mb["logs"] is None
    assert found.lines()[3][:2] == ("tokens", "unknown")


def test_a_model_that_is_not_here(tmp_path: Path) -> None:
    found = plan_for(recipe_for(tmp_path, policy={"base": "hf:some-org/some-model"}))
    assert found.parameters is None and found.memory_mb is None and found.tokens


def test_dry_run_prints_a_recipe_that_runs_again(selfplay: Command, tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    folder = fake_model(tmp_path / "model")
    file.write_text(f'[game]\nid = "countdown"\n[policy]\nbase = "tiny:{folder}"\n')
    args = ("league", file, "--dry-run", "--generations", "7", "--set", "game.settings.attempts=2")
    result = selfplay(*args, "--root", tmp_path / "runs")
    assert result.code == 0
    text, _, table = result.out.partition("\nmatches ")
    resolved = tomllib.loads(text)
    assert resolved["schedule"]["generations"] == 7 and resolved["game"]["settings"] == {"attempts": 2}
    assert "840" in table and "KV cache" in table
    file.write_text(text)
    again = selfplay("league", file, "--dry-run", "--json").json
    assert again["recipe"]["schedule"]["generations"] == 7 and again["plan"]["matches"] == 7 * 64
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (["roles.proposer.weights=frozen", "roles.solver.weights=frozen"], "no role learns"),
        (["roles.proposer.weights=frozen", "roles.proposer.update_every=0"], "nothing is ever updated"),
    ],
)
def test_dry_run_refuses_what_the_run_would_refuse(
    selfplay: Command, tmp_path: Path, sets: list[str], message: str
) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(f'[game]\nid = "countdown"\n[policy]\nbase = "tiny:{fake_model(tmp_path / "model")}"\n')
    result = selfplay("league", file, "--dry-run", *(part for each in sets for part in ("--set", each)))
    assert result.code == 2 and message in result.err


def test_every_field_of_a_recipe_is_explained() -> None:
    sections = [kind for kind in vars(recipe_module).values() if isinstance(kind, type) and issubclass(kind, Section)]
    bare = [f"{s.__name__}.{name}" for s in sections for name, field in s.model_fields.items() if not field.description]
    assert len(sections) > 10 and bare == []
