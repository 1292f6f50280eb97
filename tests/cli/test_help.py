"""Every command explains itself the same way: what it is for, two examples that parse, `--json` if it prints data."""

from __future__ import annotations

import re
import shlex
from importlib import import_module

import pytest
from typer.main import get_command

from selfplay.cli.group import COMMANDS

from .conftest import Command

PRINTS_NO_DATA = ["games new", "sandbox serve", "watch"]


def all_commands() -> list[str]:
    found = []
    for name in COMMANDS:
        command = get_command(import_module(f"selfplay.cli.{name}").app)
        inner = getattr(command, "commands", None)
        found += [name] if inner is None else [f"{name} {word}" for word in inner]
    return found


def test_all_commands_are_there() -> None:
    assert set(all_commands()) == {
        "doctor", "games list", "games show", "games new", "games check", "tiny make", "tiny show", "play", "league",
        "watch", "show", "replay", "export", "snapshot export", "eval", "runs list", "verify",
        "sandbox run", "sandbox selftest", "sandbox serve",
    }  # fmt: skip


@pytest.mark.parametrize("name", all_commands())
def test_help_has_two_examples_of_this_command_with_options_that_exist(name: str, selfplay: Command) -> None:
    result = selfplay(*name.split(), "--help")
    assert result.code == 0 and result.err == ""
    examples = [line.split() for line in result.out.splitlines() if line.startswith(f"    selfplay {name}")]
    assert len(examples) >= 2
    for example in examples:
        options = {word for word in shlex.split(" ".join(example)) if re.fullmatch("--?[a-z-]+", word)}
        assert options <= set(re.findall("--?[a-z-]+", result.out.partition("Examples:")[0]))
    assert ("--json" in result.out) is (name not in PRINTS_NO_DATA)
    assert max(map(len, result.out.splitlines())) <= 100


def test_groups_explain_themselves_too(selfplay: Command) -> None:
    for name in ("games", "tiny", "runs", "snapshot"):
        result = selfplay(name, "--help")
        assert result.code == 0 and f"Usage: selfplay {name}" in result.out
    assert selfplay().code == 2 and "Commands:" in selfplay().out + selfplay().err
