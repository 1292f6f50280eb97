"""The docker backend: what its containers are, and that none is left. Programs are tried in `test_conformance`.

They want a real engine (``scripts/container-engine start``) and are skipped, with the reason, where none answers.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from selfplay.errors import RunError, UsageError
from selfplay.sandbox.containers import container, engine, image
from selfplay.sandbox.docker import DockerSandbox
from selfplay.sandbox.inside import values
from selfplay.sandbox.types import MIB, Case, ExecResult, Job, Level, Limits, Status

if TYPE_CHECKING:
    from docker import APIClient

Run = Callable[..., list[ExecResult]]

ROOT = Path(__file__).parents[2]


def script(source: str, **settings: object) -> Job:
    return Job(source, None, (Case("0"),), **settings)  # type: ignore[arg-type]


def containers(client: APIClient, run_name: str) -> list[dict[str, object]]:
    return client.containers(all=True, filters={"label": f"{engine.RUN}={run_name}"})


def gone(client: APIClient, run_name: str) -> bool:
    """Whether they are, before long."""
    deadline = time.monotonic() + 30
    while containers(client, run_name) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not containers(client, run_name)


@pytest.fixture(scope="module")
def box(client: APIClient) -> Iterator[DockerSandbox]:
    box = DockerSandbox(workers=1, run="test-box")
    box.start()
    yield box
    asyncio.run(box.close())


# What they are


INSIDE = """
import json, os, socket
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines())
def writable(path):
    try:
        os.mkdir(path + "/selfplay-test"); os.rmdir(path + "/selfplay-test")
    except OSError:
        return False
    return True
print(json.dumps({
    "uid": os.getuid(), "capabilities": int(status["CapBnd"], 16) | int(status["CapEff"], 16),
    "no new privileges": status["NoNewPrivs"], "seccomp": status["Seccomp"], "network": socket.if_nameindex(),
    "writable": [top for top in ["", *("/" + name for name in os.listdir("/"))] if writable(top)],
    "shell": os.path.exists("/bin/sh"), "users": os.path.exists("/etc/passwd"),
}))
"""


def test_a_container_is_hardened(box: DockerSandbox, client: APIClient, run: Run) -> None:
    """As seen by a process that nothing of ours locks in."""
    assert run(box, script("print(1)"))[0].stdout == b"1\n"
    (found,) = containers(client, "test-box")
    python = client.inspect_container(found["Id"])["Config"]["Cmd"][0]
    said = client.exec_start(client.exec_create(found["Id"], [python, "-c", INSIDE])["Id"])
    assert json.loads(said) == {
        "uid": 65534,
        "capabilities": 0,
        "no new privileges": "1",
        "seccomp": "2",
        "network": [[1, "lo"]],
        "writable": ["/box"],
        "shell": False,
        "users": False,
    }
    limits = client.inspect_container(found["Id"])["HostConfig"]
    assert (limits["PidsLimit"], limits["Memory"], limits["MemorySwap"]) == (128, 1280 * MIB, 1280 * MIB)
    assert limits["NanoCpus"] == 10**9


def test_what_it_says_about_itself(box: DockerSandbox) -> None:
    description = box.describe()
    assert (description["backend"], description["level"]) == ("docker", "L2")
    assert str(description["image"]).startswith("selfplay-sandbox:")
    assert "container" in str(description["layers"]["namespaces"])  # type: ignore[index]


def test_memory_of_all_processes_together(client: APIClient, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "MEMORY", 96 * MIB)
    source = (
        "import os, time\nfor _ in range(3):\n    if os.fork() == 0:\n        x = b'x' * (40 << 20)\n"
        "        time.sleep(1)\n        os._exit(0)\n"
        "print(min(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(3)))"
    )
    box = DockerSandbox(workers=1)
    box.start()
    greedy, honest = run(box, script(source, limits=Limits(processes=4)), script("print(1)"))
    asyncio.run(box.close())
    assert greedy.stdout == b"-9\n" or greedy.status is Status.SIGNAL
    assert honest.stdout == b"1\n"


def test_paranoid_means_that_no_container_sees_two_submissions(client: APIClient, run: Run) -> None:
    seen: list[str] = []

    class Noted(container.Container):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)  # type: ignore[arg-type]
            seen.append(self.id)

    box = DockerSandbox(workers=1, paranoid=True)
    box.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(container, "Container", Noted)
        two = Job("def f(x): return x", "f", (Case("a", (1,)), Case("b", (2,))))
        first, second = run(box, two, script("print(2)"))
    asyncio.run(box.close())
    assert [values.decode(case.value or b"") for case in first.cases] == [1, 2]
    assert second.stdout == b"2\n"
    assert len(set(seen)) == 2


# Images


def test_an_image_from_the_dockerfile(client: APIClient, run: Run) -> None:
    """Where there is a registry, its base is an image of Python; here it is ours."""
    ours = image.local_image(client)
    folder = str(Path(image.__file__).parent)
    arguments = {"BASE": ours.name, "PYTHON": ours.python, "READABLE": ":".join(ours.readable)}
    for line in client.build(folder, tag="selfplay-test:built", buildargs=arguments, decode=True):
        assert "error" not in line, line
    box = DockerSandbox(workers=1, image="selfplay-test:built")
    box.start()
    assert (box.level, run(box, script("print(1)"))[0].stdout) == (Level.L2, b"1\n")
    asyncio.run(box.close())
    client.remove_image("selfplay-test:built")


def test_images_that_are_of_no_use(client: APIClient) -> None:
    with pytest.raises(UsageError, match="no image 'selfplay-test:absent'"):
        DockerSandbox(image="selfplay-test:absent").start()
    client.import_image_from_data(b"\0" * 1024, "selfplay-test", "bare")  # an empty archive
    with pytest.raises(UsageError, match="Dockerfile"):
        DockerSandbox(image="selfplay-test:bare").start()
    client.remove_image("selfplay-test:bare")


# Trouble, and what is left


def test_a_dead_container_costs_no_verdict(box: DockerSandbox, run: Run) -> None:
    assert run(box, script("print(1)"))[0].stdout == b"1\n"

    def murder() -> None:
        time.sleep(0.5)
        box._pool.threads[0].worker.process.kill()  # type: ignore[union-attr]

    threading.Thread(target=murder).start()
    (result,) = run(box, script("import time; time.sleep(2); print(1)"))
    assert (result.stdout, result.cases[0].attempts) == (b"1\n", 2)


def test_no_container_is_left_after_the_end(client: APIClient, run: Run) -> None:
    box = DockerSandbox(workers=2, run="test-ends")
    box.start()
    run(box, *[script("print(1)")] * 4)
    assert containers(client, "test-ends")
    asyncio.run(box.close())
    assert gone(client, "test-ends")


def test_no_container_survives_a_killed_process(client: APIClient) -> None:
    program = (
        "import asyncio\nfrom selfplay.sandbox.docker import DockerSandbox\n"
        "from selfplay.sandbox.types import Case, Job\n"
        "async def main():\n    async with DockerSandbox(workers=1, run='test-killed') as s:\n"
        "        await s.run([Job('print(1)', None, (Case('0'),))])\n        print('ready', flush=True)\n"
        "        await s.run([Job('import time; time.sleep(60)', None, (Case('0'),))])\nasyncio.run(main())"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout and parent.stdout.readline() == b"ready\n"
    assert len(containers(client, "test-killed")) == 1
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert gone(client, "test-killed")


@pytest.fixture
def abandoned(client: APIClient, box: DockerSandbox) -> Iterator[dict[str, str]]:
    """Containers by whose they are: a dead process's, this one's, and one's of another machine."""
    here = os.uname().nodename
    owners = {"dead": f"{here} 999999999 1", "alive": engine.labels("")[engine.OWNER], "elsewhere": "x 999999999 1"}
    made = {}
    for name, owner in owners.items():
        labels = {engine.OURS: "worker", engine.OWNER: owner}
        made[name] = client.create_container(str(box.describe()["image"]), ["x"], labels=labels)["Id"]
    yield made
    for each in made.values():
        engine.remove(client, each)


def test_what_is_left_over_is_removed(client: APIClient, abandoned: dict[str, str]) -> None:
    assert engine.left_over(client) == [abandoned["dead"]]
    sandbox = DockerSandbox(workers=1)
    sandbox.start()
    asyncio.run(sandbox.close())
    assert engine.left_over(client) == []
    left = {each["Id"] for each in client.containers(all=True)}
    assert set(abandoned.values()) & left == {abandoned["alive"], abandoned["elsewhere"]}


def test_doctor_finds_and_removes_it(client: APIClient, abandoned: dict[str, str], tmp_path: Path) -> None:
    def doctor(*options: str) -> str:
        command = [sys.executable, "-m", "selfplay", "doctor", "--root", str(tmp_path), *options]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout

    assert "1 of ended runs are left" in doctor()
    assert "1 of ended runs removed" in doctor("--clean")
    assert engine.left_over(client) == []


# The other backend in a container


def test_the_local_sandbox_inside_a_default_container(client: APIClient) -> None:
    """No user namespaces there, so L2, and it says why."""
    ours = image.local_image(client)
    program = (
        "import asyncio\nfrom selfplay.sandbox.local import LocalSandbox\n"
        "from selfplay.sandbox.types import Case, Job\n"
        "async def main():\n    async with LocalSandbox(workers=1) as s:\n"
        "        code = \"open('x', 'w').close(); print(open('x').read() == '')\"\n"
        "        job = Job(code, None, (Case('0'),), writable=True)\n"
        "        (r,) = await s.run([job])\n"
        "        print(s.level.name, r.status, r.stdout.decode().strip(), s.describe()['layers']['namespaces'])\n"
        "asyncio.run(main())"
    )
    parts = ("selfplay", "sandbox", "pyproject.toml")
    made = client.create_container(
        ours.name,
        [ours.python, "-c", program],
        environment={"PYTHONPATH": "/checkout"},
        host_config=client.create_host_config(
            binds={str(ROOT / name): {"bind": f"/checkout/{name}", "mode": "ro"} for name in parts},
            network_mode="none",
        ),
    )["Id"]
    said = client.attach(made, stdout=True, stderr=True, stream=True)
    client.start(made)
    text = b"".join(said).decode()
    engine.remove(client, made)
    assert "L2 ok True" in text, text
    assert "in force" not in text and "the sandbox reaches level L2 only" in text


def test_an_engine_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(RunError, match=r"no container engine answers(.|\n)*tried unix:///nowhere"):
        DockerSandbox().start()
