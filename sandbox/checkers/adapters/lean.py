"""The checker named ``lean``: Lean 4 theorems on a server that speaks the protocol of Kimina Lean Server.
https://github.com/project-numina/kimina-lean-server

Never run against the real tool: written from its protocol and tested with a stand-in.

    statement   a proposition, such as ``∀ n : Nat, n ≤ n * n``
    context     ``def`` and ``abbrev`` definitions, each with its value
    solution    the tactics that follow ``by``

The server is where `SELFPLAY_LEAN_URL` says (with `SELFPLAY_LEAN_KEY` as bearer token, if it wants one). After the
proof the statement is attached once more, and `#print axioms` may name Lean's three usual ones and no other. The budget
is counted in Lean's heartbeats.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from selfplay.sandbox.checkers.adapters.adapter import Adapter, Texts, complaint
from selfplay.sandbox.checkers.adapters.grammar import ASCII, Assembly, Grammar, words
from selfplay.sandbox.checkers.contracts.faults import Fault
from selfplay.sandbox.checkers.types import Blame, Limits, ProofLevel, ProofStatus, ProofVerdict

URL, KEY = "SELFPLAY_LEAN_URL", "SELFPLAY_LEAN_KEY"
WAYS_OUT = words(
    # proofs that are none
    """
    sorry admit stop sorryAx axiom axioms native_decide ofReduceBool ofReduceNat reduceBool trustCompiler lcProof
    lcUnreachable lcAny unsafe unsafeCast implemented_by extern opaque partial csimp reducible irreducible
    """,
    # what begins another command
    """
    theorem lemma example instance structure inductive class namespace section end variable variables universe
    universes mutual private protected noncomputable deriving import export open attribute local scoped include
    omit initialize builtin_initialize set_option run_cmd run_elab run_meta run_tac eval_expr add_decl_doc
    """,
    # what changes the language, or runs programs in it
    """
    macro macro_rules syntax declare_syntax_cat notation notation3 infix infixl infixr prefix postfix elab
    elab_rules simproc dsimproc register_simp_attr IO Lean Elab Meta MetaM TacticM CoreM TermElabM Environment
    dbg_trace trace_state trace panic unreachable conv_to_term by_elab proof_wanted extract_goal says
    """,
)
SYMBOLS = "∀∃λΣΠ→←↔↦⟶¬∧∨⊢≤≥≠≡≈∈∉⊆⊂∪∩∅ℕℤℚℝℂ⟨⟩·×∘∣∑∏√∞⁻¹²³⁰⁴₀₁₂₃₄₅₆₇₈₉αβγδεθπσφ▸⌊⌋⌈⌉‖∂"  # noqa: RUF001
AXIOMS = frozenset({"propext", "Classical.choice", "Quot.sound"})
MARK = "True : Prop"
"""What `#check True` makes Lean say in the last line of the header: some servers count lines without the imports."""
HEADER = "import Mathlib\nset_option maxHeartbeats 200000\nset_option autoImplicit false\n#check True"
ANSWER = 1 << 22
"""Bytes of an answer that are read."""
_AUDIT = re.compile(r"'selfplay_attached' (does not depend on any axioms|depends on axioms:\s*\[([^\]]*)\])")
_NOT_READ = ("unexpected ", "unknown tactic", "unknown identifier", "unknown constant")
_Message = Mapping[str, Any]


class Lean(Adapter):
    """Proves theorems with Lean 4 and Mathlib; level ``kernel``. Never run against the real tool."""

    name = "lean"
    version = "1"
    program = "lean"
    grammar = Grammar("--", ("/-", "-/"), WAYS_OUT, {"#": "commands", r"@\s*\[": "attributes", r"\$": "quotations"},
                      characters=ASCII | set(SYMBOLS))  # fmt: skip

    def backend(self) -> str:
        """The server's name: which Lean it runs, it does not say."""
        return f"Lean at {urlsplit(os.environ[URL]).netloc}" if os.environ.get(URL) else ""

    def prove(self, texts: Texts, limits: Limits) -> ProofVerdict:
        """See `Adapter.prove`."""
        _check_heads(texts)
        file = assemble(texts)
        result = ask(file.text, limits)
        response = result.get("response")
        if not isinstance(response, dict) or not isinstance(response.get("messages") or [], list):
            why = str(result.get("error") or (response or {}) or "nothing")[:200]
            status = ProofStatus.TIMEOUT if "timed out" in why else ProofStatus.CRASH
            return ProofVerdict(status, f"the Lean server said: {why}", Blame.CHECKER, "worker")
        return judge(response.get("messages") or [], bool(response.get("sorries")), file)


def assemble(texts: Texts) -> Assembly:
    """The file: definitions, statement, proof, the statement again, and the question what was assumed."""
    file = Assembly()
    file.ours(HEADER)
    file.stated(texts.context)
    file.ours("theorem selfplay_claim : (")
    file.stated(texts.statement)
    file.ours(") := by")
    file.solved(texts.solution, "  ")
    file.ours("theorem selfplay_attached : (")
    file.stated(texts.statement)
    file.ours(") := selfplay_claim\n#print axioms selfplay_attached")
    return file


def judge(messages: list[_Message], sorry: bool, file: Assembly) -> ProofVerdict:
    """What Lean's messages mean. Without the audit's answer nothing is proved."""
    texts = [str(message.get("data", "")) for message in messages]
    marks = [_line(message) for message, text in zip(messages, texts, strict=True) if text == MARK]
    missing = HEADER.count("\n") + 1 - marks[0] if marks else 0
    for message, text in zip(messages, texts, strict=True):
        if message.get("severity") == "error":
            return _error(_line(message) + missing, text, file)
    if sorry or any("sorry" in text for text in texts):
        return ProofVerdict(ProofStatus.UNSAFE, "the proof has a gap (sorry)", Blame.SOLVER, "prove")
    audits = [found for text in texts if (found := _AUDIT.match(text))]
    if len(audits) != 1:
        return ProofVerdict(ProofStatus.CRASH, "the Lean server did not say which axioms were used", Blame.CHECKER)
    if more := {name.strip() for name in (audits[0][2] or "").split(",")} - AXIOMS - {""}:
        reason = f"the proof rests on {', '.join(sorted(more))}"
        return ProofVerdict(ProofStatus.UNPROVED, reason, Blame.SOLVER, "prove", obligation="assumptions")
    return ProofVerdict(ProofStatus.PROVED, "the kernel accepts the proof; nothing unusual is assumed", stage="prove",
                        level=ProofLevel.KERNEL, obligations=1, proved=1)  # fmt: skip


def _line(message: _Message) -> int:
    place = message.get("pos")
    line = place.get("line") if isinstance(place, dict) else None
    return line if type(line) is int else 0


def _error(line: int, text: str, file: Assembly) -> ProofVerdict:
    if "maximum number of heartbeats" in text or "maximum recursion depth" in text:
        return ProofVerdict(ProofStatus.UNKNOWN, text[:300], Blame.SOLVER, "prove")
    malformed = text.lower().startswith(_NOT_READ)
    return complaint(file, line, ProofStatus.MALFORMED if malformed else ProofStatus.UNPROVED, text)


def ask(code: str, limits: Limits) -> Mapping[str, Any]:
    """What the server says about a file: an object with ``response`` or ``error``.

    Raises:
        Fault: UNAVAILABLE without an address, CRASH if nobody or nobody sensible answers there.
    """
    url = os.environ.get(URL, "")
    if not url.startswith(("http://", "https://")):
        reason = f"lean needs a server: set {URL} to the address of a Kimina Lean Server"
        raise Fault(ProofStatus.UNAVAILABLE, 0, reason, Blame.CHECKER)
    seconds = int(limits.wall_s / 2)
    wanted = {"snippets": [{"id": "claim", "code": code}], "timeout": seconds, "debug": False, "reuse": True}
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(KEY):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(f"{url.rstrip('/')}/api/check", json.dumps(wanted).encode(), headers)
    try:
        with urllib.request.build_opener(_StayHere).open(request, timeout=limits.wall_s * 0.8) as answer:
            results = json.loads(answer.read(ANSWER))["results"]
        (result,) = results
        if not isinstance(result, dict) or result.get("id") != "claim":
            raise ValueError("the result is of another claim")
    except TimeoutError:
        raise Fault(ProofStatus.TIMEOUT, 0, "the Lean server did not answer in time", Blame.CHECKER) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"the Lean server at {urlsplit(url).netloc} failed: {type(error).__name__}: {error}"[:300]
        raise Fault(ProofStatus.CRASH, 0, reason, Blame.CHECKER) from error
    return result


class _StayHere(urllib.request.HTTPRedirectHandler):
    """The key is for this server alone."""

    def redirect_request(self, *_: object) -> None:
        return None


def _check_heads(texts: Texts) -> None:
    """Definitions alone in the context, a proposition as the statement, no definitions in the proof."""
    if texts.context.strip() and not re.match(r"\s*(def|abbrev)\s", texts.context):
        raise Fault(ProofStatus.UNSAFE, 0, "the context begins with `def` or `abbrev`", Blame.PROPOSER)
    for text, blame in ((texts.statement, Blame.PROPOSER), (texts.solution, Blame.SOLVER)):
        if found := re.search(r"\b(def|abbrev)\b", text):
            raise Fault(ProofStatus.UNSAFE, 0, f"{found[0]!r} belongs in the context", blame)
    if ":=" in texts.statement:
        raise Fault(ProofStatus.UNSAFE, 0, "the statement is one proposition, without `:=`", Blame.PROPOSER)
