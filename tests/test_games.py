"""Games by name: ids, files, plugins, and everything that can be wrong with them."""

from __future__ import annotations

import random
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from itertools import islice
from pathlib import Path

import pytest

from selfplay import games
from selfplay.arena import Arena
from selfplay.envs.countdown import Countdown
from selfplay.errors import UnknownName, UsageError
from selfplay.game import Game
from selfplay.games import find_game, list_games, make_game, scaffold
from selfplay.policies.bots import ScriptedPolicy
from selfplay.types import Ending, Pairing, Player

ONE = "from selfplay import Game, Match\nclass One(Game):\n    n: int = 1\n    async def play(self, match): pass\n"


def test_every_registered_game_is_found_under_its_id() -> None:
    assert {"countdown", "hidden_number"} <= set(list_games())
    for name in games.BUILT_IN:
        assert find_game(name).name() == name


def test_make_game_sets_settings() -> None:
    game = make_game("countdown", {"attempts": 3, "sizes": [4]})
    assert isinstance(game, Countdown) and (game.attempts, game.sizes) == (3, (4,))
    with pytest.raises(UnknownName, match="did you mean 'sizes'"):
        make_game("countdown", {"size": [4]})


def test_settings_are_what_games_and_those_before_them_expect() -> None:
    for game, setting, message in (
        ("countdown", {"sizes": [1]}, r"countdown\.sizes = \(1,\): expected one or several of 2 to 8"),
        ("multiplication", {"careless": 2.0}, r"multiplication\.careless = 2\.0: expected 0 to 1"),
        ("multiplication", {"keep": 0}, r"multiplication\.keep = 0: expected at least 1"),  # of every labelled game
        ("countdown_votes", {"keep": 0}, r"countdown_votes\.keep = 0: expected at least 1"),
        ("countdown_votes", {"highest": 1}, r"countdown_votes\.highest = 1: expected 2 to 100"),
        ("logic_puzzles", {"sizes": [99]}, r"logic_puzzles\.sizes = \(99,\): expected \d to \d+, one or several"),
    ):
        with pytest.raises(UsageError, match=message) as error:
            make_game(game, setting)
        assert error.value.exit_code == 2


def test_an_unknown_game_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'countdown'\?\n  known: .*hidden_number") as error:
        find_game("coutdown")
    assert error.value.exit_code == 2


def test_finding_a_file_game(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "json.py"  # a file may be called like anything
    path.write_text(ONE)
    game = find_game(f"{path}:One")
    assert issubclass(game, Game) and find_game(str(path)) is game
    assert make_game(str(path), {"n": 2}).settings() == {"n": 2}
    monkeypatch.chdir(tmp_path)
    assert find_game("json.py:One") is game
    assert sys.modules["json"].__file__ != str(path)


def test_two_files_may_be_called_alike(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "game.py").write_text(ONE.replace("n: int = 1", f"n: str = '{folder}'"))
    found = [make_game(str(tmp_path / folder / "game.py")).settings()["n"] for folder in ("a", "b")]
    assert found == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "what", "expected"),
    [
        ("x = 1\ndef f(:\n    pass\n", "", r"game\.py:2: invalid syntax\n  def f\(:"),
        ("x = (1\n", "", r"game\.py:1: .*never closed\n  x = \(1"),
        ("x = 1\nimport nothing_like_it\n", "", r"game\.py:2: ModuleNotFoundError: .*nothing_like_it"),
        ("1 / 0\n", "", r"game\.py:1: ZeroDivisionError: division by zero\n  1 / 0"),
        ("x = 1\n", "", "defines no game"),
        (ONE + ONE.replace("One", "Two"), "", r"2 games\n  say which: .*game\.py:One, .*game\.py:Two"),
        (ONE, ":Ones", "unknown game class 'Ones' - did you mean 'One'"),
        (ONE, ":Match", "not a subclass"),
        (ONE, ":Game", "not a subclass"),
        (ONE + "x = 3\n", ":x", "x is 3, not a subclass"),
        (ONE.replace("async ", ""), "", r"game\.py:2: .*async def play"),
        ("\x00", "", "null bytes"),
    ],
)
def test_what_can_be_wrong_with_a_file(tmp_path: Path, text: str, what: str, expected: str) -> None:
    path = tmp_path / "game.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=expected):
        find_game(f"{path}{what}")


def test_a_file_may_be_mended_and_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "game.py"
    path.write_text("oops\n")
    with pytest.raises(UsageError, match="NameError"):
        find_game(str(path))
    path.write_text(ONE + "# longer, so that no stale bytecode fits\n")
    assert find_game(str(path)).__name__ == "One"


def test_a_missing_file_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no such game file: nowhere.py\n  looked in .*" + tmp_path.name):
        find_game("nowhere.py:Game")


def test_games_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = EntryPoints(
        EntryPoint(name, value, "selfplay.games")
        for name, value in {
            "other": "selfplay.envs.hidden_number:HiddenNumber",
            "broken": "no_such_package:Game",
            "countdown": "somebody_elses:Countdown",
        }.items()
    )
    monkeypatch.setattr(games, "entry_points", lambda group: entries.select(group=group))
    assert find_game("other").name() == "hidden_number"
    assert find_game("countdown") is Countdown, "ours cannot be replaced"
    with pytest.raises(UsageError, match=r"registered as no_such_package:Game, which cannot be imported"):
        find_game("broken")


def test_a_new_game_works_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "my_game.py"
    path.write_text(scaffold("my_game"))
    assert len(path.read_text().splitlines()) <= 40
    game = make_game(f"{path}:MyGame")
    for demo in islice(game.demos(random.Random(0)), 50):
        game.roles[demo.role].parse(demo.reply)
    exam = game.exam()
    assert exam is not None and len(exam.levels["sums"]) > 200
    players = {"random": Player("random", ScriptedPolicy("random", game))}
    seats = dict.fromkeys(game.seats(), "random")
    pairings = [Pairing("MyGame", seats, {}, seed=i, number=i, sampling_seed=i) for i in range(40)]
    with Arena({"MyGame": game}, players) as arena:
        records = list(arena.play(pairings))
    assert {record.ending for record in records} == {Ending.OK}
    assert all(move.reward is not None for record in records for move in record.moves)


def test_a_new_game_is_clean_code(tmp_path: Path) -> None:
    path = tmp_path / "my_game.py"
    path.write_text(scaffold("my_game"))
    config = Path(__file__).parents[1] / "pyproject.toml"
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "--config", config, path],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "class_name"),
    [("my_game", "MyGame"), ("chess960", "Chess960"), ("tic-tac-toe", "TicTacToe"), ("match", "MatchGame"),
     ("exam", "ExamGame"), ("game", "GameGame"), ("NoughtsAndCrosses", "NoughtsAndCrosses")],
)  # fmt: skip
def test_names_of_new_games(tmp_path: Path, name: str, class_name: str) -> None:
    path = tmp_path / "new.py"
    path.write_text(scaffold(name))
    assert find_game(str(path)).__name__ == class_name


@pytest.mark.parametrize("name", ["", "9lives", "a b", "a/b", "x;y", "_x", "a__b", "\u00e9t\u00e9", "a.py"])
def test_names_no_game_can_have(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be called"):
        scaffold(name)


def test_listing_games_imports_none() -> None:
    code = (
        "import sys; from selfplay.games import list_games as f; f(); print([m for m in sys.modules if '.envs' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.stdout.strip() == "[]", done.stderr
