"""Material: rows keep sampled ids, examples stand behind the prompt the policy would have seen, all else is counted."""

from __future__ import annotations

import numpy as np
import pytest

from selfplay.errors import UnknownName, UsageError
from selfplay.learning.candidates import Choice
from selfplay.learning.learner import Rule
from selfplay.learning.material import Home, Material, check_choice, material
from selfplay.match import reply_seed
from selfplay.types import Completion, Ending, Fact, MatchRecord, Message, Move, Pairing, Request, Sampling, Turn

pytestmark = pytest.mark.usefixtures("one_thread")
INSTRUCTIONS = "Answer."


@pytest.fixture(scope="module")
def policy():
    """An untrained model that reads bytes."""
    from selfplay.policies.hf import LocalPolicy
    from selfplay.tiny.model import Shape, build_model
    from selfplay.tiny.tokenizer import build_tokenizer

    tokenizer = build_tokenizer([INSTRUCTIONS])
    shape = Shape(hidden=16, layers=1, heads=2, kv_heads=2, intermediate=32)
    return LocalPolicy(build_model(tokenizer, shape, 0), tokenizer)


@pytest.fixture
def home(policy) -> Home:
    return Home("main", policy.chat, INSTRUCTIONS)


class Played:
    """A match whose moves a policy really sampled."""

    def __init__(self, policy, number: int = 0, ending: Ending = Ending.OK) -> None:
        self.policy = policy
        self.record = MatchRecord(Pairing("game", {}, {}, 0, number), {}, [], [], None, ending)

    def ask(
        self,
        prompt: str,
        rewards: list[float | None],
        after: Move | None = None,
        learn: bool = True,
        player: str = "main",
    ) -> list[Move]:
        said = Message("user", prompt)
        messages = (said,) if after else (Message("system", INSTRUCTIONS), said)
        parent, step = after.turn if after else None, len(self.record.moves)
        seeds = tuple(reply_seed(self.record.pairing.number, (step,), i) for i in range(len(rewards)))
        request = Request("solver", "solver", parent, messages, Sampling(max_tokens=6), seeds)
        moves = []
        for i, completion in enumerate(self.policy.complete([request])[0]):
            turn = Turn(parent, messages, completion)
            move = Move(
                f"{step}.{i}", after, "solver", "solver", "", None, player, learn, False, messages, completion, turn
            )
            move.reward = rewards[i]
            moves.append(move)
        self.record.moves += moves
        return moves

    def fact(self, kind: str, **data: object) -> None:
        self.record.facts.append(Fact((len(self.record.facts),), kind, data))

    def example(self, prompt: str, text: str, weight: float = 1.0) -> None:
        self.fact("example", role="solver", prompt=prompt, text=text, weight=weight)

    def made(self, rule: str, home: Home, **options: object) -> Material:
        return material([self.record], Rule(rule), Choice(**options), {"solver": home})


def whole(row) -> list[int]:
    return [*row.prompt_ids.tolist(), *row.completion_ids.tolist()]


def test_kept_moves_are_their_sampled_ids(policy, home: Home) -> None:
    played = Played(policy)
    first, second = played.ask("2 + 2?", [None, 0.0])
    (third,) = played.ask("sure?", [None], after=first)
    first.keep = third.keep = True
    (row,) = played.made("sft", home).rows
    assert whole(row) == policy.chat.prefix_ids(third.turn)
    assert int(row.mask.sum()) == len(first.completion.token_ids) + len(third.completion.token_ids)
    assert (row.advantages[row.mask] == 1).all() and row.moves == ("0.0", "2.0") and second.id not in row.moves


def test_an_example_opens_a_conversation_as_the_policy_would_have_seen_it(policy, home: Home) -> None:
    played = Played(policy)
    played.example("3 + 3?", "6", 0.5)
    (row,) = played.made("sft", home).rows
    opening = [Message("system", INSTRUCTIONS), Message("user", "3 + 3?")]
    assert row.prompt_ids.tolist() == policy.chat.opening(opening)
    assert row.completion_ids.tolist() == policy.chat.reply("6")
    assert (row.advantages == 0.5).all() and row.mask.all() and row.moves == () and row.weights_version == -1
    assert (row.player, row.role, row.match) == ("main", "solver", "g0000-m0000")


def test_an_example_for_a_later_turn_stands_behind_what_was_really_said(policy, home: Home) -> None:
    played = Played(policy)
    (first,) = played.ask("2 + 2?", [None])
    (second,) = played.ask("sure?", [None], after=first)
    played.example("sure?", "yes")
    (row,) = played.made("sft", home).rows
    sampled = len(second.completion.token_ids)
    assert row.prompt_ids.tolist() == policy.chat.prefix_ids(second.turn)[:-sampled]


@pytest.mark.parametrize("rule", ["sft", "kto", "dpo", "offline_clip"])
def test_nothing_to_select_is_no_row(rule: str, policy, home: Home) -> None:
    played = Played(policy)
    played.ask("2 + 2?", [None, None])
    assert played.made(rule, home).rows == []


def test_roles_without_a_home_are_passed_over(policy, home: Home) -> None:
    played = Played(policy)
    played.ask("2 + 2?", [1.0, 0.0])
    played.example("2 + 2?", "4")
    for rule in Rule:
        if rule is not Rule.POLICY_GRADIENT:
            choice = Choice(("rewarded", "examples"), pairs="best_worst")
            assert material([played.record], rule, choice, {}).rows == []


def test_kto_sets_desirable_against_undesirable_and_gives_both_sides_the_same_weight(policy, home: Home) -> None:
    played = Played(policy)
    played.ask("2 + 2?", [1.0, 0.0, 0.25, 0.0, None])
    rows = played.made("kto", home, select=("rewarded",)).rows
    weights = {row.moves[0]: float(row.advantages[0]) for row in rows}
    assert weights == {
        "0.0": 2.0,
        "0.1": pytest.approx(-2 / 3),
        "0.2": pytest.approx(-2 / 3),
        "0.3": pytest.approx(-2 / 3),
    }
    alone = Played(policy)
    alone.ask("2 + 2?", [1.0, None])
    assert [float(r.advantages[0]) for r in alone.made("kto", home, select=("rewarded",)).rows] == [1.0]


def test_kto_moves_of_one_conversation_are_rows_of_their_own(policy, home: Home) -> None:
    played = Played(policy)
    (first,) = played.ask("2 + 2?", [0.0])
    played.ask("sure?", [1.0], after=first)
    rows = played.made("kto", home, select=("rewarded",)).rows
    assert sorted((row.moves, float(row.advantages[0])) for row in rows) == [(("0.0",), -1.0), (("1.0",), 1.0)]


def test_pairs_share_their_prompt_and_carry_the_weight(policy, home: Home) -> None:
    played = Played(policy)
    played.ask("2 + 2?", [1.0, 0.5, 0.25])
    (row,) = played.made("dpo", home, pairs="best_worst").rows
    assert row.worse is not None and (row.moves, row.worse.moves) == (("0.0",), ("0.2",))
    assert row.prompt_ids.tolist() == row.worse.prompt_ids.tolist()
    assert (row.advantages == 0.75).all()


def test_a_demonstration_against_an_opponents_reply(policy, home: Home) -> None:
    """SPIN: the opponent is another player of the same tokenizer; the learner gets the row."""
    played = Played(policy)
    played.ask("2 + 2?", [None], learn=False, player="snapshot")
    played.example("2 + 2?", "4")
    (row,) = played.made("dpo", home, pairs="against_example").rows
    assert row.completion_ids.tolist() == policy.chat.reply("4")
    assert row.worse is not None and (row.player, row.worse.player) == ("main", "main")
    assert row.prompt_ids.tolist() == row.worse.prompt_ids.tolist()


def test_tokens_of_another_model_are_not_learned_from(policy, home: Home) -> None:
    played = Played(policy)
    (move,) = played.ask("2 + 2?", [None], learn=False, player="stranger")
    move.completion.prompt_ids = move.completion.prompt_ids[:-1]
    played.example("2 + 2?", "4")
    made = played.made("dpo", home, pairs="against_example")
    assert made.rows == [] and made.left_out == {"tokens of another model": 1}


def test_a_player_without_tokens_is_read_as_the_learner_would(policy, home: Home) -> None:
    """A bot or an endpoint may be the worse one."""
    played = Played(policy)
    (move,) = played.ask("2 + 2?", [None], learn=False, player="bot")
    move.turn.completion = move.completion = Completion("5")
    played.example("2 + 2?", "4")
    (row,) = played.made("dpo", home, pairs="against_example").rows
    assert row.worse is not None and row.worse.completion_ids.tolist() == policy.chat.reply("5")


def test_a_refinement_answers_the_first_prompt_with_its_own_ids(policy, home: Home) -> None:
    played = Played(policy)
    (draft,) = played.ask("2 + 2?", [0.0])
    (final,) = played.ask("sure?", [1.0], after=draft)
    (row,) = played.made("dpo", home, pairs="refined").rows
    assert row.prompt_ids.tolist() == draft.completion.prompt_ids.tolist() and row.worse is not None
    assert row.completion_ids.tolist() == final.completion.token_ids.tolist()
    assert row.worse.completion_ids.tolist() == draft.completion.token_ids.tolist()


def test_equal_replies_are_no_pair(policy, home: Home) -> None:
    played = Played(policy)
    a, b = played.ask("2 + 2?", [1.0, 0.0])
    b.completion.token_ids, b.completion.logprobs = a.completion.token_ids, a.completion.logprobs
    made = played.made("dpo", home, pairs="best_worst")
    assert made.rows == [] and made.left_out == {"equal replies": 1}


def test_what_is_left_out_is_counted(policy, home: Home) -> None:
    played = Played(policy)
    played.ask("2 + 2?", [1.0, 0.0, None])
    (empty,) = played.ask("3 + 3?", [1.0])
    empty.completion.token_ids = np.zeros(0, np.int32)
    made = played.made("sft", home, select=("rewarded",))
    assert len(made.rows) == 1
    assert made.left_out == {"reward below the threshold": 1, "empty, or without tokens": 1}


def test_records_in_rows_out_and_nothing_else(policy, home: Home) -> None:
    """Rows of past generations can be made again: twice the same records, twice the same rows."""
    played = Played(policy)
    played.ask("2 + 2?", [1.0, 0.0])
    played.example("2 + 2?", "4")
    for rule, options in [("sft", {}), ("kto", {"select": ("rewarded",)}), ("dpo", {"pairs": "pass_fail"})]:
        first, second = (played.made(rule, home, **options).rows for _ in range(2))
        assert [whole(row) for row in first] == [whole(row) for row in second] != []


@pytest.mark.parametrize(
    ("rule", "options", "match"),
    [
        ("sft", {"select": ("rewarde",)}, "did you mean 'rewarded'"),
        ("dpo", {"pairs": "best_wurst"}, "did you mean 'best_worst'"),
        ("sft", {"select": ()}, "nothing would be learned"),
        ("kto", {"select": ("best_of_group",)}, "would count as undesirable"),
    ],
)
def test_choices_that_cannot_work(rule: str, options: dict[str, object], match: str) -> None:
    with pytest.raises((UnknownName, UsageError), match=match):
        check_choice(Rule(rule), Choice(**options))
