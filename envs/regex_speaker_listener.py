"""Regex speaker and listener: one gives examples of a hidden regular expression, the other writes the expression.

    speaker    0*1         ->  +001         "001 matches"        then, after Next:   ->   -10   "10 does not"
    listener   +001 -10    ->  0*1

Generating Pragmatic Examples to Train Neural Program Synthesizers (arXiv 2311.05740). Both begin as *literal* players,
trained on random true examples. In a match, examples are chosen one at a time out of what the players themselves say:

1. The speaker proposes `utterances` examples. The listener, told the examples so far, guesses `programs` expressions;
   those that are consistent with these examples, and the hidden one, are what might be meant.
2. Of the true proposals the one with the largest S1 is said (`chooser = "pragmatic"`; `selfplay.roles.informative`):
   it rules out most of what the listener would believe. ``literal`` says the first true one, ``random`` has the game
   draw a word: the controls.
3. Chosen examples are kept for the speaker, and "these examples mean this expression" is recorded as an example for
   the listener. The recipe learns both by SFT.

Rewards, for recipes that use them: the speaker earns L0 of the hidden expression (1 if nothing else is left that the
listener thought of), 0 for a false or repeated example; a guess earns 1 if it means the same as the hidden expression.
That is decided exactly, by comparing automata (`selfplay.envs.regex_language`); no expression is ever run.

Listener number k hears k - 1 examples, and knows nothing of the other guesses. A good speaker says what its listener
would get wrong without it: edges, where neighbouring expressions differ; a good listener takes it that way.

Notes: ``true`` (share of proposals that are), ``consistent`` (guesses), ``recovered_1`` ... (guesses after so many
examples that mean the same). Exam: greedy guesses from the examples of a scripted speaker that is informative against a
fixed library of expressions; one level per number of examples. So a private code of two players who understand only
each other earns nothing there. One language in eight is held out for it.

What it does not do: longer alphabets, expressions that use more than ``| * + ? . ( )``.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from selfplay.envs.regex_language import LETTERS, Regex, exam_regexes, library, library_matches, random_regex, words
from selfplay.game import Demo, Exam, Expected, Foul, Game
from selfplay.match import Match
from selfplay.roles import duties
from selfplay.roles.informative import literal_listener, most_informative
from selfplay.types import Json, Move, Request

MOST_TURNS = 5
LONGEST_WORD = 8
LONGEST_SAID = 5
"""Letters in the words of demonstrations, of bots and of the game."""
NOTHING_YET = "?"
NEXT = "Next:"
_UTTERANCE = re.compile(rf"([+-])([{LETTERS}]{{1,{LONGEST_WORD}}}|_)")


class Utterance(NamedTuple):
    """A word, and whether it is said to match."""

    word: str
    matches: bool

    @classmethod
    def parse(cls, text: str) -> Utterance:
        """Read ``+001`` or ``-10``; ``_`` is the word without letters.

        Raises:
            Foul: it is neither.
        """
        found = _UTTERANCE.fullmatch(text.strip())
        if not found:
            raise Foul(f"+ or - and a word of 1 to {LONGEST_WORD} letters 0 and 1, or _, was expected")
        return cls(found[2].strip("_"), found[1] == "+")

    @classmethod
    def true_of(cls, regex: Regex, word: str) -> Utterance:
        return cls(word, regex.matches(word))

    def text(self) -> str:
        return f"{'+' if self.matches else '-'}{self.word or '_'}"

    def fits(self, regex: Regex) -> bool:
        return regex.matches(self.word) == self.matches


def random_utterance(
    rng: random.Random, regex: Regex, said: Sequence[Utterance], longest: int = LONGEST_SAID
) -> Utterance:
    """A random true example that was not said yet; as often one that matches as one that does not."""
    wanted = rng.random() < 0.5
    fresh = [word for word in words(longest) if not any(word == before.word for before in said)]
    fitting = [word for word in fresh if regex.matches(word) == wanted]
    return Utterance.true_of(regex, rng.choice(fitting or fresh))


def heard(examples: Sequence[Utterance]) -> str:
    """What the listener is told."""
    return " ".join(example.text() for example in examples) or NOTHING_YET


def random_bot(request: Request, rng: random.Random) -> str:
    """Says anything true; guesses anything."""
    if request.role == "listener":
        return random_regex(rng).text
    regex, said = _speaker_knows(request)
    return random_utterance(rng, regex, said).text()


def informative_bot(request: Request, rng: random.Random) -> str:
    """Says what rules out most of the library; guesses the simplest expression of the library that fits."""
    if request.role == "listener":
        told = request.messages[-1].text
        fitting = _fitting([] if told == NOTHING_YET else [Utterance.parse(text) for text in told.split()])
        simplest = (fitting & -fitting).bit_length() - 1
        return library()[max(simplest, 0)].text
    regex, said = _speaker_knows(request)
    said_words = {example.word for example in said}
    fresh = [Utterance.true_of(regex, word) for word in words(LONGEST_SAID) if word not in said_words]
    return min(fresh, key=lambda example: _fitting([*said, example]).bit_count()).text()


def _fitting(examples: Sequence[Utterance]) -> int:
    """The expressions of the library that all examples fit, a bit for each."""
    fitting = (1 << len(library())) - 1
    for word, matches in examples:
        fitting &= library_matches(word) if matches else ~library_matches(word)
    return fitting


def _speaker_knows(request: Request) -> tuple[Regex, list[Utterance]]:
    messages = request.conversation()
    said = [Utterance.parse(message.text) for message in messages if message.role == "assistant"]
    return Regex.parse(next(message.text for message in messages if message.role == "user")), said


class RegexSpeakerListener(Game):
    """Examples of a hidden regular expression, and guesses from them."""

    id = "regex_speaker_listener"
    result_range = (0.0, 1.0)
    bots = {"random": random_bot, "informative": informative_bot}

    speaker = duties.proposer("Give an example that tells the regular expression: +01 if it matches.", Utterance.parse)
    listener = duties.solver(
        "Write the regular expression of these examples; - does not match.", Regex.parse, seats=MOST_TURNS + 1
    )

    turns: int = 4
    """Examples that are said, one after the other."""
    utterances: int = 8
    """Proposals for each of them."""
    programs: int = 8
    """Guesses before each of them, and after the last one."""
    chooser: Literal["pragmatic", "literal", "random"] = "pragmatic"
    """Which proposal is said: the most informative one, the first true one, or a random word instead."""
    exam_size: int = 100
    """Expressions in the exam, at each level; fewer than 100 held-out languages are drawn."""

    def expected(self) -> Iterator[Expected]:
        yield "turns", 1 <= self.turns <= MOST_TURNS, f"1 to {MOST_TURNS}"
        yield "utterances", self.utterances >= 1, "at least 1"
        yield "programs", self.programs >= 1, "at least 1"

    async def play(self, match: Match) -> None:
        task = match.task
        hidden = random_regex(match.rng) if task is None else Regex.from_task(task)
        exam = isinstance(task, dict) and "turns" in task
        turns = min(int(task["turns"]), MOST_TURNS) if exam else self.turns
        learn = not hidden.held_out
        match.secret(self.speaker, hidden.text)
        said: list[Utterance] = []
        head: Move | None = None
        true: list[bool] = []
        guesses = [] if exam or self.chooser == "random" else await self.guess(match, hidden, said, learn)
        for turn in range(turns):
            if self.chooser == "random":
                said.append(random_utterance(match.rng, hidden, said))
            else:
                prompt = hidden.text if head is None else NEXT
                proposals = await match.ask(self.speaker, prompt, n=self.utterances, after=head, learn=learn)
                head = self.choose(proposals, guesses, hidden, said)
                true += [move.foul is None for move in proposals]
                if head is None:
                    break
                head.keep = True
                said.append(head.value)
            match.show(f"{hidden.text}   {heard(said)}")
            if not exam:
                match.example(self.listener, heard(said), hidden.text)
            if not exam or turn == turns - 1:
                guesses = await self.guess(match, hidden, said, learn)
        recovered = sum(guess.value == hidden for guess in guesses) / len(guesses) if guesses else 0.0
        match.result(dict.fromkeys(self.seats(), recovered))  # it is a cooperative game
        match.note(said=len(said), **({"true": sum(true) / len(true)} if true else {}))

    async def guess(self, match: Match, hidden: Regex, said: Sequence[Utterance], learn: bool) -> list[Move]:
        """What the listener that hears so many examples makes of them."""
        seat = len(said) + 1
        learn = learn and bool(said)  # nothing can be learned from having heard nothing
        guesses = await match.ask(self.listener, heard(said), n=self.programs, seat=seat, learn=learn)
        right = duties.grade(guesses, lambda value: value == hidden)
        if said:
            fit = sum(guess.value is not None and all(e.fits(guess.value) for e in said) for guess in guesses)
            match.note(**{f"recovered_{len(said)}": right / len(guesses), "consistent": fit / len(guesses)})
        return guesses

    def choose(
        self, proposals: list[Move], guesses: list[Move], hidden: Regex, said: Sequence[Utterance]
    ) -> Move | None:
        """The proposal that is said; `None` if none can be. Rewards them all."""
        for move in proposals:
            if move.foul is None and not move.value.fits(hidden):
                move.penalise("this is not true", 0.0)
            elif move.foul is None and any(move.value.word == before.word for before in said):
                move.penalise("this was said before", 0.0)
        true = [move for move in proposals if move.foul is None]
        believed = {guess.value for guess in guesses if guess.value is not None and guess.value != hidden}
        possible = [regex for regex in believed if all(example.fits(regex) for example in said)]
        consistent = [[float(move.value.fits(regex)) for move in true] for regex in [*possible, hidden]]
        for move, understood in zip(true, literal_listener(consistent)[-1], strict=True):
            move.reward = understood
        if not true:
            return None
        best = most_informative(consistent, len(possible)) if self.chooser == "pragmatic" else 0
        return true[best or 0]

    def exam(self) -> Exam:
        hidden = [regex.text for regex in exam_regexes(self.exam_size)]
        levels: dict[str, list[Json]] = {
            f"{turns} example{'s' * (turns > 1)}": [{"regex": text, "turns": turns} for text in hidden]
            for turns in range(1, self.turns + 1)
        }
        settings = {"chooser": "literal", "utterances": 1, "programs": 1}
        return Exam("listener", levels, settings=settings, opponents={"speaker": "informative"})

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        """Random examples, many of them short; an expression is written in the shortest way that the library knows."""
        shortest = {regex: regex.text for regex in library()}
        while True:
            hidden = random_regex(rng)
            said: list[Utterance] = []
            for _ in range(self.turns):
                said.append(random_utterance(rng, hidden, said, longest=rng.randint(2, LONGEST_SAID)))
            for told in (rng.randint(0, self.turns), self.turns):
                yield self.listener.demo(heard(said[:told]), shortest.get(hidden, hidden.text))
            turn = rng.randrange(self.turns)
            prompts = [hidden.text, *[NEXT] * turn]
            earlier = [(prompt, example.text()) for prompt, example in zip(prompts, said[:turn], strict=False)]
            yield self.speaker.demo(prompts[turn], said[turn].text(), earlier)
