"""`ask` with all its keywords, `extend`, and what fouls cost."""

from __future__ import annotations

import pytest

from selfplay.game import Foul, Game, Role, mask, penalty, retry
from selfplay.types import Ending, Message, Sampling


def number(text: str) -> int:
    if not text.strip().isdigit():
        raise Foul("not a number")
    return int(text)


class Duo(Game):
    a = Role("You are a.", parse=number)
    b = Role("You are b.", seats=2, max_tokens=20)


def test_one_ask_gives_one_parsed_move(play) -> None:
    class One(Duo):
        async def play(self, match):
            move = await match.ask(self.a, "How many?")
            assert (move.id, move.seat, move.text, move.value, move.reward) == ("0", "a", " 7 ", 7, None)
            move.reward = 1

    record = play(One(), {"a": [" 7 "]})
    assert (record.ending, record.error) == (Ending.OK, None)
    (move,) = record.moves
    assert (move.reward, move.player, move.learn, move.tag, move.group) == (1.0, "p", True, "", None)
    assert move.messages == (Message("system", "You are a."), Message("user", "How many?"))


def test_the_next_ask_goes_on_with_the_same_conversation(play, Replies) -> None:
    class Twice(Duo):
        async def play(self, match):
            first = await match.ask(self.a, "first")
            second = await match.ask(self.a, "second")
            assert second.parent is first

    policy = Replies({"a": ["1", "2"]})
    record = play(Twice(), policy)
    assert record.moves[1].messages == (Message("user", "second"),)
    assert [m.text for m in policy.asked[1].conversation()] == ["You are a.", "first", "1", "second"]


def test_n_makes_numbered_siblings_and_leaves_no_head(play, Replies) -> None:
    class Siblings(Duo):
        async def play(self, match):
            moves = await match.ask(self.a, "go", n=3)
            assert [m.id for m in moves] == ["0.0", "0.1", "0.2"] and [m.value for m in moves] == [1, 2, 3]
            assert [m.id for m in await match.ask(self.a, "more", n=1, after=moves[1])] == ["1.0"]
            await match.ask(self.a, "again")

    policy = Replies({"a": "1234"})
    record = play(Siblings(), policy)
    assert record.error is not None and "seat a made several replies" in record.error and "after=" in record.error
    assert len(set(policy.asked[0].seeds)) == 3
    assert [m.text for m in policy.asked[1].conversation()] == ["You are a.", "go", "2", "more"]


@pytest.mark.parametrize("n", [0, -1])
def test_n_below_one_is_an_error_of_the_game(play, n: int) -> None:
    class None_(Duo):
        async def play(self, match):
            await match.ask(self.a, "go", n=n)

    assert f"a was asked for n={n} replies" in play(None_(), {}).error


def test_seat_by_number_and_by_name(play, Replies) -> None:
    class Seats(Duo):
        async def play(self, match):
            for seat in (1, 2, "b#2"):
                await match.ask(self.b, f"to {seat}", seat=seat)
            await match.ask(self.a, "to 1", seat=1)

    policy = Replies(lambda request: "5")
    assert play(Seats(), policy).error is None
    assert [request.seat for request in policy.asked] == ["b#1", "b#2", "b#2", "a"]


@pytest.mark.parametrize(
    ("role", "seat", "words"),
    [
        ("b", None, "b has 2 seats: name one, for example 'b#1'"),
        ("b", 3, "unknown seat 'b#3' - did you mean"),
        ("b", "a", "unknown seat 'a'"),
        ("a", 2, "unknown seat 'a#2'"),
    ],
)
def test_a_seat_that_is_not_there(play, role: str, seat: int | str | None, words: str) -> None:
    class Nobody(Duo):
        async def play(self, match):
            await match.ask(self.roles[role], "hello", seat=seat)

    assert words in play(Nobody(), {}).error


def test_a_role_of_another_game(play) -> None:
    class Other(Game):
        stranger = Role("You are not in this game.")

        async def play(self, match): ...

    class Mixed(Duo):
        async def play(self, match):
            await match.ask(Other.stranger, "hello")

    assert "unknown seat 'stranger'" in play(Mixed(), {}).error


def test_a_prompt_that_is_no_text(play) -> None:
    class Numbers(Duo):
        async def play(self, match):
            await match.ask(self.a, 5)

    assert "the prompt for a is 5; a str was expected" in play(Numbers(), {}).error


def test_after_branches_from_an_earlier_move(play, Replies) -> None:
    class Tree(Duo):
        async def play(self, match):
            root = await match.ask(self.a, "root")
            left = await match.ask(self.a, "left", after=root)
            right = await match.ask(self.a, "right", after=root)
            below = await match.ask(self.a, "below")
            assert left.parent is root and right.parent is root and below.parent is right

    policy = Replies({"a": "0123"})
    assert play(Tree(), policy).error is None
    assert [m.text for m in policy.asked[3].conversation()][1:] == ["root", "0", "right", "2", "below"]


def test_after_a_move_of_another_seat(play) -> None:
    class Crossed(Duo):
        async def play(self, match):
            move = await match.ask(self.a, "go")
            await match.ask(self.b, "go", seat=1, after=move)

    assert "after= names a move of a, but b#1 was asked" in play(Crossed(), {"a": "1"}).error


def test_tag_group_learn_and_secret_are_recorded(play) -> None:
    class Marked(Duo):
        async def play(self, match):
            await match.ask(self.a, "x", tag="critique", group="g7", learn=False, secret=True)
            await match.ask(self.a, "y")

    marked, plain = play(Marked(), {"a": "12"}).moves
    assert (marked.tag, marked.group, marked.learn, marked.secret) == ("critique", "g7", False, True)
    assert (plain.tag, plain.group, plain.learn, plain.secret) == ("", None, True, False)


def test_who_learns_is_said_by_the_pairing_too(play) -> None:
    class Both(Duo):
        async def play(self, match):
            await match.ask(self.a, "x")
            await match.ask(self.b, "x", seat=1)

    record = play(Both(), lambda request: "1", learns={"a": False, "b#1": True})
    assert [move.learn for move in record.moves] == [False, True]


def test_stop_and_sampling_override_the_players_settings(play, Replies) -> None:
    class Settings(Duo):
        async def play(self, match):
            await match.ask(self.a, "plain")
            await match.ask(self.a, "one", stop="\n")
            await match.ask(self.a, "many", stop=("x", "y"), sampling={"temperature": 0.0, "max_tokens": 3})
            await match.ask(self.b, "short", seat=1)

    policy = Replies(lambda request: "1")
    base = Sampling(temperature=0.7, max_tokens=99)
    record = play(Settings(), policy, sampling=base)
    assert [move.learn for move in record.moves] == [True, True, False, True]  # "many" has another distribution
    assert [request.sampling for request in policy.asked] == [
        base,
        Sampling(temperature=0.7, max_tokens=99, stop=("\n",)),
        Sampling(temperature=0.0, max_tokens=3, stop=("x", "y")),
        Sampling(temperature=0.7, max_tokens=20),
    ]


@pytest.mark.parametrize(
    ("sampling", "words"),
    [
        ({"temprature": 1.0}, "unknown sampling setting 'temprature' - did you mean 'temperature'?"),
        ({"temperature": "hot"}, "sampling setting temperature is 'hot'"),
        ({"temperature": float("nan")}, "sampling setting temperature is nan"),
        ({"top_p": 0.0}, "allowed: a number in (0, 1]"),
        ({"max_tokens": 0}, "allowed: a whole number of at least 1"),
        ({"stop": ("",)}, "strings that are not empty"),
    ],
)
def test_sampling_that_makes_no_sense_costs_the_match_only(play_many, Replies, sampling, words: str) -> None:
    class Odd(Duo):
        async def play(self, match):
            await match.ask(self.a, "go", sampling=sampling if match.rng.random() < 0.5 else None)

    records = play_many(Odd(), Replies(lambda request: "1"), 6)
    errors = [record.error for record in records if record.error]
    assert 0 < len(errors) < 6 and all(words in error for error in errors)


def test_extend_goes_on_with_the_same_reply(play, Replies) -> None:
    class Segments(Duo):
        async def play(self, match):
            first = await match.ask(self.b, "think", seat=1, tag="t", group="g", stop="\n")
            second = await match.extend(first, stop=".")
            third = await match.extend(second, tag="end")
            assert (second.text, second.parent, second.tag, second.group) == ("two.", first, "t", "g")
            assert third.tag == "end"
            await match.ask(self.b, "next", seat=1)

    policy = Replies({"b#1": ["one\n", "two.", "three", "four"]})
    assert play(Segments(), policy).error is None
    assert [request.messages for request in policy.asked[1:3]] == [(), ()]
    assert policy.asked[1].sampling.stop == (".",)
    assert [m.text for m in policy.asked[3].conversation()] == ["You are b.", "think", "one\ntwo.three", "next"]


def test_a_foul_in_an_extension_ends_the_match(play) -> None:
    class Segments(Duo):
        async def play(self, match):
            await match.extend(await match.ask(self.a, "count"))

    record = play(Segments(), {"a": ["1", "two"]})
    assert (record.ending, record.forfeit, record.moves[1].foul) == (Ending.FOUL, "a", "not a number")


# ------------------------------------------------------------------------------------------------------------- fouls


def one_ask(role: Role) -> Game:
    class Ask(Game):
        player = role

        async def play(self, match):
            move = await match.ask(self.player, "number?")
            move.reward = 1.0

    return Ask()


def test_a_foul_that_is_masked(play) -> None:
    record = play(one_ask(Role("r", parse=number, foul=mask())), {"player": ["x"]})
    (move,) = record.moves
    assert (record.ending, record.forfeit, record.error) == (Ending.FOUL, "player", None)
    assert (move.value, move.foul, move.reward, move.why_masked) == (None, "not a number", None, "foul")


@pytest.mark.parametrize(("foul", "reward"), [(penalty(-0.5), -0.5), (None, 0.0)])
def test_a_foul_that_costs(play, foul, reward: float) -> None:
    role = Role("r", parse=number, foul=foul) if foul else Role("r", parse=number)
    record = play(one_ask(role), {"player": ["x"]})
    assert (record.ending, record.moves[0].reward) == (Ending.FOUL, reward)


def test_retry_tells_why_and_then_plays_on(play, Replies) -> None:
    policy = Replies({"player": ["x", "y", "3"]})
    record = play(one_ask(Role("r", parse=number, foul=retry(2))), policy)
    assert record.ending == Ending.OK
    assert [move.reward for move in record.moves] == [None, None, 1.0]
    assert [move.why_masked for move in record.moves] == ["retried", "retried", None]
    assert policy.prompts()[1:] == ["not a number Try again."] * 2
    assert record.moves[2].parent is record.moves[1]


def test_retry_then_forfeit(play) -> None:
    record = play(one_ask(Role("r", parse=number, foul=retry(1, forfeit=-2.0))), {"player": ["x", "y"]})
    assert (record.ending, record.forfeit) == (Ending.FOUL, "player")
    assert [move.reward for move in record.moves] == [None, -2.0]


def test_a_foul_among_n_is_a_move_with_its_penalty_and_the_match_goes_on(play) -> None:
    class Many(Game):
        player = Role("r", parse=number, foul=penalty(-0.5))

        async def play(self, match):
            for move in await match.ask(self.player, "number?", n=3):
                move.reward = 1.0 if move.value == 1 else 0.0

    record = play(Many(), {"player": ["1", "x", "2"]})
    assert record.ending == Ending.OK
    assert [(m.value, m.reward) for m in record.moves] == [(1, 1.0), (None, -0.5), (2, 0.0)]
