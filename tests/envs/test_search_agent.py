"""Search agent: who searches what, what a proposal earns, and that nobody is paid for the truth."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

from selfplay.check import check_game
from selfplay.envs.knowledge import Claim, Question, world
from selfplay.envs.search_agent import SearchAgent, opening
from selfplay.learning.credit import CreditRule, credit
from selfplay.policies.bots import Replies
from selfplay.types import Ending, MatchRecord

Playing = Callable[..., MatchRecord]
WORLD = world(24, 0)
ADA, KAY = WORLD.document("Ada"), WORLD.document("Kay")  # Ada(boss=Kay/...), Kay(boss=Oda/...)


def one_hop(attempts: int = 2, **settings: object) -> SearchAgent:
    return SearchAgent(attempts=attempts, hops=(1,), weights=(1.0,), **settings)


def start_of(game: SearchAgent, play: Playing, seed: int) -> str:
    return play(game, {"proposer": ["?"]}, seed=seed).moves[0].messages[-1].text[:3]


def seed_for(game: SearchAgent, play: Playing, start: str) -> int:
    return next(seed for seed in itertools.count() if start_of(game, play, seed) == start)


def facts(record: MatchRecord, kind: str) -> list[dict[str, object]]:
    return [fact.data for fact in record.facts if fact.kind == kind]


def notes(record: MatchRecord) -> dict[str, object]:
    return {key: value for note in facts(record, "note") for key, value in note.items()}


def test_it_keeps_the_rules_of_games() -> None:
    assert not check_game(SearchAgent()).findings


def test_a_question_is_found_by_search_and_solved_by_search(play: Playing) -> None:
    game = SearchAgent(attempts=2, hops=(2,), weights=(1.0,))
    seed = seed_for(game, play, "Ada")
    replies = Replies({"proposer": ["search(Kay)", "Ada>boss>boss=Oda"],
                       "solver": ["search(Ada)", "Oda", "search(Kay)", "Oda"]})  # fmt: skip
    record = play(game, replies, seed=seed)
    assert record.ending is Ending.OK, record.error
    assert [r.messages[-1].text for r in replies.requests] == [
        f"{ADA}, 2-hop", KAY, "Ada>boss>boss", ADA, KAY,
    ]  # fmt: skip
    assert [call["args"]["query"] for call in facts(record, "call")] == ["Kay", "Ada", "Kay"]  # type: ignore[index]
    assert {move.reward for move in record.moves if move.role == "solver"} == {1.0}
    assert record.result == {"proposer": 0.0, "solver": 1.0}
    assert notes(record)["answer_right"] == 1.0
    assert [move.reward for move in record.moves if move.role == "proposer"] == [0.5, 0.5]  # all solved it: too easy


@pytest.mark.parametrize(("right", "difficulty"), [(0, 0.0), (1, 1.0), (2, 0.75), (4, 0.25), (5, 0.0)])
def test_a_proposal_earns_most_where_one_of_five_solves_it(play: Playing, right: int, difficulty: float) -> None:
    game = one_hop(5)
    seed = seed_for(game, play, "Ada")
    record = play(game, {"proposer": ["Ada>boss=Kay"], "solver": ["Kay"] * right + ["Ned"] * (5 - right)}, seed=seed)
    assert record.moves[0].reward == pytest.approx(0.5 + difficulty)
    assert [move.reward for move in record.moves[1:]] == [1.0] * right + [0.0] * (5 - right)


def test_solvers_are_paid_for_the_proposers_answer_not_for_the_truth(play: Playing) -> None:
    game = one_hop(2)
    record = play(game, {"proposer": ["Ada>boss=Ned"], "solver": ["Kay", "Ned"]}, seed=seed_for(game, play, "Ada"))
    assert [move.reward for move in record.moves[1:]] == [0.0, 1.0]
    assert notes(record)["answer_right"] == 0.0


def test_an_answer_that_was_never_seen_has_worse_format(play: Playing) -> None:
    seed = seed_for(one_hop(), play, "Ada")
    replies = {"proposer": ["Ada>boss=Vic"], "solver": ["Kay", "Ned"]}
    assert play(one_hop(), replies, seed=seed).moves[0].reward == pytest.approx(0.5 * 2 / 3)
    assert play(one_hop(grounded=False), replies, seed=seed).moves[0].reward == pytest.approx(0.5)


def test_searching_less_than_the_hops_has_worse_format(play: Playing) -> None:
    game = SearchAgent(attempts=2, hops=(4,), weights=(1.0,))
    seed = seed_for(game, play, "Ada")
    record = play(game, {"proposer": ["Ada>boss=Kay"], "solver": ["Ned", "Ned"]}, seed=seed)
    assert record.moves[0].reward == pytest.approx(0.5 * (1 + 1 / 4 + 1) / 3)
    assert (notes(record)["asked_hops"], notes(record)["hops"]) == (4, 1)


def test_a_question_that_holds_its_answer_is_asked_of_nobody(play: Playing) -> None:
    record = play(one_hop(), {"proposer": ["Ada>boss=Ada"]}, seed=seed_for(one_hop(), play, "Ada"))
    assert [move.reward for move in record.moves] == [0.0] and record.result is None


def test_searching_for_ever_is_a_foul(play: Playing) -> None:
    game = SearchAgent(hops=(2,), weights=(1.0,))
    record = play(game, {"proposer": ["search(Ada)", "search(Ada)"]})
    assert record.ending is Ending.OK and record.moves[-1].foul is not None
    assert [move.reward for move in record.moves] == [0.0, 0.0]


def test_a_solver_searches_as_often_as_there_are_hops(play: Playing) -> None:
    game = one_hop(1)
    seed = seed_for(game, play, "Ada")
    record = play(game, {"proposer": ["Ada>boss=Kay"], "solver": ["search(Ada)", "search(Ada)"]}, seed=seed)
    assert [move.reward for move in record.moves[1:]] == [0.0, 0.0]
    record = play(game, {"proposer": ["Ada>boss=Kay"], "solver": ["search(Ada)", "nobody"]}, seed=seed)
    assert record.moves[-1].foul is not None and [move.reward for move in record.moves[1:]] == [0.0, 0.0]


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "search",
        "search(",
        "search(Ada",
        "Ada>boss",
        "Kay",
        "search(Ada) search(Kay)",
        "search(" + "x" * 10**5 + ")",
    ],
)
def test_what_is_neither_a_search_nor_a_claim_is_a_foul(play: Playing, reply: str) -> None:
    record = play(SearchAgent(), {"proposer": [reply, reply]})
    assert (record.ending, record.forfeit, record.moves[-1].reward) == (Ending.FOUL, "proposer", 0.0)


@pytest.mark.parametrize("query", ["x" * 50, "[bold]", "", "Nobody", "Ada>boss"])
def test_a_search_for_anything_finds_nothing(play: Playing, query: str) -> None:
    game = SearchAgent(attempts=1, hops=(2,), weights=(1.0,))
    replies = Replies({"proposer": [f"search({query})", "Ada>boss=Kay"], "solver": ["Kay"]})
    record = play(game, replies)
    assert record.ending is Ending.OK and replies.requests[1].messages[-1].text == "nothing found"


def test_hop_classes_are_compared_across_the_batch(play: Playing) -> None:
    """HRPO: one proposal per document, and a baseline for each number of hops."""
    game = SearchAgent(attempts=2)
    records = [play(game, bots={"proposer": "searching", "solver": "random"}, seed=seed) for seed in range(60)]
    for number, record in enumerate(records):
        record.pairing.number = number
    moves = [(record.id, move) for record in records for move in record.moves if move.role == "proposer"]
    assert {move.group for _, move in moves} == {f"{hops}-hop" for hops in (1, 2, 3, 4)}
    found = credit(records, {"proposer": CreditRule("per_class")}).advantages
    for hops in (1, 2):
        own = [found[key, move.id] for key, move in moves if move.group == f"{hops}-hop" and move.parent is None]
        assert len(own) > 10 and sum(own) == pytest.approx(0.0, abs=1e-6) and max(own) > 0.0


def test_grpo_compares_proposals_about_one_document(play: Playing) -> None:
    game = SearchAgent(attempts=1, compare="documents")
    groups = set()
    for seed in (1, 1, 2):
        record = play(game, bots={"proposer": "searching", "solver": "random"}, seed=seed)
        groups.add(record.moves[0].group)
        assert record.moves[0].group == record.moves[0].messages[-1].text
    assert len(groups) == 2


def test_nobody_is_trained_on_an_exam_question(play: Playing) -> None:
    exam = SearchAgent().exam()
    assert [len(tasks) for tasks in exam.levels.values()] == [60] * 4
    game = SearchAgent(**exam.settings)
    for tasks in exam.levels.values():
        for task in tasks[:5]:
            record = play(game, bots={"solver": "searching", "proposer": "random"}, task=task)
            assert record.result == {"proposer": 0.0, "solver": 1.0}
            assert not any(move.learn for move in record.moves)


def test_demonstrations_show_what_players_will_see(play: Playing) -> None:
    game = SearchAgent(attempts=1, hops=(2,), weights=(1.0,))
    demos = list(itertools.islice(game.demos(random.Random(3)), 5))
    question = Question.parse(demos[0].messages[-1].text)
    replies = Replies({role: [demo.reply for demo in demos if demo.role == role] for role in ("solver", "proposer")})
    record = play(game, replies, seed=seed_for(game, play, question.start))
    assert record.ending is Ending.OK, record.error
    shown = {(demo.role, demo.messages) for demo in demos}
    assert {(request.role, tuple(request.conversation())) for request in replies.requests} == shown
    assert demos[3].messages[-1].text == opening(2, WORLD.document(question.start))
    assert Claim.parse(demos[4].reply).question == question
