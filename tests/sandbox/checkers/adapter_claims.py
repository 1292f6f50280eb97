"""Claims for the adapters: right ones, wrong ones, and every way out that we know of."""

from __future__ import annotations

from selfplay.sandbox.checkers.adapters.adapter import Adapter
from selfplay.sandbox.checkers.adapters.coq import Coq
from selfplay.sandbox.checkers.adapters.dafny import Dafny
from selfplay.sandbox.checkers.adapters.lean import Lean
from selfplay.sandbox.checkers.adapters.verus import Verus
from selfplay.sandbox.checkers.adapters.why3 import Why3
from selfplay.sandbox.checkers.types import Claim, Limits, ProofVerdict

ADAPTERS: dict[str, Adapter] = {"coq": Coq(), "dafny": Dafny(), "why3": Why3(), "verus": Verus(), "lean": Lean()}


def claim(name: str, statement: str, solution: str, context: str = "", limits: Limits | None = None) -> Claim:
    problem = {"statement": statement, "context": context}
    return Claim(name, "proof", {"problem": problem, "solution": solution}, limits or Limits())


def check(name: str, statement: str, solution: str, context: str = "", limits: Limits | None = None) -> ProofVerdict:
    return ADAPTERS[name].check(claim(name, statement, solution, context, limits))


STATEMENT = {
    "coq": "forall n : Z, (n * (n + 1) >= 0)%Z",
    "dafny": "method Sum(n: nat) returns (s: nat)\n  ensures s == n * (n + 1) / 2",
    "why3": (
        "def isqrt(n: int) -> int:\n    #@ requires n >= 0\n"
        "    #@ ensures result * result <= n < (result + 1) * (result + 1)"
    ),
    "verus": "fn twice(n: u32) -> (r: u64)\n    ensures r == 2 * n,",
    "lean": "∀ n : Nat, n ≤ n + 1",
}
SOLUTION = {
    "coq": "intros.\nnia.",
    "dafny": """\
var i := 0;
s := 0;
while i < n
  invariant i <= n
  invariant s == i * (i + 1) / 2
{
  i := i + 1;
  s := s + i;  // assume false
}""",
    "why3": """\
r = 0
while (r + 1) * (r + 1) <= n:  # assume 0 == 1
    #@ invariant 0 <= r and r * r <= n
    #@ variant n - r
    r = r + 1
return r""",
    "verus": "n as u64 + n as u64 /* assume(false) /* */ */",
    "lean": "intro n\nomega -- sorry",
}

WAYS_OUT = {
    "coq": [
        "Admitted.",
        "admit.",
        "intros; try admit.",
        "give_up.",
        "intros. nia. Qed. Theorem other : True. Proof. exact I.",
        "intros. Abort. Theorem selfplay_claim : True. exact I.",
        "Defined.",
        "Axiom bad : False. destruct bad.",
        "Parameter bad : False.",
        "Require Import Classical.",
        "From Coq Require Import Classical.",
        "Declare ML Module evil.",
        "Load evil.",
        "Cd tmp.",
        "Add LoadPath tmp.",
        "Redirect evil Print nat.",
        'Redirect "/tmp/evil" Print nat.',
        'Extraction "/tmp/evil" nat.',
        "Drop.",
        "Unset Guard Checking.",
        "Set Bypass Checking.",
        "#[bypass_check(guard)] fix f 1.",
        "Ltac nia := admit. nia.",
        "Notation nia := admit.",
        "Hint Resolve bad.",
        "native_compute. reflexivity.",
        "(* *) admit. (* *)",
        '(* " *) admit. (* " *)',
        '(* "(*" *) admit.',
        "(* (* *) intros. Admitted.",
        "intros. *) Admitted. (*",
        "intros. (*) nia.",
        "Fail idtac.",
        "intros. 1: Axiom x : False.",
        "{ Axiom x : False. }",
        "- Axiom x : False.",
        "intros. ) := I. Axiom x : (False",
        "Adm\u0069tted.\u00a0Qed.",
        "\u0410dmitted.",
        "exact selfplay_claim\x00.",
    ],
    "dafny": [
        "assume false;",
        "assume 1 == 2;",
        "expect false;",
        "assert {:axiom} false;",
        "assert { :axiom} false;",
        "assert {/* */:axiom} false;",
        "assert {\n:axiom} false;",
        "assume {:axiom} false;",
        "while true decreases * { }",
        "while true decreases\n*\n{ }",
        "} method {:verify false} Evil() ensures false {",
        "} lemma Evil() ensures false\n method M() {",
        "/* /* */ assume false;",
        "*/ assume false; /*",
        "/* */ assume false; /* */",
        "// \r\nassume false;",
        'print "x";',
        'include "/etc/passwd"',
        "import opened Evil",
        "@Axiom s := 0;",
        "s := f#canCall(n);",
        "var c := '}';",
        'var c := "}"; assume false; var d := "{";',
        "modifies *;",
        "\\u0061ssume false;",
        "assum\u0435 false;",
        "lemma Evil() ensures false",
        "}",
        "(]",
    ],
    "why3": [
        "#@ assume 0 == 1\nreturn 0",
        "#@ axiom bad: 0 == 1\nreturn 0",
        "x = 1 #@ assume 0 == 1",
        "#@ assert 1 == 1 #@ assume 0 == 1\nreturn 0",
        "#@ function f(x: int) -> int\nreturn 0",
        "#@ lemma bad: 0 == 1\nreturn 0",
        "#@ import int.Int\nreturn 0",
        "#@ constant x: int = 1\nreturn 0",
        "#@ requires 0 == 1\nreturn 0",
        "#@ ensures 0 == 0\nreturn 0",
        "#@ check 0 == 0\nreturn 0",
        "import os\nreturn 0",
        "from int import Int\nreturn 0",
        "return 0\ndef isqrt(n: int) -> int:\n    return 1",
        "x = 'a'",
        'x = "a"',
        'x = """\n#@ assume 0 == 1\n"""',
        "x = 1 + \\\n2",
        "x = 1; y = 2",
        "#@assume 0 == 1\nreturn 0 @ 1",
        "return 0)\n(",
        "assum\u0435 = 1",
        "exec(1)",
        "x = input()",
    ],
    "verus": [
        "assume(false); 0",
        "admit(); 0",
        "assume (\nfalse); 0",
        "#[verifier::external_body] 0",
        "#![allow(x)] 0",
        "unimplemented!()",
        "todo!()",
        "panic!{}",
        "vstd::pervasive::unreached()",
        "unsafe { 0 }",
        "} fn evil() ensures false { loop { }",
        "} #[verifier::external_body] proof fn evil() ensures false { ",
        "r#assume(false); 0",
        "include!(1)",
        "while true decreases * { } 0",
        "let c = '}'; 0",
        'let c = "}"; 0',
        "/* /* */ assume(false); 0",
        "*/ assume(false); /*",
        "proof { broadcast use evil; } 0",
        "use std::fs; 0",
        "fn evil() { } 0",
        "arbitrary()",
    ],
    "lean": [
        "sorry",
        "exact sorry",
        "intro n; admit",
        "stop",
        "native_decide",
        "exact Lean.ofReduceBool _ _ rfl",
        "exact lcProof",
        "λsorry",
        "exact (by exact x⁻¹sorry)",
        "intro n\nomega\naxiom bad : False",
        "intro n\nomega\ntheorem selfplay_attached : True := trivial",
        "intro n\nomega\nend\nnamespace Evil",
        "intro n\nomega\nunsafe def x := 1",
        "set_option autoImplicit true in omega",
        "open Classical in omega",
        "run_tac Lean.Elab.admitGoal",
        "#eval 1",
        "omega\n#print axioms Nat",
        'macro "omega" : tactic => `(tactic| sorry)',
        "macro_rules | _ => _",
        "syntax evil : tactic",
        "notation evil => 1",
        "elab evil : tactic => 1",
        "local instance : Evil := 1",
        "@[implemented_by evil] intro n",
        "@ [simp] intro n",
        "attribute [simp] evil",
        "exact «sorry»",
        'exact "text"',
        "/- /- -/ sorry",
        "-/ sorry /-",
        "exact ⟨1, 2)",
        "exact (1))",
        "IO.println 1",
        "def evil : Nat := 1",
        "simproc evil (1) := 2",
        "import Lean",
        "dbg_trace 1",
    ],
}
"""By checker: solutions that would prove anything, leave their place, or make the prover do something else."""

BAD_PROBLEMS = {
    "coq": [
        ("True. Axiom bad : False", ""),
        ("True) (False", ""),
        ("True", "Axiom bad : False."),
        ("True", "Definition f := 1. Parameter bad : False."),
        ("True", "Theorem bad : False."),
        ("True", "Load evil."),
        ("True", "Definition f : nat."),
        ("True", "Definition f := 1"),
    ],
    "dafny": [
        ("method M() ensures false method N()", ""),
        ("var x: int", ""),
        ("method {:extern} M()", ""),
        ("lemma L() { } lemma M()", ""),
        ("method M()", "lemma Bad() ensures false"),
        ("method M()", "function f(): int ensures false"),
        ("method M()", "method N() ensures false"),
        ("method M() decreases *", ""),
    ],
    "why3": [
        ("x = 1", ""),
        ("def f(n: int) -> int:\n    return 1\ndef g(n: int) -> int:", ""),
        ("def f(n: int) -> int:\n    #@ assume 0 == 1", ""),
        ("def f(n: int) -> int:", "#@ axiom bad: 0 == 1"),
        ("def f(n: int) -> int:", "#@ function f(n: int) -> int"),
        ("def f(n: int) -> int:", "def g():\n    #@ ensures 0 == 1"),
    ],
    "verus": [
        ("fn f() fn g()", ""),
        ("struct S", ""),
        ("fn f()", "proof fn bad() ensures false { }"),
        ("fn f()", "#[verifier::external_body] spec fn f() -> int;"),
        ("fn f()", "fn g() { }"),
    ],
    "lean": [
        ("True := sorry", ""),
        ("True := trivial", ""),
        ("True", "axiom bad : False"),
        ("True", "theorem bad : False"),
        ("True", "  1 + 1"),
        ("True) (False", ""),
    ],
}
"""By checker: statement and context that smuggle something in; the proposer is to blame."""
