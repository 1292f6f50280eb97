"""What the adapters make of a prover's words, with scripts and a local server standing in for the provers.

Verus and Lean were never run for real: these words are what their documentation and protocol say.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from adapter_claims import ADAPTERS, SOLUTION, STATEMENT, check, claim

from selfplay.sandbox.checkers import Blame, Limits, Pool, ProofLevel, ProofStatus
from selfplay.sandbox.checkers.adapters import adapter, coq, dafny, verus, why3
from selfplay.sandbox.checkers.adapters.lean import HEADER
from selfplay.types import Outcome

QUICK = Limits(cpu_s=2, wall_s=10)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a checker's program a script that keeps what it is given, says something, and exits with a code."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(name: str, script: str) -> None:
        program = folder / ADAPTERS[name].program
        program.write_text(f"#!/bin/sh\ncase $1 in -*version | /version) echo stand-in 1.0; exit;; esac\n{script}\n")
        program.chmod(0o755)
        adapter.version.cache_clear()

    return make


def says(text: str, code: int = 0) -> str:
    return f"cat <<'END'\n{text}\nEND\nexit {code}"


VERUS = "verification results:: "
WHY3 = (
    'File "claim.py", line {}, characters 1-2:\nSub-goal {} of goal f\'vc.\nProver result is: {} (0.01s, {} steps).\n'
)
CASES = [
    ("coq", "Closed under the global context", 0, ProofStatus.PROVED, None),
    ("coq", "Closed under the global context\nAxioms:\nbad : False", 0, ProofStatus.UNPROVED, None),
    ("coq", "", 0, ProofStatus.UNPROVED, None),
    ("coq", 'File "./claim.v", line 8, characters 0-3:\nError: Cannot find witness.', 1, ProofStatus.UNPROVED, 1),
    ("coq", 'File "./claim.v", line 9, characters 0-3:\nError:\nSyntax error: no.', 1, ProofStatus.MALFORMED, 2),
    ("coq", "Error: Anomaly. Please report.", 129, ProofStatus.CRASH, None),
    ("coq", "Fatal error: exception Out_of_memory", 2, ProofStatus.MEMORY, None),
    ("coq", 'File "./claim.v", line 8, characters 0-3:\nError: Stack overflow.', 1, ProofStatus.MEMORY, None),
    (
        "coq",
        'File "./claim.v", line 8, characters 0-3:\nError: The reference out_of_memory.Anomaly was not found.',
        1,
        ProofStatus.UNPROVED,
        1,
    ),
    (
        "dafny",
        "Unhandled exception: System.OutOfMemoryException: no.\n" + "  at x\n" * 999,
        1,
        ProofStatus.MEMORY,
        None,
    ),
    ("dafny", "Dafny program verifier finished with 2 verified, 0 errors", 0, ProofStatus.PROVED, None),
    ("dafny", "Dafny program verifier finished with 0 verified, 0 errors", 0, ProofStatus.UNKNOWN, None),
    ("dafny", "Dafny program verifier finished with 2 verified, 0 errors", 3, ProofStatus.CRASH, None),
    (
        "dafny",
        "Prover error: Invalid PING response\nDafny program verifier finished with 1 verified, 0 errors",
        0,
        ProofStatus.UNKNOWN,
        None,
    ),
    (
        "dafny",
        "Dafny program verifier finished with 1 verified, 0 errors, 1 out of resource",
        4,
        ProofStatus.UNKNOWN,
        None,
    ),
    (
        "dafny",
        "claim.dfy(6,2): Warning: note, this forall statement has no body\n"
        "Dafny program verifier finished with 1 verified, 0 errors",
        0,
        ProofStatus.UNSAFE,
        2,
    ),
    ("dafny", "claim.dfy(5,2): Error: semi expected\n1 parse errors detected", 2, ProofStatus.MALFORMED, 1),
    ("why3", WHY3.format(5, "Postcondition", "Valid", 9), 0, ProofStatus.PROVED, None),
    ("why3", WHY3.format(5, "Postcondition", "Valid", 9), 2, ProofStatus.CRASH, None),
    ("why3", WHY3.format(8, "Assertion", "Unknown (sat)", 9), 2, ProofStatus.UNPROVED, 4),
    ("why3", WHY3.format(8, "Assertion", "Unknown (sat)", 10**7), 2, ProofStatus.UNKNOWN, 4),
    ("why3", WHY3.format(8, "Assertion", "Timeout", 9), 2, ProofStatus.UNKNOWN, 4),
    ("why3", WHY3.format(8, "Assertion", "Valid", 9) + "Prover result is: Mystery", 0, ProofStatus.CRASH, None),
    ("verus", VERUS + "1 verified, 0 errors", 0, ProofStatus.PROVED, None),
    ("verus", VERUS + "0 verified, 0 errors", 0, ProofStatus.CRASH, None),
    ("verus", VERUS + "1 verified, 0 errors (partial)", 0, ProofStatus.CRASH, None),
    ("verus", VERUS + "1 verified, 0 errors", 1, ProofStatus.CRASH, None),
    (
        "verus",
        "error: possible arithmetic underflow/overflow\n --> claim.rs:7:4\n" + VERUS + "0 verified, 1 errors",
        1,
        ProofStatus.UNPROVED,
        1,
    ),
    (
        "verus",
        "error: postcondition not satisfied\n --> claim.rs:5:13\n" + VERUS + "0 verified, 1 errors",
        1,
        ProofStatus.UNPROVED,
        None,
    ),
    ("verus", "error[E0425]: cannot find value `q`\n --> claim.rs:7:4", 1, ProofStatus.MALFORMED, 1),
    (
        "verus",
        "error: function body check: Resource limit (rlimit) exceeded\n --> claim.rs:4:1\n"
        + VERUS
        + "0 verified, 1 errors",
        1,
        ProofStatus.UNKNOWN,
        None,
    ),
]


@pytest.mark.parametrize(("name", "words", "code", "status", "line"), CASES)
def test_words(stand_in: Any, name: str, words: str, code: int, status: ProofStatus, line: int | None) -> None:
    stand_in(name, says(words, code))
    found = check(name, STATEMENT[name], SOLUTION[name], limits=QUICK)
    assert (found.status, found.line) == (status, line), found
    assert (found.level is not None) == (status is ProofStatus.PROVED)


@pytest.mark.parametrize(
    ("name", "place"),
    [("coq", 'File "./claim.v", line 5, characters 0-1:\nError: no.'), ("verus", "error: no\n --> claim.rs:4:1")],
)
def test_words_about_the_problem(stand_in: Any, name: str, place: str) -> None:
    stand_in(name, says(place, 1))
    found = check(name, STATEMENT[name], SOLUTION[name], limits=QUICK)
    assert (found.status, found.blame, found.line) == (ProofStatus.MALFORMED, Blame.PROPOSER, None), found


FILES = {
    "coq": (
        "From Coq Require Import ZArith Lia List Bool Arith.\nImport ListNotations.\nDefinition f := 1.\n"
        "Theorem selfplay_claim : (\nTrue\n).\nProof.\nexact I.  \nQed.\n"
        "Definition selfplay_attached : (\nTrue\n) := selfplay_claim.\nPrint Assumptions selfplay_attached.\n",
        ("Definition f := 1.", "True", "exact I. (* Qed. *)"),
    ),
    "dafny": (
        "predicate p()\nmethod M()\n  ensures p()\n{\nx := 1; \n}\n",
        ("predicate p()", "method M()\n  ensures p()", "  x := 1; // }"),
    ),
    "why3": (
        "#@ predicate p(x: int) = x > 1\ndef f(n: int) -> int:\n    #@ ensures p(n)\n"
        "    if n > 1:\n        return 2 \n\n",
        (
            "#@ predicate p(x: int) = x > 1",
            "def f(n: int) -> int:\n    #@ ensures p(n)",
            "  if n > 1:\n      return 2 # no\n",
        ),
    ),
    "verus": (
        "use vstd::prelude::*;\nverus! {\nspec fn p() -> bool { true }\nfn f()\n    ensures p(),\n{\n1  \n}\n}\n",
        ("spec fn p() -> bool { true }", "fn f()\n    ensures p(),", "1 /* } */"),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_ours(name: str) -> None:
    """Statement and solution in our frame, and no comment."""
    expected, (context, statement, solution) = FILES[name]
    texts = ADAPTERS[name].texts(claim(name, statement, solution, context))
    assert {"coq": coq, "dafny": dafny, "why3": why3, "verus": verus}[name].assemble(texts).text == expected


def test_the_file_is_what_the_prover_reads(stand_in: Any) -> None:
    stand_in("verus", "cat claim.rs; exit 99")
    found = check("verus", "fn f()\n    ensures p(),", "1", "", QUICK)
    assert found.status is ProofStatus.CRASH and "ended with 99" in found.reason
    assert "fn f()\\n    ensures p(),\\n{\\n1\\n}" in found.reason


def test_trouble_is_no_verdict(stand_in: Any) -> None:
    stand_in("coq", "while :; do :; done")
    endless = check("coq", STATEMENT["coq"], SOLUTION["coq"], limits=Limits(cpu_s=0, wall_s=10))
    assert (endless.status, endless.outcome) == (ProofStatus.TIMEOUT, Outcome.NO_VERDICT)
    stand_in("coq", "while echo Closed under the global context; do :; done")
    loud = check("coq", STATEMENT["coq"], SOLUTION["coq"], limits=QUICK)
    assert loud.status is ProofStatus.UNKNOWN and "printed more" in loud.reason


def test_through_the_pool(stand_in: Any) -> None:
    stand_in("verus", says(VERUS + "3 verified, 0 errors"))
    with Pool(workers=1) as pool:
        found = pool.check(claim("verus", STATEMENT["verus"], SOLUTION["verus"]))
    assert (found.status, found.proved, found.level) == (ProofStatus.PROVED, 3, ProofLevel.SMT)


class Server(http.server.BaseHTTPRequestHandler):
    """Answers every request with `answer`, and keeps the last one."""

    answer: tuple[int, bytes]
    asked: dict[str, Any]
    headers_seen: dict[str, str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Server.asked, Server.headers_seen = {"path": self.path, **json.loads(body)}, dict(self.headers)
        code, text = Server.answer
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        if code == 302:
            self.send_header("Location", "http://127.0.0.1:9/")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{running.server_port}"
        monkeypatch.setenv("SELFPLAY_LEAN_URL", url)
        monkeypatch.setenv("SELFPLAY_LEAN_KEY", "a key")
        yield url
        running.shutdown()
        thread.join()


def message(data: str, line: int = 1, severity: str = "info") -> dict[str, Any]:
    return {"severity": severity, "pos": {"line": line, "column": 0}, "endPos": None, "data": data}


MARK = message("True : Prop", HEADER.count("\n"))  # counted without the line of the import
NO_AXIOMS = message("'selfplay_attached' does not depend on any axioms", 20)
USUAL = message("'selfplay_attached' depends on axioms: [propext, Classical.choice,\n Quot.sound]", 20)
UNUSUAL = message("'selfplay_attached' depends on axioms: [propext, Lean.ofReduceBool]", 20)
GAP = message("declaration uses 'sorry'", 9, "warning")
BODY = HEADER.count("\n") + 6
"""Line of the file in which the solution begins."""


def response(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"response": {"messages": [MARK, *messages], "env": 0, **more}}


LEAN_CASES = [
    (response(NO_AXIOMS), ProofStatus.PROVED, None),
    (response(USUAL), ProofStatus.PROVED, None),
    (response(UNUSUAL), ProofStatus.UNPROVED, None),
    (response(NO_AXIOMS, USUAL), ProofStatus.CRASH, None),
    (response(), ProofStatus.CRASH, None),
    (response(NO_AXIOMS, GAP), ProofStatus.UNSAFE, None),
    (response(NO_AXIOMS, sorries=[{"goal": "False"}]), ProofStatus.UNSAFE, None),
    (response(message("omega could not prove the goal", BODY, "error"), NO_AXIOMS), ProofStatus.UNPROVED, 2),
    (response(message("unexpected token 'x'; expected term", BODY - 1, "error")), ProofStatus.MALFORMED, 1),
    (response(message("unknown identifier 'q'", BODY - 3, "error")), ProofStatus.MALFORMED, None),
    (
        response(message("(deterministic) timeout, maximum number of heartbeats", BODY, "error")),
        ProofStatus.UNKNOWN,
        None,
    ),
    ({"error": "Lean REPL command timed out in 60 seconds"}, ProofStatus.TIMEOUT, None),
    ({"error": "out of memory"}, ProofStatus.CRASH, None),
    ({"response": {"message": "Unknown environment."}}, ProofStatus.CRASH, None),
    ({"response": {"messages": "none"}}, ProofStatus.CRASH, None),
]


@pytest.mark.parametrize(("result", "status", "line"), LEAN_CASES)
def test_words_of_lean(server: str, result: dict[str, Any], status: ProofStatus, line: int | None) -> None:
    Server.answer = 200, json.dumps({"results": [{"id": "claim", "time": 0.1, **result}]}).encode()
    found = check("lean", STATEMENT["lean"], SOLUTION["lean"])
    assert (found.status, found.line) == (status, line), found
    assert (found.level is ProofLevel.KERNEL) == (status is ProofStatus.PROVED)


def test_what_lean_is_asked(server: str) -> None:
    Server.answer = 200, json.dumps({"results": [{"id": "claim", **response(NO_AXIOMS)}]}).encode()
    with Pool(workers=1) as pool:
        found = pool.check(claim("lean", STATEMENT["lean"], SOLUTION["lean"], "def f := 1"))
    assert found.status is ProofStatus.PROVED and found.backend == f"Lean at {server.removeprefix('http://')}"
    assert Server.asked["path"] == "/api/check" and Server.headers_seen["Authorization"] == "Bearer a key"
    (snippet,) = Server.asked["snippets"]
    proof = f"theorem selfplay_claim : (\n{STATEMENT['lean']}\n) := by\n  intro n\n  omega \n"
    again = (
        f"theorem selfplay_attached : (\n{STATEMENT['lean']}\n) := selfplay_claim\n#print axioms selfplay_attached\n"
    )
    assert snippet["code"] == f"{HEADER}\ndef f := 1\n{proof}{again}"


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"{}"),
        (302, b""),
        (200, b"not JSON"),
        (200, b"[]"),
        (200, b'{"results": []}'),
        (200, b'{"results": [{"id": "other", "response": {}}]}'),
        (200, b'{"results": [3]}'),
    ],
)
def test_a_lean_server_out_of_order_is_no_verdict(server: str, answer: tuple[int, bytes]) -> None:
    Server.answer = answer
    found = check("lean", STATEMENT["lean"], SOLUTION["lean"])
    assert (found.status, found.blame) == (ProofStatus.CRASH, Blame.CHECKER), found


def test_no_lean_server_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELFPLAY_LEAN_URL", "http://127.0.0.1:9")
    assert check("lean", STATEMENT["lean"], SOLUTION["lean"]).status is ProofStatus.CRASH
    monkeypatch.setenv("SELFPLAY_LEAN_URL", "file:///etc/passwd")
    assert check("lean", STATEMENT["lean"], SOLUTION["lean"]).status is ProofStatus.UNAVAILABLE
