"""Pair builders: which reply is preferred to which, for `dpo`. A pair's two replies answer the same prompt.

    preferred         what the game recorded with ``match.prefer``
    best_worst        of each prompt the best and the worst reward; with votes as rewards, ScPO (arXiv 2411.04109)
    pass_fail         each good reply with a bad one (AutoIF, arXiv 2406.13542)
    length_tiered     the shortest of the best against the longest of the worst (Meta-Rewarding, arXiv 2407.19594)
    refined           a reply against what its own refinement made of it (SPaR, arXiv 2412.11605)
    against_example   the game's example against what a player said instead (SPIN, arXiv 2401.01335)
    diverse           different good replies against different bad ones (DIVE)

Good is a reward of at least `threshold`. Candidates are all moves that may be learned from, except for `preferred` and
`against_example`, where any player's reply can be the worse one. A prompt without a pair is counted, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from selfplay.learning.candidates import Choice, Pair, Reply, Sampled, Written, by_prompt, sound, written
from selfplay.learning.diversity import most_different, without_outliers
from selfplay.learning.groups import root_of
from selfplay.types import Json, MatchRecord

PairBuilder = Callable[[Sequence[MatchRecord], Choice], Iterator[Pair | str]]

DIVERSE = 2
"""Pairs of one prompt that `diverse` takes by default, as in the released script."""


def preferred(records: Sequence[MatchRecord], choice: Choice) -> Iterator[Pair | str]:
    """The game's own preferences, with their weights."""
    for record in sound(records):
        for fact in record.facts:
            if fact.kind == "prefer":
                better, worse = (_named(record, fact.data[side]) for side in ("better", "worse"))
                yield Pair(better, worse, float(fact.data["weight"]))


def best_worst(records: Sequence[MatchRecord], choice: Choice) -> Iterator[Pair | str]:
    """The extremes, the first ones among equals."""
    for group in by_prompt(records):
        best, worst = max(group, key=_reward), min(group, key=_reward)
        yield _why_no_pair(group, best, choice) or _pair(best, worst, choice)


def pass_fail(records: Sequence[MatchRecord], choice: Choice) -> Iterator[Pair | str]:
    """The first good reply with the first bad one, the second with the second, and so on."""
    for group in by_prompt(records):
        pairs = list(zip(*_good_and_bad(group, choice), strict=False))
        yield from (_pair(good, bad, choice) for good, bad in pairs[: choice.per_prompt or None])
        if not pairs:
            yield "all replies good" if group[0].reward >= choice.threshold else "no good reply"


def length_tiered(records: Sequence[MatchRecord], choice: Choice) -> Iterator[Pair | str]:
    """Rewards within `tier` of the range from the top or the bottom count as equal; there, length decides."""
    for group in by_prompt(records):
        high, low = max(map(_reward, group)), min(map(_reward, group))
        margin = choice.tier * (high - low)
        shortest = min((r for r in group if r.reward >= high - margin), key=_length)
        longest = max((r for r in group if r.reward <= low + margin), key=_length)
        yield "all rewards equal" if high == low else _pair(shortest, longest, choice)


def refined(records: Sequence[MatchRecord], choice: Choice) -> Iterator[Pair | str]:
    """The best continuation of the same role, taken as an answer to the first prompt, against the first reply."""
    for record in records:
        candidates = [reply for group in by_prompt([record]) for reply in group]
        for original in (reply for reply in candidates if reply.move.parent is None):
            first = original.move
            later = [
                r for r in candidates if r.move is not first and r.move.role == first.role and root_of(r.move) is first
            ]
            if not later:
                continue
            best = max(later, key=_reward)
            if best.reward < choice.threshold or best.reward <= original.reward:
                yield "no better refinement"
                continue
            prompt, text = first.messages[-1].text, best.move.text
            better = Written(record, first.role, prompt, text, first, best.move)
            yield Pair(better, original, best.reward - original.reward if choice.weighted else 1.0)


def against_example(records: Sequence[MatchRecord], choice: Choice) -> Iterator[Pair | str]:
    """Every example against every other reply to its prompt in the same match."""
    for record in sound(records):
        for fact in (fact for fact in record.facts if fact.kind == "example"):
            example = written(record, fact.data["role"], fact.data["prompt"], fact.data["text"])
            asked = example.asked
            if asked is None:
                yield "nobody answered the example's prompt"
                continue
            for move in record.moves:
                if (move.role, move.tag, move.messages, move.turn.parent) != (
                    asked.role, asked.tag, asked.messages, asked.turn.parent,
                ):  # fmt: skip
                    continue
                same = move.text == example.text
                yield "reply equals the example" if same else Pair(example, Sampled(record, move), fact.data["weight"])


def diverse(records: Sequence[MatchRecord], choice: Choice) -> Iterator[Pair | str]:
    """Outliers are dropped, then replies far from those already taken are chosen, on both sides."""
    for group in by_prompt(records):
        useless = _why_no_pair(group, max(group, key=_reward), choice)
        if useless:
            yield useless
            continue
        count = choice.per_prompt or DIVERSE
        good, bad = (most_different(without_outliers(side), count) for side in _good_and_bad(group, choice))
        if not bad:
            yield "all replies good"
        yield from (_pair(better, worse, choice) for better, worse in zip(good, bad, strict=False))


def _named(record: MatchRecord, what: Mapping[str, Json]) -> Reply:
    """The move or example that a fact names."""
    if "move" in what:
        return Sampled(record, next(move for move in record.moves if move.id == what["move"]))
    return written(record, what["role"], what["prompt"], what["text"])


def _good_and_bad(group: Sequence[Sampled], choice: Choice) -> tuple[list[Sampled], list[Sampled]]:
    good = [reply for reply in group if reply.reward >= choice.threshold]
    return good, [reply for reply in group if reply.reward < choice.threshold]


def _why_no_pair(group: Sequence[Sampled], best: Sampled, choice: Choice) -> str | None:
    """Why the replies to one prompt make no pair; `None` if they do."""
    if len(group) == 1:
        return "only one reply to the prompt"
    if best.reward < choice.threshold:
        return "no good reply"
    return "all rewards equal" if all(reply.reward == best.reward for reply in group) else None


def _pair(better: Sampled, worse: Sampled, choice: Choice) -> Pair:
    return Pair(better, worse, better.reward - worse.reward if choice.weighted else 1.0)


def _reward(reply: Sampled) -> float:
    return reply.reward


def _length(reply: Sampled) -> int:
    ids = reply.move.completion.token_ids
    return len(reply.move.text if ids is None else ids)


PAIR_BUILDERS: dict[str, PairBuilder] = {
    "preferred": preferred,
    "best_worst": best_worst,
    "pass_fail": pass_fail,
    "length_tiered": length_tiered,
    "refined": refined,
    "against_example": against_example,
    "diverse": diverse,
}
"""By the name a recipe uses; add the next one here."""
