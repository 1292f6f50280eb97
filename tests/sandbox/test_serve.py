"""The server, asked by others than our client: who may come in, how much they may bring, SandboxFusion's shape."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from selfplay.errors import RunError, UsageError
from selfplay.sandbox.backends import Backend, read_token
from selfplay.sandbox.local import LocalSandbox
from selfplay.sandbox.messages import MEDIA_TYPE, job_to_bytes, reply_to_bytes
from selfplay.sandbox.routes import Settings
from selfplay.sandbox.serve import application, serve
from selfplay.sandbox.types import Case, Job, Reply

from .conftest import listening

TOKEN = "fifteen-and-one-more"
JOB = job_to_bytes(Job("print(1)", None, (Case("0"),)))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    sandbox = LocalSandbox(workers=1)
    sandbox.start()
    with listening(application(sandbox, settings=Settings(max_body=5000, max_jobs=2))) as url:
        yield url


def ask(url: str, path: str, body: bytes | None = None, kind: str = MEDIA_TYPE, **headers: str) -> tuple[int, bytes]:
    """Status and body."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        method = "GET" if body is None else "POST"
        connection.request(method, path, body, {"Content-Type": kind, **headers})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def run_code(url: str, **fields: object) -> tuple[int, dict[str, object]]:
    body = json.dumps({"language": "python", **fields}).encode()
    status, answer = ask(url, "/run_code", body, "application/json")
    return status, json.loads(answer) if status == 200 else {"detail": answer.decode()}


def test_run_code_answers_as_sandbox_fusion_does(url: str) -> None:
    status, answer = run_code(url, code="print(input())", stdin="hé")
    assert status == 200
    ran = answer.pop("run_result")
    expected = {"status": "Success", "message": "", "compile_result": None, "executor_pod_name": None, "files": {}}
    assert answer == expected
    assert isinstance(ran, dict) and ran.pop("execution_time") > 0
    assert ran == {"status": "Finished", "return_code": 0, "stdout": "hé\n", "stderr": ""}


@pytest.mark.parametrize(
    ("code", "status", "return_code", "stderr"),
    [
        ("1 / 0", "Finished", 1, "ZeroDivisionError"),
        ("import os; os._exit(7)", "Finished", 7, ""),
        ("import ctypes; ctypes.string_at(0)", "Finished", -11, ""),
        ("while True: pass", "TimeLimitExceeded", None, ""),
    ],
)
def test_run_code_says_how_programs_fail(
    url: str, code: str, status: str, return_code: int | None, stderr: str
) -> None:
    _, answer = run_code(url, code=code, run_timeout=0.3)
    ran = answer["run_result"]
    assert isinstance(ran, dict)
    assert (answer["status"], ran["status"], ran["return_code"]) == ("Failed", status, return_code)
    assert stderr in ran["stderr"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "no text `code`"),
        ({"code": "", "language": "cpp"}, "only 'python'"),
        ({"code": "", "files": {"a": "b"}}, "files"),
        ({"code": "", "run_timeout": 1e9}, "at most 60"),
        ({"code": "", "run_timeout": "1"}, "run_timeout"),
        ({"code": "", "stdin": 3}, "stdin"),
        ({"code": "x" * 5000}, "at most 5000 bytes"),
    ],
)
def test_run_code_says_what_is_not_offered(url: str, fields: dict[str, object], why: str) -> None:
    status, answer = run_code(url, **fields)
    assert status in (413, 422) and why in str(answer["detail"])


@pytest.mark.parametrize(
    ("path", "body", "kind", "status"),
    [
        ("/v1/run", b"x" * 5001, MEDIA_TYPE, 413),
        ("/v1/run", JOB * 3, MEDIA_TYPE, 422),
        ("/v1/run", JOB[:-1], MEDIA_TYPE, 422),
        ("/v1/run", b"{}", MEDIA_TYPE, 422),
        ("/v1/run", JOB, "text/plain", 415),
        ("/v1/run-calls", JOB, MEDIA_TYPE, 422),
        ("/v1/reply", reply_to_bytes("guess", 0, Reply(b"null")), MEDIA_TYPE, 404),
        ("/v1/reply", b"", MEDIA_TYPE, 422),
        ("/run_code", b'{"code": 1', "application/json", 422),
        ("/run_code", b"[" * 4000, "application/json", 422),
        ("/run_code", b"{}", "text/plain", 415),
        ("/elsewhere", b"", MEDIA_TYPE, 404),
    ],
)
def test_what_is_refused(url: str, path: str, body: bytes, kind: str, status: int) -> None:
    assert ask(url, path, body, kind)[0] == status


def test_a_body_of_unknown_length_is_counted(url: str) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    connection.request("POST", "/v1/run", iter([b"x" * 3000] * 2), {"Content-Type": MEDIA_TYPE})
    assert connection.getresponse().status == 413
    connection.close()


def test_web_pages_cannot_ask(url: str) -> None:
    """A page elsewhere whose name leads to this machine says that name."""
    assert ask(url, "/v1/about", Host="evil.example")[0] == 400
    assert ask(url, "/v1/about")[0] == 200


def test_nothing_answers_without_the_token() -> None:
    sandbox = LocalSandbox(workers=1)
    sandbox.start()
    with listening(application(sandbox, TOKEN)) as url:
        for path, body in [("/v1/about", None), ("/run_code", b"{}"), ("/v1/run", JOB), ("/elsewhere", None)]:
            assert ask(url, path, body)[0] == 401
            for wrong in (TOKEN, f"Bearer {TOKEN}x", "Bearer ", f"Basic {TOKEN}"):
                assert ask(url, path, body, Authorization=wrong)[0] == 401
        assert ask(url, "/v1/about", Authorization=f"Bearer {TOKEN}", Host="anything")[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "box", ""])
def test_other_machines_need_a_token(host: str) -> None:
    with pytest.raises(UsageError, match="there is no token"):
        serve(LocalSandbox(), host)


def test_a_port_that_is_taken(url: str) -> None:
    with pytest.raises(RunError, match=r"cannot listen at 127\.0\.0\.1, port"):
        serve(LocalSandbox(), port=int(url.rpartition(":")[2]))


def test_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    monkeypatch.delenv("SELFPLAY_SANDBOX_TOKEN", raising=False)
    assert read_token(None) is None
    monkeypatch.setenv("SELFPLAY_SANDBOX_TOKEN", TOKEN)
    assert read_token(None) == TOKEN
    file.write_text(f"{TOKEN}2\n")
    assert read_token(file) == TOKEN + "2"
    for wrong in ("", "short", "with some spaces in it", "x\n" * 20):
        file.write_text(wrong)
        with pytest.raises(UsageError, match="16 or more ASCII characters"):
            read_token(file)
    with pytest.raises(UsageError, match="cannot read the token"):
        read_token(file / "nothing")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"name": "locl"}, "did you mean 'local'"),
        ({"image": "x"}, "use docker"),
        ({"url": "http://box"}, "use remote"),
        ({"name": "remote"}, "SELFPLAY_SANDBOX_URL"),
        ({"name": "remote", "url": "box"}, "no address"),
    ],
)
def test_choices_that_cannot_work(fields: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SELFPLAY_SANDBOX_URL", raising=False)
    with pytest.raises(UsageError, match=why):
        Backend(**fields)


def test_the_sandbox_ends_with_the_server() -> None:
    sandbox = LocalSandbox(workers=1)
    sandbox.start()
    with listening(application(sandbox)) as url:
        assert ask(url, "/v1/run", JOB)[0] == 200
        assert len(sandbox._pool.threads) == 1
    assert sandbox._pool.threads == []
    asyncio.run(sandbox.close())
