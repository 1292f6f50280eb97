"""What seats get to know: `tell`, `secret`, and how conversations part and meet under `gather`."""

from __future__ import annotations

import pytest

from selfplay.game import Game, Role


class Pair(Game):
    a = Role("You are a.")
    b = Role("You are b.")


def echo(request) -> str:
    """The reply names the seat and what it was asked last."""
    return f"{request.seat} to {request.messages[-1].text.splitlines()[-1]}"


def test_tell_is_delivered_with_the_next_ask_and_only_once(play, Replies) -> None:
    class Told(Pair):
        async def play(self, match):
            match.tell(self.a, "news 1")
            match.tell("a", "news 2")
            await match.ask(self.a, "q1")
            await match.ask(self.a, "q2")

    policy = Replies(echo)
    record = play(Told(), policy)
    assert policy.prompts() == ["news 1\n\nnews 2\n\nq1", "q2"]
    assert [(f.path, f.kind, f.data["seats"]) for f in record.facts] == [((0,), "tell", ["a"]), ((1,), "tell", ["a"])]
    assert record.moves[0].turn.told == ((0,), (1,))


def test_tell_all_reaches_every_seat(play, Replies) -> None:
    class Told(Pair):
        async def play(self, match):
            match.tell("all", "rules")
            await match.ask(self.a, "q")
            await match.ask(self.b, "q")

    policy = Replies(echo)
    play(Told(), policy)
    assert policy.prompts() == ["rules\n\nq", "rules\n\nq"]


def test_each_branch_of_a_conversation_gets_what_it_has_not_been_told(play, Replies) -> None:
    class Branches(Pair):
        async def play(self, match):
            root = await match.ask(self.a, "root")
            match.tell(self.a, "news")
            await match.ask(self.a, "left", after=root)
            await match.ask(self.a, "left again")
            await match.ask(self.a, "right", after=root)

    policy = Replies(echo)
    play(Branches(), policy)
    assert policy.prompts() == ["root", "news\n\nleft", "left again", "news\n\nright"]


def test_telling_a_seat_that_is_not_there_or_no_text(play) -> None:
    class Nobody(Pair):
        async def play(self, match):
            match.tell("c", "hello")

    class NoText(Pair):
        async def play(self, match):
            match.tell(self.a, 5)

    assert "unknown seat 'c'" in play(Nobody(), {}).error
    assert "match.tell got 5; a str was expected" in play(NoText(), {}).error


def test_secret_marks_and_tells_nobody(play, Replies) -> None:
    class Secret(Pair):
        async def play(self, match):
            match.secret(self.a, "the ace")
            await match.ask(self.a, "q")

    policy = Replies(echo)
    record = play(Secret(), policy)
    assert policy.prompts() == ["q"]
    assert [(f.kind, f.data) for f in record.facts] == [("secret", {"seat": "a", "text": "the ace"})]


def test_branches_of_a_gather_start_from_the_conversation_so_far(play, Replies) -> None:
    class Parallel(Pair):
        async def play(self, match):
            await match.ask(self.a, "before")

            async def line(i):
                await match.ask(self.a, f"{i}.1")
                return await match.ask(self.a, f"{i}.2")

            ends = await match.gather(line(0), line(1))
            assert [move.text for move in ends] == ["a to 0.2", "a to 1.2"]
            await match.ask(self.a, "after", after=ends[1])

    policy = Replies(echo)
    assert play(Parallel(), policy).error is None
    assert [m.text for m in policy.asked[-1].conversation() if m.role == "user"] == ["before", "1.1", "1.2", "after"]


def test_a_seat_that_moved_in_one_branch_goes_on_from_there_and_a_seat_that_did_not_stays(play, Replies) -> None:
    class Parallel(Pair):
        async def play(self, match):
            await match.ask(self.a, "a1")
            await match.ask(self.b, "b1")

            async def busy():
                await match.ask(self.a, "a2")

            async def idle():
                match.note(idle=True)

            await match.gather(idle(), busy())
            await match.ask(self.a, "a3")
            await match.ask(self.b, "b2")

    policy = Replies(echo)
    assert play(Parallel(), policy).error is None
    said = [[m.text for m in request.conversation() if m.role == "user"] for request in policy.asked[-2:]]
    assert said == [["a1", "a2", "a3"], ["b1", "b2"]]


def test_a_seat_that_moved_in_several_branches_has_no_head(play) -> None:
    class Parallel(Pair):
        async def play(self, match):
            await match.gather(match.ask(self.a, "left"), match.ask(self.a, "right"))
            await match.ask(self.a, "and now?")

    assert "name the one to go on from with after=" in play(Parallel(), echo).error


def test_what_branches_tell_comes_home_in_branch_order(play, Replies) -> None:
    class Parallel(Pair):
        async def play(self, match):
            match.tell(self.b, "first")

            async def branch(name, asks):
                for _ in range(asks):
                    await match.ask(self.a, "work")
                match.tell(self.b, name)
                if name == "right":
                    await match.ask(self.b, "inside")

            await match.gather(branch("left", 3), branch("right", 0))
            await match.ask(self.b, "after")

    policy = Replies(echo)
    assert play(Parallel(), policy).error is None
    told = [prompt for request, prompt in zip(policy.asked, policy.prompts(), strict=True) if request.seat == "b"]
    assert told == ["first\n\nright\n\ninside", "left\n\nafter"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_secret_asks_and_tells_of_one_branch_stay_out_of_the_other(play, Replies, order) -> None:
    class Parallel(Pair):
        async def play(self, match):
            async def branch(i):
                match.tell(self.a, f"only {i}")
                await match.ask(self.a, f"q{i}")

            await match.gather(*(branch(i) for i in order))

    policy = Replies(echo)
    play(Parallel(), policy)
    assert policy.prompts() == [f"only {i}\n\nq{i}" for i in order]
