"""The conformance suite finds each planted defect, names seed and move, and lets a good game pass."""

from __future__ import annotations

import datetime
import gc
import json
import os
import random
import threading
import time
import uuid

import pytest

import selfplay.check
from selfplay.check import check_game
from selfplay.driver import Limits
from selfplay.errors import UsageError
from selfplay.game import Exam, Foul, Game, Role, penalty


def number(text: str) -> int:
    """The first whole number; whatever else is said is dropped."""
    for word in text.split():
        if word.isascii() and word.isdigit() and len(word) < 10:
            return int(word)
    raise Foul("no number")


class Good(Game):
    """A keeper hides a number behind a clue, two guessers look for it in parallel; everybody is rewarded."""

    zero_sum = True
    result_range = (-1.0, 1.0)
    keeper = Role("Give a number as a clue.", parse=number, foul=penalty(-1.0))
    guesser = Role("Guess the number.", parse=number, seats=2)
    bots = {"random": lambda request, rng: str(rng.randint(1, 9))}
    turns: int = 2

    async def play(self, match):
        hidden = match.rng.randint(1, 9)
        match.secret(self.keeper, f"number {hidden}")
        clue = await match.ask(self.keeper, f"The number {hidden} is hidden. Your clue:", secret=True)
        clue.reward = 0.0

        async def guess(seat):
            for _ in range(self.turns):
                move = await match.ask(self.guesser, f"Clue {clue.value}. A number from 1 to 9?", seat=seat)
                move.reward = float(move.value == hidden)
            return move.reward

        scores = await match.gather(guess(1), guess(2))
        for move in await match.ask(self.keeper, "How was it?", n=2, after=clue):
            move.reward = 0.0 if move.value else None
        mean = sum(scores) / 2
        match.note(hidden=hidden, scores=scores)
        match.result({"keeper": -mean, "guesser#1": mean})


def found(game, **more):
    """The findings by check, after making sure that each is complete."""
    report = check_game(game, seeds=8, limits=Limits(step_s=0.3, steps=300), **more)
    assert report.ok == (not report.findings)
    for finding in report.findings:
        assert finding.text and finding.fix and finding.times >= 1
    return {finding.check: finding for finding in report.findings}


def test_a_good_game_passes() -> None:
    report = check_game(Good)
    assert report.findings == [] and report.ok
    assert report.matches > 100 and report.moves > 500
    assert report.notes == [
        "legal replies came from: bot 'random'",
        "the game offers no exam: progress cannot be measured on held-out tasks",
    ]


def test_the_report_is_json() -> None:
    class Bad(Good):
        result_range = (2.0, 3.0)

    data = json.loads(json.dumps(check_game(Bad, seeds=3).as_json()))
    assert data["ok"] is False and data["seeds"] == 3
    assert set(data["findings"][0]) == {"check", "seed", "move", "text", "fix", "times"}


@pytest.mark.parametrize(
    ("use", "what"),
    [
        (lambda: random.random(), "the global generator of `random`"),
        (lambda: random.shuffle([1, 2]), "the global generator of `random`"),
        (lambda: random.Random().random(), "random.Random() without a seed"),
        (lambda: os.urandom(2), "os.urandom"),
        (lambda: uuid.uuid4(), "os.urandom"),
        (lambda: time.time(), "time.time"),
        (lambda: datetime.datetime.now(), "datetime.now"),
        (lambda: os.environ["PATH"], "os.environ"),
        (lambda: __import__("numpy").random.rand(), "numpy.random's global generator"),
    ],
)
def test_hidden_chance_clocks_and_environment(use, what: str) -> None:
    import numpy.random  # noqa: F401 - its state is watched only where a game could use it

    class Bad(Good):
        async def play(self, match):
            (await match.ask(self.keeper, "warm up")).reward = 0.0
            use()
            await super().play(match)

    findings = found(Bad)
    assert set(findings) == {"chance"}
    finding = findings["chance"]
    assert what in finding.text and (finding.seed, finding.move) == (0, "1")
    assert "numpy" in what or "test_check.py:" in finding.text


def test_what_the_garbage_collector_sets_off_is_not_the_games_fault() -> None:
    def hook(phase, info):
        time.time()

    class Littering(Good):
        async def play(self, match):
            for _ in range(3000):
                ring = []
                ring.append(ring)
            await super().play(match)

    gc.callbacks.append(hook)
    try:
        assert found(Littering) == {}
    finally:
        gc.callbacks.remove(hook)
    assert gc.isenabled()


def test_global_chance_that_matters_shows_in_every_comparison() -> None:
    class Bad(Good):
        async def play(self, match):
            (await match.ask(self.keeper, f"dice {random.random()}")).reward = 0.0

    findings = found(Bad)
    assert {"chance", "seed", "order", "replay"} <= set(findings)
    assert all((findings[check].seed, findings[check].move) == (0, "0") for check in ("chance", "seed", "order"))


def test_a_leaked_secret() -> None:
    class Bad(Good):
        async def play(self, match):
            ace = f"card {match.rng.randint(1, 9)}"
            match.secret(self.keeper, ace)
            (await match.ask(self.keeper, "go")).reward = 0.0
            (await match.ask(self.guesser, "Clue?", seat=1)).reward = 0.0
            (await match.ask(self.guesser, f"It is not {ace}!", seat=2)).reward = 0.0

    findings = found(Bad)
    assert set(findings) == {"secrets"}
    finding = findings["secrets"]
    assert (finding.seed, finding.move) == (0, "2") and "of keeper is in a prompt of guesser#2" in finding.text


def test_a_leaked_secret_prompt() -> None:
    class Bad(Good):
        async def play(self, match):
            prompt = f"The word is w{match.rng.random()}."
            (await match.ask(self.keeper, prompt, secret=True)).reward = 0.0
            match.tell("all", prompt)
            (await match.ask(self.guesser, "Guess.", seat=1)).reward = 0.0

    assert found(Bad)["secrets"].move == "2"


def test_a_short_secret_in_a_constant_prompt_is_no_leak() -> None:
    class Fine(Good):
        async def play(self, match):
            match.secret(self.keeper, str(match.rng.randint(1, 3)))
            (await match.ask(self.guesser, "1, 2 or 3?", seat=1)).reward = 0.0

    assert found(Fine) == {}


def test_a_raw_reply_that_leaks() -> None:
    class Bad(Good):
        async def play(self, match):
            clue = await match.ask(self.keeper, "go")
            (await match.ask(self.guesser, f"They said {clue.text}", seat=2)).reward = 0.0
            clue.reward = 0.0

    findings = found(Bad)
    assert set(findings) == {"replies"}
    assert (findings["replies"].seed, findings["replies"].move) == (0, "1")
    assert "text of keeper that its parser had dropped is in a prompt of guesser#2" in findings["replies"].text


def test_a_forgotten_reward() -> None:
    class Bad(Good):
        async def play(self, match):
            for move in await match.ask(self.keeper, "go", n=3, tag="clue"):
                if move.value != 3:
                    move.reward = 1.0

    findings = found(Bad)
    assert set(findings) == {"rewards"}
    finding = findings["rewards"]
    assert "a move of keeper [clue] was neither rewarded nor masked" in finding.text
    assert finding.seed is not None and finding.move in ("0.0", "0.1", "0.2")


def test_rewards_given_in_settle_or_not_wanted_are_not_forgotten() -> None:
    class Fine(Good):
        async def play(self, match):
            await match.ask(self.keeper, "go")
            await match.ask(self.guesser, "go", seat=1, learn=False)
            (await match.ask(self.guesser, "go", seat=2)).mask("warming up")

        def settle(self, records):
            from selfplay.types import Edit

            return [Edit(r.id, m.id, 1.0, "late") for r in records for m in r.moves if m.role == "keeper"]

    assert found(Fine) == {}


@pytest.mark.parametrize(
    ("score", "words"), [(7.5, "the result of keeper is 7.5; result_range is -1 to 1"), (0.5, "add up to 0.5")]
)
def test_a_result_out_of_bounds_or_not_zero_sum(score: float, words: str) -> None:
    class Bad(Good):
        async def play(self, match):
            (await match.ask(self.keeper, "go")).reward = 0.0
            match.result(keeper=score if match.rng.random() < 0.5 else 0.0)

    report = check_game(Bad, seeds=8)
    assert any(
        words in finding.text and finding.seed is not None and finding.move == "0" for finding in report.findings
    )
    assert {finding.check for finding in report.findings} == {"results"}


def test_a_game_that_never_ends() -> None:
    class Bad(Good):
        async def play(self, match):
            while True:
                (await match.ask(self.keeper, "more")).reward = 0.0

    findings = found(Bad)
    assert set(findings) == {"ends"}
    assert (findings["ends"].seed, findings["ends"].move) == (0, "299") and "GameEndless" in findings["ends"].text


def test_a_game_that_hangs() -> None:
    class Bad(Good):
        async def play(self, match):
            (await match.ask(self.keeper, "go")).reward = 0.0
            while match.rng is not None:
                pass

    began = time.monotonic()
    findings = found(Bad)
    assert set(findings) == {"ends"} and time.monotonic() - began < 3
    assert (findings["ends"].seed, findings["ends"].move) == (0, "0") and "GameHung" in findings["ends"].text


def test_branches_that_share_a_list_depend_on_the_order() -> None:
    class Bad(Good):
        async def play(self, match):
            arrived = []

            async def guess(seat):
                for _ in range(seat):
                    (await match.ask(self.guesser, f"{len(arrived)} were here", seat=seat)).reward = 0.0
                    arrived.append(seat)

            await match.gather(guess(1), guess(2))

    findings = found(Bad)
    assert set(findings) == {"order"}
    assert (findings["order"].seed, findings["order"].move) == (0, "0.1.1") and "messages was" in findings["order"].text


def test_matches_that_share_what_is_cleared_at_the_start_depend_on_the_order() -> None:
    class Bad(Good):
        board: list = []

        async def play(self, match):
            self.board.clear()
            for seat in (1, 2):
                move = await match.ask(self.guesser, f"board {self.board}", seat=seat)
                move.reward = 0.0
                self.board.append(match.rng.randint(1, 99))

    findings = found(Bad)
    assert "order" in findings and findings["order"].seed is not None and findings["order"].move


@pytest.mark.parametrize("where", ["class", "self"])
def test_matches_that_share_a_list_do_not_bind_the_seed(where: str) -> None:
    class Bad(Good):
        played = []

        def __init__(self, **settings):
            super().__init__(**settings)
            if where == "self":
                self.played = []

        async def play(self, match):
            self.played.append(1)
            (await match.ask(self.keeper, f"match {len(self.played)}")).reward = 0.0

    findings = found(Bad)
    assert {"seed", "order", "replay"} <= set(findings)
    assert (findings["seed"].seed, findings["seed"].move) == (0, "0")


def test_a_parser_that_raises_something_else() -> None:
    class Bad(Good):
        keeper = Role("Give a number.", parse=lambda text: int(text))

    findings = found(Bad)
    assert set(findings) == {"fouls"}
    finding = findings["fouls"]
    assert "the parser of keeper raised ValueError" in finding.text and (finding.seed, finding.move) == (0, "0")


def test_a_parser_that_hangs_on_some_replies() -> None:
    def slow(text):
        while "[" in text:
            pass
        return number(text)

    class Bad(Good):
        keeper = Role("Give a number.", parse=slow)

    assert "GameHung" in check_game(Bad, seeds=2, limits=Limits(step_s=0.1)).findings[0].text


def test_a_game_that_forgets_fouls_among_n() -> None:
    class Bad(Good):
        async def play(self, match):
            for move in await match.ask(self.keeper, "go", n=4):
                move.reward = move.value / 10

    findings = found(Bad)
    assert set(findings) == {"fouls"}
    assert "TypeError" in findings["fouls"].text and findings["fouls"].seed is not None and findings["fouls"].move


def test_a_forgotten_await() -> None:
    class Bad(Good):
        async def play(self, match):
            (await match.ask(self.keeper, "go")).reward = 0.0
            match.check(bool, 1)

    finding = found(Bad)["plays"]
    assert "coroutine 'Match.check' was never awaited" in finding.text and (finding.seed, finding.move) == (0, "1")


def test_an_exception_on_legal_replies() -> None:
    class Bad(Good):
        async def play(self, match):
            move = await match.ask(self.keeper, "go")
            move.reward = 1.0 / (move.value - 5)

    finding = found(Bad)["plays"]
    assert "ZeroDivisionError" in finding.text and finding.move == "0"


def test_a_settle_that_breaks_on_fouls() -> None:
    class Bad(Good):
        def settle(self, records):
            return [] if all(len(record.moves) == 7 for record in records) else 1 / 0

    class Impure(Good):
        count = iter(range(100))

        def settle(self, records):
            from selfplay.types import Edit

            return [Edit(records[0].id, records[0].moves[0].id, float(next(self.count)), "impure")]

    assert (
        "ZeroDivisionError" in found(Bad)["settle"].text
        and "settle gave other edits the second time" in found(Impure)["settle"].text
    )


def test_an_exam_must_state_its_score() -> None:
    class Examined(Good):
        def exam(self):
            return Exam("guesser", {"easy": [1, 2]}, settings={"turns": 1})

    class Bad(Examined):
        async def play(self, match):
            (await match.ask(self.keeper, "go")).reward = 0.0

    assert found(Examined).keys() == set()
    assert "on exam level easy the result of guesser#1 is None" in found(Bad)["exam"].text


def test_tasks_are_used_in_turn() -> None:
    class Tasked(Good):
        async def play(self, match):
            (await match.ask(self.keeper, match.task["question"])).reward = 0.0

    assert "plays" in found(Tasked)
    assert found(Tasked, tasks=[{"question": "a"}, {"question": "b"}]) == {}


def test_what_was_not_exercised_is_said() -> None:
    class Quiet(Game):
        talker = Role("Talk.")
        idle = Role("Idle.")
        picky = Role("Pick.", parse=lambda text: (_ for _ in ()).throw(Foul("never")))

        async def play(self, match):
            match.rng.random()
            (await match.ask(self.talker, "go")).reward = 0.0
            await match.ask(self.picky, "go")

    report = check_game(Quiet, seeds=4)
    assert report.ok
    assert {
        "match.rng is used, but every seed told every seat the same: its effect was not seen",
        "idle was never asked anything",
        "no secret was declared (match.secret, ask(secret=True)): leaks were not looked for",
        "leaks of raw replies of talker were not looked for: its parser keeps or refuses a mark",
        "no match stated a result: ratings will have nothing to go by",
        "legal replies came from: plain texts",
        "no legal reply of picky is known: offer `bots` or `demos`",
    } <= set(report.notes)


def test_off_the_main_thread_hanging_games_cannot_be_stopped_and_the_report_says_so() -> None:
    reports = []
    thread = threading.Thread(target=lambda: reports.append(check_game(Good, seeds=2)))
    thread.start()
    thread.join()
    assert reports[0].ok and "a game that hangs cannot be stopped here" in reports[0].notes[0]


def test_nothing_to_try() -> None:
    with pytest.raises(UsageError, match="at least one seed and one task"):
        check_game(Good, seeds=0)


def test_it_is_public() -> None:
    assert selfplay.check_game is check_game
