"""Selections: which replies of finished matches are imitated (`sft`), or count as desirable (`kto`).

    kept            moves the game marked with ``move.keep = True``
    rewarded        moves with a reward of at least `threshold` (rejection sampling; ReST-EM, arXiv 2312.06585)
    best_of_group   of each prompt the best rewarded move only (PSV, arXiv 2512.18160: at most one for a problem)
    examples        what the game recorded with ``match.example``

With `per_prompt`, only so many different replies to one prompt are chosen, best first, earlier ones first among equals.
Moves that must not be learned from (``learn=False``, matches that ended in an error) are never chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from selfplay.learning.candidates import Choice, Chosen, Sampled, by_prompt, sound, written
from selfplay.types import MatchRecord

Selection = Callable[[Sequence[MatchRecord], Choice], Iterator[Chosen | str]]


def kept(records: Sequence[MatchRecord], choice: Choice) -> Iterator[Chosen | str]:
    """What the game itself selected, whatever its reward."""
    for record in sound(records):
        yield from (Chosen(Sampled(record, move)) for move in record.moves if move.keep and move.learn)


def rewarded(records: Sequence[MatchRecord], choice: Choice) -> Iterator[Chosen | str]:
    """All good moves, or the best `per_prompt` of each prompt."""
    for group in by_prompt(records):
        good = [reply for reply in group if reply.reward >= choice.threshold]
        best = _different(good)[: choice.per_prompt] if choice.per_prompt else good
        yield from (Chosen(reply) for reply in best)
        yield from ["reward below the threshold"] * (len(group) - len(good))
        yield from ["beyond per_prompt, or repeated"] * (len(good) - len(best))


def best_of_group(records: Sequence[MatchRecord], choice: Choice) -> Iterator[Chosen | str]:
    """The best good move of each prompt."""
    for group in by_prompt(records):
        best = max(group, key=lambda reply: reply.reward)
        if best.reward >= choice.threshold:
            yield Chosen(best)
            yield from ["not the best of its prompt"] * (len(group) - 1)
        else:
            yield from ["reward below the threshold"] * len(group)


def examples(records: Sequence[MatchRecord], choice: Choice) -> Iterator[Chosen | str]:
    """What nobody sampled, with the weight the game gave it."""
    for record in sound(records):
        for fact in record.facts:
            if fact.kind == "example":
                text = written(record, fact.data["role"], fact.data["prompt"], fact.data["text"])
                yield Chosen(text, float(fact.data["weight"]))


def _different(replies: Sequence[Sampled]) -> list[Sampled]:
    """Best first, each text once."""
    texts: dict[str, Sampled] = {}
    for reply in sorted(replies, key=lambda reply: -reply.reward):
        texts.setdefault(reply.move.text, reply)
    return list(texts.values())


SELECTIONS: dict[str, Selection] = {
    "kept": kept,
    "rewarded": rewarded,
    "best_of_group": best_of_group,
    "examples": examples,
}
"""By the name a recipe uses; add the next one here."""
