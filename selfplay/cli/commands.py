"""What all commands share: `-q`, `-v`, `--json`, `--root`, examples in the help."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from selfplay.cli import screen
from selfplay.errors import UsageError
from selfplay.types import Json

if TYPE_CHECKING:
    from selfplay.policies.api import Endpoints

F = TypeVar("F", bound=Callable[..., None])

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for scripts, and nothing else on stdout.")]
Root = Annotated[Path, typer.Option("--root", metavar="DIR", help="Where runs are kept.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be given several times.")
]
Prices = Annotated[
    str | None,
    typer.Option("--prices", metavar="IN,OUT", help="Of openai: players, in dollars per million tokens."),
]
SpendingCap = Annotated[
    float | None,
    typer.Option("--spending-cap", metavar="USD", help="Ask openai: players nothing that could cost more in all."),
]
Paid = Annotated[
    Path | None,
    typer.Option("--paid", metavar="FILE", help="Keep the replies of openai: players here, and use those it has."),
]
_Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Only what was asked for, and errors.")]
_Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show where errors come from, and what libraries log.")]


def new_app(help: str | None = None, **settings: Any) -> typer.Typer:
    """An app with our conventions: plain help, which is quick and can be copied, and ordinary tracebacks."""
    return typer.Typer(
        help=help,
        no_args_is_help=help is not None or "cls" in settings,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion="cls" in settings,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        **settings,
    )


def command(
    app: typer.Typer, name: str | None = None, *, examples: tuple[str, str], more: str = ""
) -> Callable[[F], F]:
    """Register a function as a command of `app` and give it `-q` and `-v`."""

    def register(function: F) -> F:
        @functools.wraps(function)
        def run(quiet: bool, verbose: bool, **options: Any) -> None:
            screen.configure(quiet=quiet, verbose=verbose)
            function(**options)

        signature = inspect.signature(function, eval_str=True)
        kind = inspect.Parameter.KEYWORD_ONLY
        extra = [
            inspect.Parameter("quiet", kind, default=False, annotation=_Quiet),
            inspect.Parameter("verbose", kind, default=False, annotation=_Verbose),
        ]
        run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *extra])  # type: ignore[attr-defined]
        app.command(name, epilog=epilog(*examples, more=more))(run)
        return function

    return register


def epilog(*examples: str, more: str = "") -> str:
    """Examples for the end of a help text; the backspace keeps the lines as they are."""
    lines = ["\b", "Examples:", *(f"  {example}" for example in examples)]
    return "\n".join([*lines, *(["", more] if more else [])])


def settings_from(given: list[str] | None) -> dict[str, Json]:
    """``--set key=value`` arguments as settings of a game; values are TOML, or else plain text.

    Raises:
        UsageError: one of them has no ``=``.
    """
    from selfplay.run.recipe_file import set_keys

    return set_keys({}, given or [])


def endpoints_from(prices: str | None, cap: float | None, paid: Path | None) -> Endpoints:
    """What ``--prices``, ``--spending-cap`` and ``--paid`` say about ``openai:`` players.

    Raises:
        UsageError: no prices in that form, a cap without prices, a file that cannot be written.
    """
    from selfplay.policies.api import ApiSettings, Endpoints
    from selfplay.run.paid import PaidReplies

    price_in, price_out = _prices(prices) if prices else (0.0, 0.0)
    found = Endpoints(ApiSettings(cap or 0.0, price_in, price_out))
    if paid is not None:
        found.keep(PaidReplies(paid))
    return found


def _prices(text: str) -> tuple[float, float]:
    try:
        price_in, price_out = map(float, text.split(","))
    except ValueError:
        price_in = price_out = -1.0
    if not (0 <= price_in < math.inf and 0 <= price_out < math.inf):
        raise UsageError(
            f"--prices {text}: expected IN,OUT in dollars per million tokens\n  for example: --prices 0.15,0.6"
        )
    return price_in, price_out


def split_seats(given: list[str] | None) -> dict[str, str]:
    """``--seat ROLE=PLAYER`` arguments.

    Raises:
        UsageError: one of them has no ``=``.
    """
    found = {}
    for text in given or []:
        seat, equals, player = text.partition("=")
        if not (seat and equals and player):
            raise UsageError(f"--seat {text}: expected SEAT=PLAYER\n  for example: --seat solver=human")
        found[seat] = player
    return found
