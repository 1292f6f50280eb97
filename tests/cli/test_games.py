"""Commands about games, bots and tiny models."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from selfplay.arena import Arena
from selfplay.games import make_game
from selfplay.learning.credit import credit
from selfplay.policies.bots import ScriptedPolicy
from selfplay.run.recipe_file import load_recipe
from selfplay.run.rule import credit_rules
from selfplay.types import Pairing, Player

from .conftest import Command

FAULTY = '''import random
from selfplay import Game, Match, Role


class Faulty(Game):
    """Uses chance that no replay can know."""

    bots = {"random": lambda request, rng: "x"}
    guesser = Role("Guess.")
    pace: float = 0.5
    """How fast it goes."""

    async def play(self, match: Match) -> None:
        move = await match.ask(self.guesser, f"Above {random.random()}?")
        move.reward = 1.0
'''
DEMONSTRATED = '''from selfplay import Game, Match, Role


class Echo(Game):
    """Say what you hear."""

    speaker = Role("Repeat.", max_tokens=4)

    async def play(self, match: Match) -> None:
        letter = match.rng.choice("ab")
        move = await match.ask(self.speaker, letter)
        move.reward = float(move.text == letter)

    def demos(self, rng):
        while True:
            letter = rng.choice("ab")
            yield self.speaker.demo(letter, letter)
'''


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    file = tmp_path / "faulty.py"
    file.write_text(FAULTY)
    return file


def test_list(selfplay: Command) -> None:
    games = {row["id"]: row["about"] for row in selfplay("games", "list", "--json").json}
    assert {"countdown", "hidden_number"} <= set(games)
    assert games["countdown"] in selfplay("games", "list").out


def test_show(selfplay: Command, faulty: Path) -> None:
    found = selfplay("games", "show", "countdown", "--json").json
    assert list(found["roles"]) == ["proposer", "solver"] and found["demos"] is True
    assert found["settings"]["attempts"] == {"type": "int", "default": 8, "about": "Answers to each puzzle."}
    assert found["exam"]["role"] == "solver" and "exhaustive" in found["bots"]
    own = selfplay("games", "show", f"{faulty}:Faulty", "--json").json
    assert own["settings"] == {"pace": {"type": "float", "default": 0.5, "about": "How fast it goes."}}
    assert (own["exam"], own["demos"]) == (None, False)
    text = selfplay("games", "show", faulty).out
    assert "How fast it goes." in text and "Uses chance that no replay can know." in text


def test_check_finds_a_planted_mistake(selfplay: Command, faulty: Path) -> None:
    result = selfplay("games", "check", faulty, "--seeds", 3)
    assert result.code == 1
    assert "the global generator of `random` at faulty.py:14" in result.out and "seed 0" in result.out
    report = selfplay("games", "check", faulty, "--seeds", 3, "--json")
    assert report.code == 1 and report.json["ok"] is False
    assert "chance" in {finding["check"] for finding in report.json["findings"]}


def test_check_passes_a_good_game(selfplay: Command) -> None:
    result = selfplay("games", "check", "hidden_number", "--seeds", 3, "--set", "highest=20")
    assert result.code == 0 and "no mistakes found" in result.out


def test_new_writes_a_game_that_passes_and_a_recipe_for_it(
    selfplay: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = selfplay("games", "new", "my_game")
    assert made.out.splitlines() == ["my_game.py", "my_game.toml"] and "selfplay games check my_game.py" in made.err
    assert len((tmp_path / "my_game.py").read_text().splitlines()) <= 40
    assert selfplay("games", "check", "my_game.py", "--seeds", 5).code == 0
    assert selfplay("play", "my_game.py").code == 0
    recipe = tomllib.loads((tmp_path / "my_game.toml").read_text())
    assert recipe["game"]["id"] == "my_game.py" and recipe["policy"]["base"] == "tiny:tiny-my_game"


def test_every_role_of_a_new_game_learns(selfplay: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    selfplay("games", "new", "my_game")
    recipe, _ = load_recipe("my_game.toml")
    game = make_game(recipe.game.id, recipe.game.settings)
    assert recipe.roles["teacher"].kl > 0 and recipe.roles["teacher"].weights == "fork"
    seats, learns = dict.fromkeys(game.seats(), "random"), dict.fromkeys(game.seats(), True)
    pairings = [Pairing(game.name(), seats, learns, i, i, sampling_seed=i) for i in range(recipe.schedule.matches)]
    with Arena({game.name(): game}, {"random": Player("random", ScriptedPolicy("random", game))}) as arena:
        records = list(arena.play(pairings))
    advantages = credit(records, credit_rules(recipe, game)).advantages
    roles = {(record.id, move.id): move.role for record in records for move in record.moves}
    assert {roles[key] for key, advantage in advantages.items() if abs(advantage) > 0.1} == set(game.roles)


def test_play_is_a_function_of_its_seed(selfplay: Command) -> None:
    args = ("play", "countdown", "--seat", "solver=scripted:exhaustive", "--set", "sizes=[3]", "--set", "attempts=2")
    first, again, other = (selfplay(*args, "--seed", seed, "--json").json for seed in (4, 4, 5))
    assert first == again and first != other
    assert first["config"]["attempts"] == 2 and first["pairing"]["seats"]["solver"] == "scripted:exhaustive"
    assert first["result"]["solver"] == 1.0


def test_a_match_that_is_an_error_is_shown_and_fails(selfplay: Command, tmp_path: Path) -> None:
    file = tmp_path / "crashing.py"
    file.write_text(FAULTY.replace("move.reward = 1.0", "raise ValueError('oops')"))
    result = selfplay("play", file)
    assert result.code == 1 and "ValueError: oops (crashing.py:15 in play)" in result.out


def test_tiny_make_and_show(selfplay: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("echo.py").write_text(DEMONSTRATED)
    made = selfplay("tiny", "make", "--with", "echo.py", "--steps", 2, "--no-positions")
    assert made.code == 0 and "parameters" in made.out and "ROLE=tiny:tiny-echo" in made.err
    card = json.loads(Path("tiny-echo/card.json").read_text())
    assert selfplay("tiny", "show", "tiny-echo", "--json").json == {"folder": "tiny-echo", "card": card}
    assert (card["games"], card["steps"], card["shape"]["rotary"]) == (["Echo"], 2, False)
    assert selfplay("play", "echo.py", "--seat", "speaker=tiny:tiny-echo").code == 0


def test_tiny_make_needs_demonstrations(selfplay: Command, faulty: Path, tmp_path: Path) -> None:
    result = selfplay("tiny", "make", "--with", faulty, "--out", tmp_path / "out")
    assert result.code == 2 and "Faulty offers no demonstrations" in result.err
    assert not (tmp_path / "out").exists()
