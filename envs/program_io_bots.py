"""Scripted players of `program_io`: they know short functions, and nothing of the answers.

They read problems with the interpreter of `short_functions_interpreter`; programs of another language are beyond them.
"""

from __future__ import annotations

import random

from selfplay.envs.program_io_formats import Args, args_text, read_value, same
from selfplay.envs.short_functions import HEADER, any_function, random_args, random_inputs
from selfplay.envs.short_functions_interpreter import NotInLanguage, returns
from selfplay.types import Request

TRIES = 400
"""Inputs, and functions, that are tried for one problem."""


def searching_bot(request: Request, rng: random.Random) -> str:
    """Proposes random functions. Computes what calls give, and tries inputs and functions until one fits: it solves
    nearly all deductions and abductions, and inductions of simple functions."""
    lines = request.messages[-1].text.splitlines()
    if request.role == "proposer":
        return _propose(lines[-1], rng)
    if lines[-1] == "f is ?":
        return _induce(lines[:-1], rng)
    source = "\n".join(lines[:-1])
    if lines[-1].endswith(" gives ?"):
        args, _ = _call(lines[-1].replace("gives ?", "gives 0"))
        return repr(_returns(source, args))
    return _abduce(source, read_value(lines[-1].removeprefix("f(?) gives ")).value, rng)


def random_bot(request: Request, rng: random.Random) -> str:
    """Half of the time `searching`, else any answer of the right form."""
    lines = request.messages[-1].text.splitlines()
    if request.role == "proposer" or rng.random() < 0.5:
        return searching_bot(request, rng)
    if lines[-1] == "f is ?":
        return any_function(rng, 1).source
    args = random_args(rng)
    return str(args[1]) if lines[-1].endswith(" gives ?") else args_text(args)


def _propose(wanted: str, rng: random.Random) -> str:
    count = int(wanted.partition(", ")[2].partition(" ")[0])
    calls = [f"f({args_text(args)})" for args in random_inputs(rng, count)]
    return "\n".join([any_function(rng, rng.randint(1, 3)).source, *calls])


def _abduce(source: str, wanted: object, rng: random.Random) -> str:
    for _ in range(TRIES):
        args = random_args(rng)
        if same(wanted, _returns(source, args)):
            break
    return args_text(args)


def _induce(shown: list[str], rng: random.Random) -> str:
    cases = [_call(line) for line in shown]
    for _ in range(TRIES):
        source = any_function(rng, rng.randint(1, 2)).source
        if all(same(output, _returns(source, args)) for args, output in cases):
            return source
    return HEADER + "a"


def _call(line: str) -> tuple[Args, object]:
    """Arguments and output of ``f([3, 1], 2) gives 5``."""
    call, _, output = line.rpartition(" gives ")
    return read_value(call[2:-1]).args, read_value(output).value


def _returns(source: str, args: Args) -> object:
    try:
        return returns(source, args)
    except NotInLanguage:
        return None
