"""Groups: which moves share a baseline.

Two moves may only share one if player, weights version, role and tag agree; `GroupBy` says what else must:

    match    the match and the root prompt: the n answers of one ask, asks under `gather` with equal prompts (default)
    prompt   the root prompt, wherever in the batch it was asked
    task     game, task and seed: replicas of one deal, whose prompts may differ as play goes on
    role     nothing: all moves of this kind in the batch (TRR++ of Absolute Zero, arXiv 2505.03335)

A *root* is a move that continues no other. Continued moves and those asked with `after=` inherit their root's group, so
that turn 2 is compared with turn 2 of the same task. `ask(group="...")` on the root or on the move itself replaces all
of this: equal names share a group across the whole batch, whatever the match. A name that begins with ``class:`` (such
as ``class:2 hops``) makes no group: it only says which class the move is of, for the estimator `per_class`.

A proposer whose prompt never changes makes one move per match: per match it would be alone, with nothing to be compared
with, so its rule says ``group_by = "prompt"``. That is never the default, because games with several prompts would
silently get one baseline for easy and hard ones.

With distinct parent proposals in one match, equal prompts mean equal information: sharing their baseline is right.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from enum import StrEnum

from selfplay.types import MatchRecord, Move

GroupKey = tuple[Hashable, ...]

CLASS = "class:"
"""Begins group names that only name a class."""


class GroupBy(StrEnum):
    """What must agree, besides player, weights version, role and tag, for two moves to share a baseline."""

    MATCH = "match"
    """The match and the root prompt."""
    PROMPT = "prompt"
    """The root prompt."""
    TASK = "task"
    """Game, task and seed."""
    ROLE = "role"
    """Nothing else."""


def root_of(move: Move) -> Move:
    """The move that started this move's conversation."""
    while move.parent is not None:
        move = move.parent
    return move


def start_of(move: Move) -> Move:
    """The first move of this tag in the move's conversation: where its trajectory begins.

    Several second attempts at one first attempt are trajectories of their own where the two kinds have tags.
    """
    start = earlier = move
    while earlier.parent is not None:
        earlier = earlier.parent
        if earlier.tag == move.tag:
            start = earlier
    return start


def group_name(move: Move) -> str | None:
    """What `ask(group=)` said, for the move or else for its root."""
    return move.group if move.group is not None else root_of(move).group


def batch_key(move: Move, tag: str | None = None) -> GroupKey:
    """What moves must share in any case, `tag` standing in for the move's own."""
    return (move.player, move.completion.weights_version, move.role, move.tag if tag is None else tag)


def group_key(record: MatchRecord, move: Move, by: GroupBy = GroupBy.MATCH, *, across_tags: bool = False) -> GroupKey:
    """The name of the group that `move` belongs to.

    Args:
        across_tags: moves of one role may share a group whatever their tags.
    """
    root = root_of(move)
    kind = batch_key(move, "" if across_tags else None)
    name = group_name(move)
    if name is not None and not name.startswith(CLASS):
        return (*kind, "named", name)
    if by is GroupBy.ROLE:
        return kind
    if by is GroupBy.TASK:
        pairing = record.pairing
        task = json.dumps([pairing.task.source, pairing.task.key, pairing.task.data], sort_keys=True, default=str)
        return (*kind, pairing.game, pairing.seed, task)
    asked = [] if root.turn.parent is None else root.turn.parent.conversation()
    prompt = (*asked, *root.messages)
    return (*kind, prompt) if by is GroupBy.PROMPT else (*kind, record.id, prompt)
