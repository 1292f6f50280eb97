"""The command line: `selfplay COMMAND`.

    group     the commands by name, each loaded when it is used      screen      stdout for data, stderr for the rest
    commands  what all commands share: -q, -v, --json, examples      transcript  a match as text

Every other module is the command of the same name. The commands only read arguments, call the rest of the package and
print; whatever they do can be done from Python. Exit codes: 0 done, 1 the run or check failed, 2 wrong usage or
configuration (nothing was started), 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from selfplay.errors import SelfplayError

STOPPED = 130
"""Exit code after Ctrl-C."""
_UNEXPECTED = """
This should not happen. Please report it to the authors of selfplay, with the lines above and the output of
`selfplay doctor --json`. Whatever a run had finished is safe in its folder.
"""


def main() -> None:
    """Entry point of the `selfplay` command."""
    sys.exit(run(sys.argv[1:]))


def run(args: Sequence[str]) -> int:
    """Carry out one command line (without the word `selfplay`) and return its exit code."""
    from selfplay.cli.group import app

    try:
        app(list(args), prog_name="selfplay")
    except SystemExit as done:
        if done.code == STOPPED:
            print("\nstopped", file=sys.stderr)
        return done.code if isinstance(done.code, int) else 1
    except SelfplayError as error:
        _explain(error)
        return error.exit_code
    except Exception:
        import traceback

        traceback.print_exc()
        print(_UNEXPECTED, file=sys.stderr)
        return 1
    return 0


def _explain(error: SelfplayError) -> None:
    from selfplay.cli import screen

    if screen.verbose():
        import traceback

        traceback.print_exc()
    text = "\n".join([str(error), *getattr(error, "__notes__", ())])
    if error.exit_code == STOPPED:
        screen.notice(text)
    else:
        screen.error(text)
