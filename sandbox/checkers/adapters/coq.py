"""The checker named ``coq``: theorems proved by tactics, checked by Coq's kernel. https://coq.inria.fr

    statement   a proposition, such as ``forall n : Z, n * n >= 0``
    context     ``Definition``, ``Fixpoint``, ``Inductive``, each with its value, and ``Open Scope``
    solution    tactics, as they stand between ``Proof.`` and ``Qed.``

Of the standard library ``ZArith``, ``Lia``, ``List``, ``Bool`` and ``Arith`` are loaded, none of which has axioms.
After the proof the statement is attached once more, and `Print Assumptions` has to say that nothing was assumed.
"""

from __future__ import annotations

import re

from selfplay.sandbox.checkers.adapters.adapter import Adapter, Texts, complaint
from selfplay.sandbox.checkers.adapters.grammar import ASCII, Assembly, Grammar, words
from selfplay.sandbox.checkers.contracts.faults import Fault, malformed, unsafe
from selfplay.sandbox.checkers.types import Blame, Limits, ProofLevel, ProofStatus, ProofVerdict

WAYS_OUT = words(
    # proofs that are none
    """
    Admitted admit Admit give_up Abort Qed Defined Save Proof Theorem Lemma Goal Fact Remark Corollary Proposition
    Property Obligation Obligations Program Next Unshelve
    """,
    # assumptions
    """
    Axiom Axioms Parameter Parameters Conjecture Conjectures Hypothesis Hypotheses Variable Variables Context
    Primitive Register bypass_check Guard Positivity Universe Universes Constraint Polymorphic
    """,
    # files, programs, plugins, settings
    """
    Extraction Separate Recursive Redirect Cd Pwd Load LoadPath Add ML Declare Drop Require Import Export From
    Include Module Section End Unset Reset Back Undo Timeout Time Fail Instructions Debug Compute Eval Print Check
    Search Locate About Inspect native_compute native_cast_no_check
    """,
    # what changes the meaning of what follows
    """
    Notation Infix Reserved Tactic Ltac Ltac2 Hint Coercion Canonical Arguments Implicit Generalizable Instance
    Class Existing Global Local Scheme Delimit Bind Close Comments Opaque Transparent Strategy idtac
    """,
)
TACTICS = words(
    """
    intro intros apply eapply exact eexact rewrite erewrite setoid_rewrite reflexivity symmetry transitivity
    assumption eassumption induction destruct edestruct elim case case_eq inversion inversion_clear injection
    discriminate contradiction exfalso absurd split left right exists eexists constructor econstructor simpl cbn
    cbv compute vm_compute unfold fold change replace subst assert enough pose set remember specialize generalize
    revert clear rename pattern f_equal congruence auto eauto tauto intuition firstorder easy now trivial decide
    lia nia ring ring_simplify omega btauto do repeat try first solve all dependent functional clearbody move
    refine cut lapply decompose instantiate progress etransitivity fix
    """
)
"""What a sentence of a proof may begin with."""
DEFINITIONS = re.compile(r"(Definition|Fixpoint|Inductive|CoInductive)\b.*:=|Open Scope \w+$", re.DOTALL)
HEADER = "From Coq Require Import ZArith Lia List Bool Arith.\nImport ListNotations."
CLOSED = "Closed under the global context"
_SENTENCE_END = re.compile(r"\.(?=\s|$)")
_ERROR = re.compile(r'File "[^"]*", line (\d+), characters [\d-]+:\s*\nError:?(.*)', re.DOTALL)
_NOT_READ = ("Syntax error", "was not found in the current environment", "Lexer error", "Undefined token")


class Coq(Adapter):
    """Proves theorems with Coq; level ``kernel``."""

    name = "coq"
    version = "1"
    program = "coqc"
    install = "apt-get install coq (1 GB), or opam install coq"
    grammar = Grammar("", ("(*", "*)"), WAYS_OUT, {r"#": "attributes", r"@\{": "universe instances"},
                      characters=ASCII | {"\\"})  # fmt: skip

    def prove(self, texts: Texts, limits: Limits) -> ProofVerdict:
        """See `Adapter.prove`."""
        _check_context(texts.context)
        _check_statement(texts.statement)
        _check_proof(texts.solution)
        file = assemble(texts)
        ran, trouble = self.run(["-q", "-noglob", "claim.v"], {"claim.v": file.text}, limits)
        if trouble:
            return trouble
        if ran.exit_code == 0:
            return audit(ran.output)
        error = _ERROR.search(ran.output)
        if error is None or error[2].lstrip().startswith(("Anomaly", "Stack overflow", "Out of memory")):
            return self.crashed(ran)
        malformed = any(sign in error[2] for sign in _NOT_READ)
        return complaint(file, int(error[1]), ProofStatus.MALFORMED if malformed else ProofStatus.UNPROVED, error[2])


def assemble(texts: Texts) -> Assembly:
    """The file: definitions, statement, proof, the statement again, and the question what was assumed."""
    file = Assembly()
    file.ours(HEADER)
    file.stated(texts.context)
    file.ours("Theorem selfplay_claim : (")
    file.stated(texts.statement)
    file.ours(").\nProof.")
    file.solved(texts.solution)
    file.ours("Qed.\nDefinition selfplay_attached : (")
    file.stated(texts.statement)
    file.ours(") := selfplay_claim.\nPrint Assumptions selfplay_attached.")
    return file


def audit(output: str) -> ProofVerdict:
    """The verdict on a file that compiled, from what it assumes: that is the last thing it prints."""
    said = output.strip()
    if said.splitlines()[-1:] == [CLOSED]:
        return ProofVerdict(ProofStatus.PROVED, "the kernel accepts the proof; nothing is assumed", stage="prove",
                            level=ProofLevel.KERNEL, obligations=1, proved=1)  # fmt: skip
    reason = f"the proof rests on assumptions: {' '.join(said[-200:].split())}"
    return ProofVerdict(ProofStatus.UNPROVED, reason, Blame.SOLVER, "prove", obligation="assumptions")


def _check_context(context: str) -> None:
    *sentences, rest = _SENTENCE_END.split(context)
    if rest.strip():
        raise Fault(ProofStatus.MALFORMED, 0, "the context ends in the middle of a sentence", Blame.PROPOSER)
    for sentence in sentences:
        if not DEFINITIONS.match(sentence.strip()):
            reason = f"the context may define and nothing else; found {sentence.strip()[:60]!r}"
            raise Fault(ProofStatus.UNSAFE, 0, reason, Blame.PROPOSER)


def _check_statement(statement: str) -> None:
    if _SENTENCE_END.search(statement):
        raise Fault(ProofStatus.UNSAFE, 0, "the statement has a full stop: it is one proposition", Blame.PROPOSER)


def _check_proof(proof: str) -> None:
    """Every sentence begins with a tactic, after bullets, braces and selectors."""
    begin = 0
    for end in [match.end() for match in _SENTENCE_END.finditer(proof)] + [len(proof)]:
        sentence = proof[begin:end]
        line = proof.count("\n", 0, begin + len(sentence) - len(sentence.lstrip())) + 1
        begin = end
        head = re.search(r"[A-Za-z_][A-Za-z0-9_']*", sentence)
        if head and head[0] not in TACTICS:
            reason = f"{head[0]!r} is not one of the tactics that a proof may consist of"
            raise unsafe(line, reason) if head[0][0].isupper() else malformed(line, reason)
        if sentence.strip(" \n{}") and not sentence.endswith("."):
            raise malformed(line, "the last tactic has no full stop")
