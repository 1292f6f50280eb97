"""Players without a model: bots, written-down replies, the person at the terminal."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from selfplay.arena import Arena
from selfplay.envs.countdown import Countdown
from selfplay.errors import GameError, RunError, UnknownName
from selfplay.game import Demo, Game, Role
from selfplay.match import Match
from selfplay.policies.bots import Replies, ScriptedPolicy
from selfplay.policies.human import HumanPolicy, printable
from selfplay.types import Completion, Message, Pairing, Player, Request, Sampling, Turn


def request(role: str = "solver", seeds: tuple[int, ...] = (1,), text: str = "Numbers: 3 5 7 Target: 22") -> Request:
    return Request(role, role, None, (Message("system", "Rules."), Message("user", text)), Sampling(), seeds)


def texts(replies: list[list[Completion]]) -> list[list[str]]:
    return [[completion.text for completion in completions] for completions in replies]


class Echo(Game):
    """Has demonstrations of one of its roles, and no bots."""

    talker = Role("Talk.")
    listener = Role("Listen.")

    async def play(self, match: Match) -> None: ...

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        while True:
            yield self.talker.demo("Say", str(rng.randrange(1000)))


def test_a_bot_depends_on_its_seed_alone() -> None:
    policy = ScriptedPolicy("random", Countdown())
    ((a, b, c),) = texts(policy.complete([request(seeds=(5, 6, 5))]))
    assert a == c != b
    assert texts(policy.complete([request(seeds=(6,)), request(seeds=(5,))])) == [[b], [a]]


def test_bots_know_their_role() -> None:
    policy = ScriptedPolicy("exhaustive", Countdown())
    solved, proposed = texts(policy.complete([request(), request("proposer", text="Expression over 4 numbers:")]))
    assert Countdown.solver.parse(solved[0]).value == 22
    assert len(Countdown.proposer.parse(proposed[0]).numbers) == 4


def test_a_function_is_a_bot() -> None:
    policy = ScriptedPolicy(lambda request, rng: request.messages[-1].text.upper(), Countdown())
    assert texts(policy.complete([request(text="hi")])) == [["HI"]]


def test_random_falls_back_on_demonstrations() -> None:
    policy = ScriptedPolicy("random", Echo())
    ((a, b),) = texts(policy.complete([request("talker", (1, 2))]))
    assert a.isdecimal() and a != b
    assert texts(policy.complete([request("talker", (2, 1))])) == [[b, a]]
    with pytest.raises(GameError, match="Echo: no demonstration of role listener"):
        policy.complete([request("listener")])


def test_an_unknown_bot_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"bot of game countdown 'exhaustiv' - did you mean 'exhaustive'") as error:
        ScriptedPolicy("exhaustiv", Countdown())
    assert error.value.known == ["exhaustive", "random"]

    class Bare(Echo):
        def demos(self, rng: random.Random) -> Iterator[Demo]:
            return iter(())

    with pytest.raises(UnknownName, match="bot of game Bare 'random'"):
        ScriptedPolicy("random", Bare())


def test_replies_go_to_seats_before_roles_and_are_used_up() -> None:
    policy = Replies({"solver#2": ["second"], "solver": ["a", "b", "c"]})
    asked = [request(seeds=(1, 2)), request()]
    asked[1].seat = "solver#2"
    assert texts(policy.complete(asked)) == [["a", "b"], ["second"]]
    assert policy.requests == asked
    with pytest.raises(GameError, match="no reply is left for solver#2, asked: 'Numbers"):
        policy.complete(asked[1:])
    with pytest.raises(GameError, match="no reply is left for talker"):
        policy.complete([request("talker")])


class Terminal:
    """Stands for a person: what was printed, and what will be typed."""

    def __init__(self, *lines: str) -> None:
        self.shown: list[str] = []
        self.prompts: list[str] = []
        self._lines = iter(lines)
        self.policy = HumanPolicy(self.read, self.shown.append)

    def read(self, prompt: str) -> str:
        self.prompts.append(prompt)
        try:
            return next(self._lines)
        except StopIteration:
            raise EOFError from None


def test_a_person_sees_what_is_new_and_answers() -> None:
    terminal = Terminal("3*5+7")
    assert texts(terminal.policy.complete([request()])) == [["3*5+7"]]
    assert terminal.shown == ["\n[solver] Rules.", "\n[solver] Numbers: 3 5 7 Target: 22"]
    assert terminal.prompts == ["solver> "]


def test_later_turns_show_only_what_was_said_since() -> None:
    terminal = Terminal("75")
    later = request("guesser", text="higher")
    later.parent, later.messages = Turn(None, later.messages, Completion("50")), later.messages[1:]
    terminal.policy.complete([later])
    assert terminal.shown == ["\n[guesser] higher"]


def test_several_answers_and_long_ones() -> None:
    terminal = Terminal("one\\", "two", "")
    assert texts(terminal.policy.complete([request(seeds=(1, 2))])) == [["one\ntwo", ""]]
    assert terminal.prompts == ["solver 1 of 2> ", "... ", "solver 2 of 2> "]


def test_the_end_of_input_ends_the_run_not_the_record() -> None:
    game = Countdown(attempts=1)
    players = {"me": Player("me", Terminal().policy)}
    pairing = Pairing("countdown", {"proposer": "me", "solver": "me"}, {}, seed=0)
    with Arena({"countdown": game}, players) as arena, pytest.raises(RunError, match="input ended") as error:
        list(arena.play([pairing]))
    assert error.value.exit_code == 1


def test_terminals_are_not_commanded_by_models() -> None:
    assert printable("a\x1b[2Jb\r\x07\u202e\x9b1m\n[red] \u00e9") == "a\\x1b[2Jb\\r\\x07\\u202e\\x9b1m\n[red] \u00e9"
    terminal = Terminal("x")
    terminal.policy.complete([request(text="\x1b]0;title\x07")])
    assert "\x1b" not in "".join(terminal.shown)
