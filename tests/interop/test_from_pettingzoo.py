"""Environments of PettingZoo as Games: theirs, and ones written here to be difficult."""

from __future__ import annotations

import asyncio
import functools
import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pettingzoo")

from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv
from pettingzoo.classic.connect_four import connect_four
from pettingzoo.classic.tictactoe import tictactoe
from pettingzoo.test.example_envs import generated_agents_parallel_v0

import selfplay
from selfplay import Game, as_pettingzoo, check_game, from_pettingzoo, retry
from selfplay.cli import run as run_command
from selfplay.errors import MissingExtra, UsageError
from selfplay.games import find_game, make_game
from selfplay.interop.pettingzoo import environments
from selfplay.interop.words import Words
from selfplay.policies.bots import ScriptedPolicy
from selfplay.record.codec import dumps, loads
from selfplay.replay import difference, fork, replay, rescore
from selfplay.types import Ending, MatchRecord, Player

Playing = Callable[..., MatchRecord]

GAMES: dict[str, dict[str, Any]] = {
    "classic.tictactoe_v3": {},
    "classic.connect_four_v3": {},
    "classic.rps_v2": {"arguments": {"max_cycles": 4}},
    "classic.rps_v2:parallel_env": {"arguments": {"max_cycles": 4, "num_actions": 5}},
    "classic.chess_v6": {"max_moves": 12},
    "classic.leduc_holdem_v4": {},
    "sisl.pursuit_v5:parallel_env": {"arguments": {"max_cycles": 3}},
}
NEEDS = {"classic.leduc_holdem_v4": "rlcard", "sisl.pursuit_v5:parallel_env": "scipy"}


@pytest.fixture(params=GAMES)
def game(request: pytest.FixtureRequest) -> Game:
    pytest.importorskip(NEEDS.get(request.param, "numpy"))
    return make_game(f"pettingzoo:{request.param}", GAMES[request.param])


class Dice(ParallelEnv[str, Any, int]):
    """Three players bet on the roll of a die; dice and order come from the global generators."""

    metadata = {"name": "dice_v0"}
    possible_agents = ["gambler_0", "gambler_1", "gambler_2"]

    def __init__(self, rounds: int = 3, mask: list[int] | None = None, loaded: bool = False) -> None:
        self.rounds, self.mask, self.loaded = rounds, mask, loaded
        self.lucky = random.random() + np.random.random()

    def observation_space(self, agent: str) -> Any:
        return Discrete(7)

    def action_space(self, agent: str) -> Any:
        return Discrete(6, start=1)

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.agents, self.round = self.possible_agents[:], 0
        return self.shown(0), self.infos()

    def step(self, actions: dict[str, int]) -> Any:
        if self.loaded and 6 in actions.values():
            raise ValueError("nobody bets on 6")
        roll = (random.randint(0, 5) + int(np.random.randint(6)) + int(abs(np.random.normal()) * 7)) % 6 + 1
        self.round += 1
        done = self.round >= self.rounds
        seen, paid = self.shown(roll), {agent: float(bet == roll) for agent, bet in actions.items()}
        ended = dict.fromkeys(self.agents, done)
        infos = self.infos()
        self.agents = [] if done else self.agents
        return seen, paid, ended, dict.fromkeys(ended, False), infos

    def shown(self, roll: int) -> Any:
        return dict.fromkeys(self.agents, roll)

    def infos(self) -> Any:
        return {agent: {} if self.mask is None else {"action_mask": np.array(self.mask)} for agent in self.agents}


def told(record: MatchRecord, seat: str) -> list[str]:
    return [move.messages[-1].text for move in record.moves if move.seat == seat]


# ------------------------------------------------------------------ their games


def test_their_games_keep_our_rules(game: Game) -> None:
    report = check_game(game, seeds=3)
    assert report.ok, report.findings
    assert report.moves > 20


def test_matches_are_replayed_rescored_and_forked(play: Playing, game: Game) -> None:
    record = loads(dumps(next(r for r in (play(game, seed=seed) for seed in range(10)) if len(r.moves) > 3)))
    assert record.ending is Ending.OK, record.error
    assert difference(record, replay(record, type(game))) is None
    assert rescore(record, type(game)(**{**game.settings(), "discount": 0.5})).error is None
    players = {"p": Player("p", ScriptedPolicy("random", game))}
    for at, salt in itertools.product({1, len(record.moves) // 2, len(record.moves) - 1}, (1, 2)):
        branch = fork(record, record.moves[at].id, game, players, sampling_seed=salt)
        assert branch.ending is Ending.OK, branch.error
        assert [m.text for m in branch.moves[:at]] == [m.text for m in record.moves[:at]]
        assert [m.messages for m in branch.moves[: at + 1]] == [m.messages for m in record.moves[: at + 1]]
        assert difference(branch, replay(branch, game)) is None


def test_what_players_are_told_in_words(play: Playing) -> None:
    record = play(make_game("pettingzoo:classic.tictactoe_v3"), {"player#1": list("034"), "player#2": list("162")})
    assert told(record, "player#1")[0] == (
        "You are player_1.\n\n0 1 2\n3 4 5\n6 7 8\nMoves: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8"
    )
    assert told(record, "player#2")[-1] == "O X 2\nO O 5\nX 7 8\nMoves: 2 | 5 | 7 | 8"
    record = play(make_game("pettingzoo:classic.connect_four_v3"), seed=1)
    assert told(record, "player#1")[0].endswith("0123456\n" + ".......\n" * 6 + "Moves: 0 | 1 | 2 | 3 | 4 | 5 | 6")
    rounds = make_game("pettingzoo:classic.rps_v2", {"arguments": {"max_cycles": 2}})
    record = play(rounds, {"player#1": ["Paper.", "rock"], "player#2": ["rock", "paper"]})
    assert told(record, "player#1")[1] == "Your opponent's last: rock\nMoves: rock | paper | scissors"
    assert record.result == {"player#1": 0.0, "player#2": 0.0}
    assert [move.reward for move in record.moves] == [0.0, 0.0, -1.0, 1.0], "each move: what is paid from then on"
    record = play(
        make_game("pettingzoo:classic.chess_v6", {"max_moves": 2}), {"player#1": ["e2e4"], "player#2": ["E7E5"]}
    )
    assert "P P P P . P P P" in told(record, "player#2")[0] and "Black to move." in told(record, "player#2")[0]
    assert record.result == {"player#1": 0.0, "player#2": 0.0} and len(record.moves) == 2


def test_leduc_in_words(play: Playing) -> None:
    pytest.importorskip("rlcard")
    record = play(make_game("pettingzoo:classic.leduc_holdem_v4"), seed=3)
    first = record.moves[0].messages[-1].text
    assert first.splitlines()[-2][:6] in ("Card: ",) and first.endswith("Moves: call | raise | fold")
    assert "public card: none. Chips: you " in first


def test_who_wins_is_paid_and_rated(play: Playing) -> None:
    game = make_game("pettingzoo:classic.tictactoe_v3")
    record = play(game, {"player#1": list("012"), "player#2": list("34")})
    assert record.result == {"player#1": 1.0, "player#2": -1.0}
    assert [move.reward for move in record.moves] == [1.0, -1.0, 1.0, -1.0, 1.0]
    discounted = rescore(record, make_game("pettingzoo:classic.tictactoe_v3", {"discount": 0.5}))
    assert [move.reward for move in discounted.moves] == [0.25, -0.5, 0.5, -1.0, 1.0]


def test_illegal_moves_are_fouls(play: Playing) -> None:
    game = make_game("pettingzoo:classic.tictactoe_v3")
    for text in ("0", "9", "", "x" * 10_000, "0 1", "[bold]"):
        record = play(game, {"player#1": ["0"], "player#2": [text]})
        assert (record.ending, record.forfeit) == (Ending.FOUL, "player#2")
        assert record.result == {"player#1": 1.0, "player#2": -1.0}
        assert [move.reward for move in record.moves] == [None, -1.0], "the winner learns nothing from it"
        assert "is not among the legal moves" in (record.moves[1].foul or "")
        assert len(record.moves[1].foul or "") < 80


def test_a_foul_may_be_mended(play: Playing) -> None:
    game = from_pettingzoo(tictactoe.env, foul=retry(1, forfeit=-2.0))()
    record = play(game, {"player#1": ["0", "1", "2"], "player#2": ["0", "3", "4"]})
    assert record.ending is Ending.OK and record.result == {"player#1": 1.0, "player#2": -1.0}
    assert [move.why_masked for move in record.moves] == [None, "retried", None, None, None, None]
    record = play(game, {"player#1": ["0"], "player#2": ["0", "0"]})
    assert record.forfeit == "player#2" and record.moves[-1].reward == -2.0


def test_the_command_line_takes_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    name = "pettingzoo:classic.tictactoe_v3"
    assert run_command(["play", name, "--seat", "player#1=random", "--seat", "player#2=scripted:random"]) == 0
    assert "result: player#1" in capsys.readouterr().out
    assert run_command(["games", "show", name]) == 0
    assert "tictactoe_v3, from PettingZoo." in capsys.readouterr().out
    assert run_command(["play", "pettingzoo:classic.tictacto_v3"]) == 2
    assert "did you mean 'classic.tictactoe_v3'" in capsys.readouterr().err


def test_inside_a_running_event_loop(play: Playing) -> None:
    async def notebook() -> MatchRecord:
        return play(make_game("pettingzoo:classic.connect_four_v3"))

    assert asyncio.run(notebook()).ending is Ending.OK


# --------------------------------------------------------- difficult ones


def test_foreign_chance_is_private_and_repeats(play: Playing) -> None:
    game = from_pettingzoo(Dice)()
    random.seed(1)
    np.random.seed(1)
    np.random.normal()
    before = random.getstate(), repr(np.random.get_state())
    records = [play(game, seed=seed) for seed in (1, 2, 1)]
    assert (random.getstate(), repr(np.random.get_state())) == before
    random.seed(99)
    assert difference(records[0], records[2]) is None
    assert told(records[0], "gambler#1") != told(records[1], "gambler#1")
    assert check_game(game, seeds=4).ok, "matches at the same time do not disturb each other"


def test_a_parallel_environment_asks_everybody_at_once(play: Playing) -> None:
    record = play(from_pettingzoo(Dice)(), seed=1)
    assert [move.seat for move in record.moves] == ["gambler#1", "gambler#2", "gambler#3"] * 3
    assert told(record, "gambler#2")[0] == "You are gambler_1.\n\n0\nMoves: 1 | 2 | 3 | 4 | 5 | 6"
    assert record.result is not None and sum(record.result.values()) == pytest.approx(0.0)
    (returns,) = [fact.data["returns"] for fact in record.facts if fact.kind == "note"]
    best = max(returns, key=returns.__getitem__)
    assert record.result[best] == max(record.result.values())
    last = [move.reward for move in record.moves[-3:]]
    assert set(last) <= {0.0, 1.0}


def test_the_mask_may_stand_in_the_info(play: Playing) -> None:
    game = from_pettingzoo(functools.partial(Dice, mask=[0, 1, 0, 0, 1, 0]), name="masked_dice")()
    record = play(game)
    assert record.ending is Ending.OK and game.name() == "masked_dice"
    assert told(record, "gambler#1")[0].endswith("Moves: 2 | 5")
    assert {move.text for move in record.moves} <= {"2", "5"}
    assert play(game, {f"gambler#{i}": ["1"] for i in (1, 2, 3)}).ending is Ending.FOUL


@pytest.mark.parametrize(("mask", "error"), [([1, 0], "2 entries for 6 actions"), ([0] * 6, "has 0 legal moves")])
def test_masks_that_cannot_be(play: Playing, mask: list[int], error: str) -> None:
    record = play(from_pettingzoo(functools.partial(Dice, mask=mask))())
    assert record.ending is Ending.ERROR and error in (record.error or "")


def test_without_a_mask_every_action_is_legal_until_the_environment_refuses_one(play: Playing) -> None:
    game = from_pettingzoo(functools.partial(Dice, loaded=True))()
    fine = {f"gambler#{i}": ["1", "2", "3"] for i in (1, 2, 3)}
    assert play(game, fine).ending is Ending.OK
    record = play(game, {**fine, "gambler#2": ["1", "6", "3"]})
    assert record.ending is Ending.ERROR and record.forfeit is None
    assert "refused {'gambler_0': 2, 'gambler_1': 6, 'gambler_2': 2}" in (record.error or "")
    assert "all are where it gives none): ValueError: nobody bets on 6; where not all moves" in (record.error or "")
    assert "must have an 'action_mask'" in (record.error or ""), "what to do about it"
    assert play(game, fine).ending is Ending.OK, "the next match has a sound environment"


def test_words_of_ones_own(play: Playing) -> None:
    words = Words("Bet.", lambda env, agent, seen: f"rolled {seen}", lambda env, agent, action: f"bet {action}")
    game = from_pettingzoo(Dice, words=words)()
    assert game.roles["gambler"].instructions == "Bet."
    record = play(game, {f"gambler#{i}": ["BET 3", "bet 1.", " bet 2 "] for i in (1, 2, 3)})
    assert record.ending is Ending.OK and record.moves[0].value == 3
    same = Words("Bet.", words.see, lambda env, agent, action: "bet")
    assert "6 legal moves with 1 names" in (play(from_pettingzoo(Dice, words=same)()).error or "")


def test_our_own_game_there_and_back(play: Playing) -> None:
    game = from_pettingzoo(lambda: as_pettingzoo("hidden_number"))()
    assert game.seats() == ("keeper", "guesser")
    record = play(game, {"guesser": ["1"], "keeper": ["lower"]})  # not true, so the keeper loses
    assert record.moves[0].messages[-1].text.endswith("Guess a number from 1 to 100.")
    assert record.ending is Ending.OK and record.result == {"guesser": 1.0, "keeper": -1.0}
    assert play(game).ending is Ending.OK, "the random bot writes any text"


def test_environments_are_used_again_and_reset(play: Playing) -> None:
    made = []

    def make() -> Any:
        made.append(connect_four.env())
        return made[-1]

    game = from_pettingzoo(make)()
    first = play(game, seed=1)
    for seed in range(4):
        play(game, seed=seed)
    assert len(made) == 2, "one to look at, one to play with"
    assert difference(first, play(game, seed=1)) is None


def test_moves_are_bounded(play: Playing) -> None:
    game = from_pettingzoo(functools.partial(Dice, rounds=10**9))(max_moves=30)
    record = play(game)
    assert record.ending is Ending.OK and len(record.moves) == 30


class Continuous(Dice):
    def action_space(self, agent: str) -> Any:
        return Box(0, 1, (2,))


class Pictures(Dice):
    def observation_space(self, agent: str) -> Any:
        return Box(0, 255, (280, 480, 3), np.uint8)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (Continuous, r"actions of gambler_0 are Box.*; Discrete or Text was expected"),
        (Pictures, r"dice_v0 shows gambler_0 403200 numbers; at most 1000 .*\n  give from_pettingzoo words"),
        (generated_agents_parallel_v0.parallel_env, "names no possible_agents"),
        (lambda: 7, "made 7; an AECEnv or ParallelEnv of PettingZoo was expected"),
        (lambda: 1 / 0, "failed: ZeroDivisionError"),
    ],
)
def test_what_cannot_be_played(make: Any, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        from_pettingzoo(make)


@pytest.mark.parametrize(
    ("name", "settings", "text"),
    [
        ("classic.tictactoe_v9", {}, r"unknown environment of PettingZoo .* did you mean 'classic.tictactoe_v3'"),
        ("mpe3.simple_v3", {}, r"\n  or a module that can be imported"),
        ("", {}, "unknown environment of PettingZoo ''"),
        ("..", {}, "unknown environment of PettingZoo"),
        ("json", {}, "json has no function env or parallel_env"),
        ("classic.rps_v2:paralel_env", {}, "did you mean 'parallel_env'"),
        ("classic.rps_v2", {"arguments": {"cycles": 3}}, r"env\(cycles=3\) failed: TypeError"),
        ("classic.rps_v2", {"arguments": 3}, "arguments = 3: expected a table"),
        ("sisl.pursuit_v5", {"arguments": {"n_pursuers": 3}}, "make it a game of its own: from_pettingzoo"),
        ("classic.rps_v2", {"argument": 3}, "did you mean 'arguments'"),
    ],
)
def test_wrong_names_and_settings(name: str, settings: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        make_game(f"pettingzoo:{name}", settings)


def test_names() -> None:
    known = environments()
    assert {"classic.tictactoe_v3", "classic.go_v5", "sisl.pursuit_v5"} <= known.keys()
    assert find_game("pettingzoo:classic.tictactoe_v3") is find_game("pettingzoo:classic.tictactoe_v3")
    assert find_game("pettingzoo:classic.tictactoe_v3").name() == "pettingzoo:classic.tictactoe_v3"
    own = find_game("pettingzoo:pettingzoo.classic.tictactoe.tictactoe")
    assert own.seats() == ("player#1", "player#2"), "any module that has an `env` will do"


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfplay.interop.pettingzoo.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'selfplay\[pettingzoo\]'"):
        find_game("pettingzoo:classic.anything_v0")
    with pytest.raises(MissingExtra):
        selfplay.from_pettingzoo(Dice)
