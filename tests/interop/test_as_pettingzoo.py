"""Our games as environments of PettingZoo and Gymnasium: their own tests, and the same match as in the arena."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("pettingzoo")

from gymnasium.spaces import Text
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import api_test, seed_test

from selfplay import Game, Match, Role, as_gymnasium, as_pettingzoo, play
from selfplay.errors import GameError, MissingExtra, UnknownName, UsageError
from selfplay.games import BUILT_IN, make_game
from selfplay.policies.bots import ScriptedPolicy
from selfplay.types import MatchRecord

OPPONENTS = {"verifiable_instructions": "scripted:exact"}
"""Who plays the other seats where random replies hardly ever lead to a seat's turn."""
NEVER_ASKED = {
    (name, seat)
    for name in BUILT_IN
    for seat in make_game(name).seats()
    if name not in OPPONENTS and all(seat not in {move.seat for move in play(name, seed=n).moves} for n in range(3))
}
"""Seats that a game's default settings leave out, such as a labeller that only some settings consult."""


class Pair(Game):
    """Two poets write at the same time, twice; a judge then answers three times."""

    poet = Role("Write.", seats=2)
    judge = Role("Judge.", parse=str.strip)

    async def play(self, match: Match) -> None:
        async def verse(seat: int) -> None:
            for _ in range(2):
                move = await match.ask(self.poet, f"line of {seat}", seat=seat)
                move.reward = float(len(move.text))

        await match.gather(verse(2), verse(1))
        for i, verdict in enumerate(await match.ask(self.judge, "which?", n=3, tag="verdict")):
            verdict.reward = float(i)
        match.result({"poet#1": 1.0})


class Broken(Game):
    one = Role("One.")

    async def play(self, match: Match) -> None:
        await match.ask(self.one, "first")
        raise ValueError("nothing works")


def replay_in(env: Any, record: MatchRecord, seed: int) -> None:
    """Play the recorded replies through the environment, up to the end of the match."""
    env.reset(seed=seed)
    replies = {seat: [move.text for move in record.moves if move.seat == seat] for seat in env.possible_agents}
    for agent in env.agent_iter():
        _, _, terminated, truncated, _ = env.last()
        if terminated or truncated:
            return
        env.step(replies[agent].pop(0))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", BUILT_IN)
def test_pettingzoo_accepts_our_games(name: str) -> None:
    api_test(as_pettingzoo(name), num_cycles=100)
    seed_test(lambda: as_pettingzoo(name), num_cycles=50)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "seat"), [(name, seat) for name in BUILT_IN for seat in make_game(name).seats()])
def test_gymnasium_accepts_our_roles(name: str, seat: str) -> None:
    env = as_gymnasium(name, seat, OPPONENTS.get(name, "random"))
    if (name, seat) in NEVER_ASKED:
        with pytest.raises(GameError, match=f"matches ended before {seat} was asked anything"):
            env.reset(seed=0)
    else:
        check_env(env)


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_match_is_the_one_that_the_arena_plays(name: str) -> None:
    env = as_pettingzoo(name)
    for seed in range(3):
        record = play(name, seed=seed)
        replay_in(env, record, seed)
        assert env.agents == list(record.pairing.seats) and all(env.terminations.values())
        for seat in env.agents:
            rewards = [move.reward for move in record.moves if move.seat == seat]
            counted = [reward for reward in rewards if reward is not None]
            assert env.infos[seat]["rewards"] == rewards
            assert env.infos[seat]["result"] == (record.result and record.result[seat])
            assert env.rewards[seat] == pytest.approx(sum(counted) / len(counted) if counted else 0.0)


def test_asks_at_the_same_time_are_served_in_path_order() -> None:
    env = as_pettingzoo(Pair)
    env.reset(seed=0)
    served = []
    for agent in env.agent_iter():
        observation, _, terminated, _, info = env.last()
        if terminated:
            break
        served.append((agent, str(observation).rpartition("\n")[2], info["reply"], info["of"], info["tag"]))
        env.step("x" * len(served))
    assert served == [
        ("poet#2", "line of 2", 1, 1, ""),  # the first branch, up to its end
        ("poet#2", "line of 2", 1, 1, ""),
        ("poet#1", "line of 1", 1, 1, ""),
        ("poet#1", "line of 1", 1, 1, ""),
        ("judge", "which?", 1, 3, "verdict"),
        ("judge", "which?", 2, 3, "verdict"),
        ("judge", "which?", 3, 3, "verdict"),
    ]
    assert env.rewards == {"poet#1": 3.5, "poet#2": 1.5, "judge": 1.0}
    assert env.infos["judge"] == {"ending": "ok", "result": 0.0, "rewards": [0.0, 1.0, 2.0]}


def test_eight_answers_are_the_same_agent_eight_times() -> None:
    env = as_pettingzoo("countdown")
    env.reset(options={"task": {"numbers": [3, 5, 7], "target": 22}})
    for reply in range(8):
        observation, reward, terminated, _, info = env.last()
        assert (env.agent_selection, terminated, reward) == ("solver", False, 0.0)
        assert "Target: 22" in observation and (info["reply"], info["of"]) == (reply + 1, 8)
        env.step("3*5+7" if reply < 2 else "3+5+7")
    assert env.terminations == {"proposer": True, "solver": True}
    assert env.rewards == {"proposer": 0.0, "solver": 0.25}


def test_spaces_are_texts() -> None:
    env = as_pettingzoo("countdown")
    space = env.action_space("proposer")
    assert isinstance(space, Text) and isinstance(env.observation_space("solver"), Text)
    assert "" in space and "\u202e é\n" in space and 7 not in space
    space.seed(3)
    samples = [space.sample() for _ in range(40)]
    parse = make_game("countdown").roles["proposer"].parse
    fine = 0
    for text in samples:
        try:
            parse(text)
            fine += 1
        except Exception:
            continue
    assert 20 < fine < 40, "well-formed replies and others"


def test_infos_have_the_whole_conversation() -> None:
    env = as_pettingzoo("hidden_number")
    env.reset(seed=5)
    env.step("50")
    env.step("higher")
    observation, *_, info = env.last()
    assert observation == "higher"
    assert [message["role"] for message in info["messages"]] == ["system", "user", "assistant", "user"]
    assert info["messages"][2]["content"] == "50"


def test_a_copy_goes_on_by_itself() -> None:
    env = as_pettingzoo("hidden_number", render_mode="ansi")
    env.reset(seed=5)
    env.step("50")
    before = env.last()[0]
    twin = copy.deepcopy(env)
    env.step("higher")
    assert twin.last()[0] == before and env.last()[0] == "higher"
    twin.step("correct")  # not true, so this match is over
    assert all(twin.terminations.values()) and not any(env.terminations.values())
    again = copy.deepcopy(env)
    env.step("75")
    again.step("75")
    assert env.last()[0] == again.last()[0]
    assert "[guesser] higher\n> 75" in env.render() and "> 75" not in twin.render()


def test_resets_without_a_seed_follow_from_the_one_before() -> None:
    def deals(env: Any) -> list[str]:
        env.reset(seed=1)
        found = []
        for _ in range(12):
            env.reset()
            found.append(str(env.last()[0]))
        return found

    first = deals(as_pettingzoo("countdown"))
    assert first == deals(as_pettingzoo("countdown")) and len(set(first)) > 1


def test_inside_a_running_event_loop() -> None:
    async def notebook() -> tuple[float, float]:
        env = as_pettingzoo("hidden_number")
        record = play("hidden_number", {"keeper": "scripted:truthful", "guesser": "scripted:binary_search"}, seed=2)
        replay_in(env, record, 2)
        role = as_gymnasium("hidden_number", "guesser", "scripted:truthful")
        return env.rewards["guesser"], play_role(role, "binary_search", 2)

    assert asyncio.run(notebook()) == (1.0, 1.0)


def play_role(env: Any, bot: str, seed: int) -> float:
    """The return of one episode in which the seat is played by a bot of the game."""
    policy = ScriptedPolicy(bot, env.game)
    env.reset(seed=seed)
    total = 0.0
    while True:
        ((completion,),) = policy.complete([env._turns.request()])
        _, reward, terminated, truncated, _ = env.step(completion.text)
        total += reward
        if terminated or truncated:
            return total


def test_a_role_meets_the_opponents_it_is_given() -> None:
    for opponent, wins in (("scripted:truthful", 20), ("random", 0)):
        env = as_gymnasium("hidden_number", "guesser", {"keeper": opponent})
        returns = [play_role(env, "binary_search", seed) for seed in range(20)]
        assert sum(returns) >= wins if wins else sum(returns) < 20
    perfect = as_gymnasium("tic_tac_toe", "x", "scripted:perfect")
    assert max(play_role(perfect, "random", seed) for seed in range(10)) <= 0.0


def test_gymnasium_draws_the_next_match_from_its_own_generator() -> None:
    env = as_gymnasium("hidden_number", "keeper", "scripted:truthful", render_mode="ansi")
    first = [env.reset(seed=4)[0], *(env.reset()[0] for _ in range(3))]
    assert first == [env.reset(seed=4)[0], *(env.reset()[0] for _ in range(3))] and len(set(first)) > 1
    assert "Guess" in (env.render() or "")


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: as_pettingzoo("coutdown"), UnknownName, "did you mean 'countdown'"),
        (lambda: as_gymnasium("countdown", "solvr"), UnknownName, "did you mean 'solver'"),
        (lambda: as_gymnasium(Pair, "poet"), UsageError, "poet has 2 seats\n  name one: poet#1, poet#2"),
        (lambda: as_gymnasium("countdown", "solver", "scripted:nobody"), UnknownName, "nobody"),
        (lambda: as_gymnasium("countdown", "solver", {"prposer": "random"}), UnknownName, "did you mean 'proposer'"),
        (lambda: stepped("countdown", 7), UsageError, "the reply of proposer is 7; a text was expected"),
        (lambda: stepped(Broken, "x"), GameError, "ended as an error: ValueError: nothing works"),
    ],
)
def test_what_can_be_wrong(call: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def stepped(game: Any, action: Any) -> None:
    env = as_pettingzoo(game)
    env.reset(seed=0)
    env.step(action)


def test_a_match_that_has_ended_takes_no_replies() -> None:
    env = as_gymnasium("countdown", "proposer")
    env.reset(seed=0)
    env.step("nonsense")
    with pytest.raises(UsageError, match=r"has ended\n  call reset"):
        env.step("again")


@pytest.mark.parametrize("module", ["pettingzoo", "gymnasium"])
def test_without_the_extra(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"selfplay.interop.{module}.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'selfplay\[pettingzoo\]'"):
        as_pettingzoo("countdown") if module == "pettingzoo" else as_gymnasium("countdown", "solver")


def test_global_generators_stay_as_they_are() -> None:
    random.seed(3)
    before = random.getstate()
    env = as_pettingzoo("countdown")
    env.reset(seed=1)
    env.step(env.action_space("proposer").sample())
    assert random.getstate() == before
