"""Statistics of several optimiser steps as those of one: steps of several learners, or one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from selfplay.learning.learner import RoleStats, UpdateStats


def side_by_side(parts: Sequence[UpdateStats]) -> UpdateStats:
    """Steps of learners with weights of their own: sums; of gradient norm and learning rate the largest."""
    return UpdateStats(
        update=parts[0].update,
        loss=sum(p.loss for p in parts),
        grad_norm=max(p.grad_norm for p in parts),
        lr=max(p.lr for p in parts),
        rows=sum(p.rows for p in parts),
        tokens=sum(p.tokens for p in parts),
        seconds=sum(p.seconds for p in parts),
        roles=_roles(parts),
    )


def in_sequence(steps: Sequence[UpdateStats]) -> UpdateStats:
    """Steps of one generation, one after the other: means of loss and gradient norm, the last learning rate."""
    if len(steps) == 1:
        return steps[0]
    return UpdateStats(
        update=steps[-1].update,
        loss=sum(s.loss for s in steps) / len(steps),
        grad_norm=sum(s.grad_norm for s in steps) / len(steps),
        lr=steps[-1].lr,
        rows=sum(s.rows for s in steps),
        tokens=sum(s.tokens for s in steps),
        seconds=sum(s.seconds for s in steps),
        roles=_roles(steps),
    )


def _roles(steps: Sequence[UpdateStats]) -> dict[str, RoleStats]:
    kinds = dict.fromkeys(kind for step in steps for kind in step.roles)
    return {kind: _together([step.roles[kind] for step in steps if kind in step.roles]) for kind in kinds}


def _together(parts: Sequence[RoleStats]) -> RoleStats:
    """Counts are summed, maxima kept; all else is a mean over tokens."""
    if len(parts) == 1:
        return parts[0]
    values: dict[str, float | None] = {}
    for name in (field.name for field in fields(RoleStats)):
        known = [(getattr(p, name), p.tokens) for p in parts if getattr(p, name) is not None]
        tokens = sum(weight for _, weight in known)
        if name in ("rows", "tokens"):
            values[name] = sum(value for value, _ in known)
        elif name == "ratio_max":
            values[name] = max((value for value, _ in known), default=None)
        else:
            values[name] = sum(value * weight for value, weight in known) / tokens if tokens else None
    return RoleStats(**values)  # type: ignore[arg-type]
