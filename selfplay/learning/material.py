"""From finished matches to rows, for the rules that do not learn from advantages: selections, labels, pairs, examples.

    sft            what is selected
    kto            what is selected is desirable; what else has a reward is undesirable. Both sides weigh the same
    dpo            pairs, as rows with `worse`
    offline_clip   examples only; its other rows come from credit

Replies keep the ids that were sampled. A text that nobody sampled is tokenised by the chat of the policy that learns
from it, behind the very prompt that policy would have seen. Rows are a function of records and settings: those of past
generations are made again from the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from selfplay.errors import UnknownName, UsageError
from selfplay.learning.candidates import Choice, Chosen, Reply, Sampled, Written
from selfplay.learning.credit import learnable
from selfplay.learning.groups import root_of
from selfplay.learning.learner import Rule
from selfplay.learning.pairs import PAIR_BUILDERS
from selfplay.learning.rows import rows_from
from selfplay.learning.selection import SELECTIONS, examples
from selfplay.types import MatchRecord, Message, Move, Row

if TYPE_CHECKING:
    from selfplay.policies.chat import Chat

EMPTY = "empty, or without tokens"


class Home(NamedTuple):
    """Where a role's rows go."""

    player: str
    """Who learns from them."""
    chat: Chat
    """How that player reads and writes."""
    instructions: str
    """What the role is told first."""


class Material(NamedTuple):
    """Rows, and how many moves, pairs or prompts were left out, by reason."""

    rows: list[Row]
    left_out: Counter[str]


def check_choice(rule: Rule, choice: Choice) -> None:
    """Raises: UsageError: a choice that cannot work under this rule."""
    for name in choice.select:
        if name not in SELECTIONS:
            raise UnknownName("selection", name, SELECTIONS, "from learning.select")
    if choice.pairs not in PAIR_BUILDERS:
        raise UnknownName("pair builder", choice.pairs, PAIR_BUILDERS, "from learning.pairs")
    if rule in (Rule.SFT, Rule.KTO) and not choice.select:
        raise UsageError(f"learning.rule is {rule.value!r}, but learning.select is empty: nothing would be learned")
    if rule is Rule.KTO and "best_of_group" in choice.select:
        raise UsageError(
            "learning.select has 'best_of_group' with learning.rule = 'kto': good replies that are not the best would "
            "count as undesirable\n  use 'rewarded' or 'kept'"
        )


def material(records: Sequence[MatchRecord], rule: Rule, choice: Choice, homes: Mapping[str, Home]) -> Material:
    """Rows of some finished matches.

    Args:
        homes: by role; roles without one do not learn now, and are passed over.
    """
    if rule is Rule.DPO:
        return _pairs(records, choice, homes)
    if rule is Rule.OFFLINE_CLIP:
        return _imitated(examples(records, choice), homes)
    chosen = (item for name in choice.select for item in SELECTIONS[name](records, choice))
    return _labelled(records, chosen, homes) if rule is Rule.KTO else _imitated(chosen, homes)


def _imitated(chosen: Iterable[Chosen | str], homes: Mapping[str, Home]) -> Material:
    """One row for each conversation's chosen moves, and one for each example."""
    moves, texts, left_out = _sorted_out(chosen, homes)
    records = {id(reply.record): reply.record for reply, _ in moves.values()}
    made = rows_from(records.values(), {key: weight for key, (_, weight) in moves.items()})
    left_out[EMPTY] += made.without_tokens
    for row in made.rows:
        row.player = homes[row.role].player
    return Material([*made.rows, *_rows(texts, homes, left_out)], +left_out)


def _labelled(records: Sequence[MatchRecord], chosen: Iterable[Chosen | str], homes: Mapping[str, Home]) -> Material:
    """A row for each move: desirable ones weigh more than 0, the others less."""
    moves, texts, _ = _sorted_out(chosen, homes)  # what was not chosen is not left out here
    left_out: Counter[str] = Counter()
    others = [
        Chosen(Sampled(record, move), -1.0)
        for record in records
        for move in record.moves
        if learnable(record, move) and move.role in homes and (record.id, move.id) not in moves
    ]
    rows = _rows([*(Chosen(*each) for each in moves.values()), *texts, *others], homes, left_out)
    for side in (1.0, -1.0):
        own = [row for row in rows if row.advantages[0] * side > 0]
        total = sum(abs(float(row.advantages[0])) for row in own)
        for row in own if len(own) < len(rows) else ():
            row.advantages *= np.float32(len(rows) / 2 / total)
    return Material(rows, +left_out)


def _pairs(records: Sequence[MatchRecord], choice: Choice, homes: Mapping[str, Home]) -> Material:
    rows: list[Row] = []
    left_out: Counter[str] = Counter()
    for item in PAIR_BUILDERS[choice.pairs](records, choice):
        if isinstance(item, str):
            left_out[item] += 1
        elif (home := homes.get(_role(item.better))) is not None:
            better, worse = _row(item.better, item.weight, home), _row(item.worse, item.weight, home)
            if isinstance(better, str) or isinstance(worse, str):
                left_out[better if isinstance(better, str) else str(worse)] += 1
            elif not np.array_equal(better.prompt_ids, worse.prompt_ids):
                left_out["prompts differ in their tokens"] += 1
            elif np.array_equal(better.completion_ids, worse.completion_ids):
                left_out["equal replies"] += 1
            else:
                better.worse = worse
                rows.append(better)
    return Material(rows, left_out)


def _sorted_out(
    chosen: Iterable[Chosen | str], homes: Mapping[str, Home]
) -> tuple[dict[tuple[str, str], tuple[Sampled, float]], list[Chosen], Counter[str]]:
    """Moves by (match, move), with the highest weight of all selections; texts nobody sampled; what was left out."""
    moves: dict[tuple[str, str], tuple[Sampled, float]] = {}
    texts: list[Chosen] = []
    left_out: Counter[str] = Counter()
    for item in chosen:
        if isinstance(item, str):
            left_out[item] += 1
        elif _role(item.reply) not in homes:
            continue
        elif isinstance(item.reply, Written):
            texts.append(item)
        else:
            key = (item.reply.record.id, item.reply.move.id)
            moves[key] = (item.reply, max(item.weight, moves[key][1] if key in moves else 0.0))
    return moves, texts, left_out


def _rows(chosen: Iterable[Chosen], homes: Mapping[str, Home], left_out: Counter[str]) -> list[Row]:
    made = [_row(reply, weight, homes[_role(reply)]) for reply, weight in chosen]
    left_out.update(row for row in made if isinstance(row, str))
    return [row for row in made if isinstance(row, Row)]


def _role(reply: Reply) -> str:
    return reply.move.role if isinstance(reply, Sampled) else reply.role


def _row(reply: Reply, weight: float, home: Home) -> Row | str:
    """A row of one reply, or why there is none."""
    if isinstance(reply, Written):
        return _written_row(reply, weight, home)
    record, move = reply
    if move.player != home.player and _other_tokens(move, home.chat):
        return "tokens of another model"
    made = rows_from([record], {(record.id, move.id): weight})
    if made.rows:
        made.rows[0].player = home.player
        return made.rows[0]
    if move.completion.token_ids is not None:
        return EMPTY
    return _written_row(Written(record, move.role, "", move.text, move), weight, home)


def _other_tokens(move: Move, chat: Chat) -> bool:
    """Was this move sampled by a model that reads the opening of its conversation as other tokens?"""
    opening = root_of(move).turn
    given = opening.completion.prompt_ids
    return given is not None and given.tolist() != chat.opening(opening.messages)


def _written_row(reply: Written, weight: float, home: Home) -> Row | str:
    """A row of what nobody sampled in this place, tokenised as `home` would read and write it."""
    asked, chat, source = reply.asked, home.chat, reply.source
    if asked is None:
        prompt = chat.opening([Message("system", home.instructions), Message("user", reply.prompt)])
    else:
        prefix, given = chat.prefix_ids(asked.turn.parent), asked.completion.prompt_ids
        prompt = prefix + (chat.new_ids(asked.messages, prefix) if given is None else given.tolist())
    sampled = source.completion.token_ids if source is not None else None
    ids = np.array(chat.reply(reply.text) if sampled is None else sampled, np.int32)
    if not len(ids):
        return EMPTY
    return Row(
        prompt_ids=np.array(prompt, np.int32),
        completion_ids=ids,
        mask=np.ones(len(ids), bool),
        logprobs=np.zeros(len(ids), np.float32),
        advantages=np.full(len(ids), weight, np.float32),
        role=reply.role,
        tag="" if asked is None else asked.tag,
        player=home.player,
        weights_version=-1,
        match=reply.record.id,
    )
