"""Decides whether a program meets its contracts.

1. Tests: concrete inputs, run by the interpreter. One that breaks the contract refutes it.
2. Cheap proof attempts at every obligation, going on past failures; the models of failed ones are replayed.
3. Dear attempts at what is left, up to the first that stays open.
4. Where indices are involved, once more with Python's own meaning of negative indices and slices.

Only a replayed input refutes. An obligation with a countermodel but no such input is UNPROVED: the program may be right
and an invariant too weak.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from selfplay.sandbox.checkers.contracts import models
from selfplay.sandbox.checkers.contracts.encoder import PROPOSED, Encoder
from selfplay.sandbox.checkers.contracts.faults import malformed
from selfplay.sandbox.checkers.contracts.obligations import Obligation, TooMany
from selfplay.sandbox.checkers.contracts.prove import CHEAP, DEAR, Answer, Attempt, Finding, Prover, new_context
from selfplay.sandbox.checkers.contracts.replay import Replay
from selfplay.sandbox.checkers.contracts.tree import Program
from selfplay.sandbox.checkers.types import Blame, Limits, ProofLevel, ProofStatus, ProofVerdict

WITH_INDICES = frozenset({"index", "slice"})
MODELS_REPLAYED = 12


def verify(program: Program, limits: Limits) -> ProofVerdict:
    """The verdict on a program.

    Raises:
        Fault: it has more paths or obligations than the limits allow.
    """
    replay = Replay(program)
    if refutation := replay.search(limits):
        return refutation.but(tests=replay.tests.conclusive)
    prover = Prover(limits.rlimit_step, limits.rlimit_total)
    found = _prove(program, limits, prover, replay, strict=True)
    if found.status in (ProofStatus.UNPROVED, ProofStatus.UNKNOWN) and found.notes:
        found = _prove(program, limits, prover, replay, strict=False)
    return found.but(rlimit_used=prover.used, tests=replay.tests.conclusive, notes=())


@dataclass(frozen=True, slots=True)
class Open:
    """An obligation that is not proved yet."""

    obligation: Obligation
    finding: Finding | None


def _prove(program: Program, limits: Limits, prover: Prover, replay: Replay, *, strict: bool) -> ProofVerdict:
    """One round in a context of its own; `notes` says so if the other encoding of indices may do better."""
    new_context()
    prover.forget_context()
    try:
        encoder = Encoder(program, limits, strict=strict)
        obligations = encoder.obligations()
    except TooMany as error:
        raise malformed(0, f"{error}; split the function") from None
    if not replay.tests.valid and (verdict := _without_inputs(encoder, prover, replay)):
        return verdict
    open_ = list(_attempt(prover, encoder, obligations, CHEAP))
    refutation = _replayed(open_, encoder, replay)
    if refutation is None and not (strict and _indices_in(open_)):
        for i, unproved in enumerate(open_):
            still = list(_attempt(prover, encoder, [unproved.obligation], DEAR))
            if still:
                open_ = still + open_[i + 1 :]
                refutation = _replayed(still, encoder, replay)
                break
        else:
            open_ = []
    counts = {"obligations": len(obligations), "proved": len(obligations) - len(open_)}
    if refutation:
        return refutation.but(**counts)
    if not open_:
        return ProofVerdict(ProofStatus.PROVED, "every obligation is proved", stage="prove", level=ProofLevel.SMT).but(
            **counts
        )
    return _not_proved(open_, prover).but(**counts, notes=("indices",) if strict and _indices_in(open_) else ())


def _attempt(
    prover: Prover, encoder: Encoder, obligations: Sequence[Obligation], attempts: Sequence[Attempt]
) -> Iterator[Open]:
    for obligation in obligations:
        findings = prover.prove(obligation, encoder.laws, attempts)
        if not findings or findings[-1].answer is not Answer.PROVED:
            with_model = [finding for finding in findings if finding.model is not None]
            yield Open(obligation, with_model[-1] if with_model else None)


def _indices_in(open_: Sequence[Open]) -> bool:
    return any(unproved.obligation.kind in WITH_INDICES for unproved in open_)


def _replayed(open_: Sequence[Open], encoder: Encoder, replay: Replay) -> ProofVerdict | None:
    """A refutation by the inputs that the models of failed proofs describe."""
    for unproved in open_[:MODELS_REPLAYED]:
        if unproved.finding is None or unproved.obligation.function != replay.function.name:
            continue
        assert unproved.finding.model is not None
        params = encoder.params[replay.function.name]
        args = models.arguments(unproved.finding.model, params, encoder.store)
        if args is not None and (refutation := replay.refute(args)):
            return refutation
    return None


def _without_inputs(encoder: Encoder, prover: Prover, replay: Replay) -> ProofVerdict | None:
    """No test satisfied the precondition: show that nothing does, or find an input that does and try it."""
    facts = encoder.precondition(replay.function)
    for attempt in (*CHEAP, *DEAR[2:4]):
        finding = prover.attempt(attempt, encoder.laws, facts, False)
        if finding.answer is Answer.PROVED:
            return ProofVerdict(
                ProofStatus.VACUOUS, "nothing satisfies the precondition", Blame.PROPOSER, "prove", level=ProofLevel.SMT
            )
        if finding.model is not None:
            args = models.arguments(finding.model, encoder.params[replay.function.name], encoder.store)
            if args is not None and (refutation := replay.refute(args)):
                return refutation
        if finding.answer is Answer.COUNTERMODEL:
            break
    return None


def _not_proved(open_: Sequence[Open], prover: Prover) -> ProofVerdict:
    obligation, finding = open_[0].obligation, open_[0].finding
    has_model = finding is not None and finding.answer is Answer.COUNTERMODEL
    status = ProofStatus.UNPROVED if has_model else ProofStatus.UNKNOWN
    why = "does not follow" if has_model else "budget spent" if prover.spent else "could not be decided"
    blame = Blame.PROPOSER if obligation.function == PROPOSED else Blame.SOLVER
    return ProofVerdict(status, f"{obligation}: {why}", blame, "prove", obligation.line or None, obligation.kind)
