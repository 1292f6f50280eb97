"""Hidden number: a guesser finds a number that only the keeper knows; the keeper says higher, lower or correct.

    keeper    The number is 62. Guess: 50      ->  higher
    guesser   Guess a number from 1 to 100.    ->  50       higher  ->  75       lower  ->  62

Two conversations of several turns, private information, and a duty that can be checked: a keeper that says what is not
true commits a foul and loses. Halving what is left finds one of 100 numbers in at most 7 guesses.

Every fourth number is held out: the exam hides those, training never does.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from selfplay.errors import UsageError
from selfplay.game import Demo, Exam, Game, Role, penalty, retry
from selfplay.match import Match
from selfplay.roles.formats import choice, integer
from selfplay.types import Message, Request

ANSWERS = ("higher", "lower", "correct")


class Claim(NamedTuple):
    """What a keeper said about a guess."""

    hidden: int
    guess: int
    said: str

    def holds(self) -> bool:
        return self.said == truth(self.hidden, self.guess)


def truth(hidden: int, guess: int) -> str:
    """What an honest keeper says."""
    return "correct" if hidden == guess else "higher" if hidden > guess else "lower"


def held_out(number: int) -> bool:
    """Belongs to the exam."""
    return number % 4 == 2


def truthful_bot(request: Request, rng: random.Random) -> str:
    """Keeper: the truth. Guesser: any number that is still possible."""
    talk = request.conversation()
    if request.role == "keeper":
        return truth(_numbers(talk[1])[0], _numbers(talk[-1])[-1])
    return str(rng.randint(*possible(talk)))


def binary_search_bot(request: Request, rng: random.Random) -> str:
    """Keeper: the truth. Guesser: the middle of what is still possible."""
    if request.role == "keeper":
        return truthful_bot(request, rng)
    return str(sum(possible(request.conversation())) // 2)


def random_bot(request: Request, rng: random.Random) -> str:
    """Keeper: any of the three words. Guesser: any number."""
    if request.role == "keeper":
        return rng.choice(ANSWERS)
    low, high = _numbers(request.conversation()[1])
    return str(rng.randint(low, high))


def possible(talk: Sequence[Message]) -> tuple[int, int]:
    """The lowest and highest number that a guesser's conversation leaves open (one number, if the keeper lied)."""
    low, high = _numbers(talk[1])
    for guess, answer in zip(talk[2::2], talk[3::2], strict=True):
        if answer.text == "higher":
            low = max(low, int(guess.text) + 1)
        elif answer.text == "lower":
            high = min(high, int(guess.text) - 1)
    return low, max(low, high)


def _numbers(message: Message) -> list[int]:
    return [int(number) for number in re.findall("[0-9]+", message.text)]


class HiddenNumber(Game):
    """Find a number by guessing, with honest answers."""

    id = "hidden_number"
    result_range = (0.0, 1.0)
    bots = {"random": random_bot, "truthful": truthful_bot, "binary_search": binary_search_bot}

    keeper = Role(
        "You know the hidden number. Say whether it is higher or lower than the guess, or that the guess is correct.",
        parse=choice(*ANSWERS),
        foul=penalty(-1.0),
    )
    guesser = Role(
        "Find the hidden number. Answer with your guess.", parse=integer(1, 9999), foul=retry(1, forfeit=0.0)
    )

    highest: int = 100
    """Numbers go from 1 to this."""
    guesses: int = 7
    """So many are allowed."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, low, high in (("highest", 4, 9999), ("guesses", 1, 1000)):
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"hidden_number.{name} = {getattr(self, name)!r}: expected {low} to {high}")

    async def play(self, match: Match) -> None:
        hidden = self.hide(match.rng) if match.task is None else int(match.task["hidden"])
        known = f"The number is {hidden}."
        match.secret(self.keeper, known)
        match.tell(self.keeper, known)
        prompt = self.opening()
        for _ in range(self.guesses):
            guess = await match.ask(self.guesser, prompt)
            reply = await match.ask(self.keeper, f"Guess: {guess.value}")
            match.show(f"{guess.value}: {reply.value}")
            if not await match.check(Claim.holds, Claim(hidden, guess.value, reply.value), about=reply):
                reply.penalise("not true", -1.0)
                self.spare_guesser(match)
                match.result(guesser=1.0)
                return
            reply.reward = 1.0
            if reply.value == "correct":
                match.pay(self.guesser, 1.0)
                match.result(guesser=1.0)
                return
            prompt = reply.value
        match.pay(self.guesser, 0.0)
        match.result(keeper=1.0)

    def hide(self, rng: random.Random) -> int:
        return rng.choice([number for number in range(1, self.highest + 1) if not held_out(number)])

    def opening(self) -> str:
        return f"Guess a number from 1 to {self.highest}."

    def spare_guesser(self, match: Match) -> None:
        """Nothing is to be learned from guesses that were lied to."""
        for move in match.moves:
            if move.role == "guesser":
                move.mask("the keeper did not tell the truth")

    def exam(self) -> Exam:
        tasks = [{"hidden": number} for number in range(1, self.highest + 1) if held_out(number)]
        return Exam("guesser", {f"1 to {self.highest}": tasks}, opponents={"keeper": "truthful"})

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        while True:
            hidden, low, high = self.hide(rng), 1, self.highest
            guessed: list[tuple[str, str]] = []
            kept: list[tuple[str, str]] = []
            asked, told = self.opening(), f"The number is {hidden}.\n\n"
            while asked != "correct":
                quarter = (high - low) // 4
                guess = rng.randint(low + quarter, high - quarter)
                yield self.guesser.demo(asked, str(guess), guessed)
                answer = truth(hidden, guess)
                yield self.keeper.demo(f"{told}Guess: {guess}", answer, kept)
                guessed = [*guessed, (asked, str(guess))]
                kept = [*kept, (f"{told}Guess: {guess}", answer)]
                asked, told = answer, ""
                low, high = (guess + 1, high) if answer == "higher" else (low, guess - 1)
