"""What runs in the sandbox for the checker `crosshair`: read as text and executed there, never imported here.

It hands CrossHair one function with its contract and reports what CrossHair says of it. The program comes as an
argument and lives in a namespace of its own.
"""

from __future__ import annotations

import inspect
from typing import Any

PROGRAM = "<program>"


def analyse(program: str, seconds: float, path_seconds: float, paths: int) -> tuple[str, str, list[Any]]:
    """Status, kind of message, and the arguments of a counterexample.

    `program` defines ``entry`` with its types, ``requires`` over its parameters, and ``ensures`` over its parameters
    and its result.
    """
    import crosshair.core_and_libs  # noqa: F401, makes the types of the standard library symbolic
    from crosshair.condition_parser import ConditionExpr, ConditionExprType, Conditions, condition_parser
    from crosshair.core import analyze_calltree
    from crosshair.options import DEFAULT_OPTIONS

    namespace: dict[str, Any] = {}
    exec(compile(program, PROGRAM, "exec", dont_inherit=True), namespace)
    entry, requires, ensures = (namespace[name] for name in ("__entry", "__requires", "__ensures"))
    names = list(inspect.signature(entry).parameters)
    found: list[Any] = []

    def before(values: Any) -> Any:
        return requires(*(values[name] for name in names))

    def after(values: Any) -> Any:
        return ensures(*(getattr(values["__old__"], name) for name in names), values["__return__"])

    def describe(arguments: Any, result: object, representations: object) -> tuple[str, str]:
        found[:] = [arguments.arguments[name] for name in names]
        return entry.__name__, ""

    conditions = Conditions(
        fn=entry,
        src_fn=abs,  # only asked for its source, which is not there
        pre=[ConditionExpr(ConditionExprType.PRECONDITION, before, PROGRAM, 1, "requires")],
        post=[ConditionExpr(ConditionExprType.POSTCONDITION, after, PROGRAM, 1, "ensures")],
        raises=frozenset(),
        sig=inspect.signature(entry),
        mutable_args=None,
        fn_syntax_messages=[],
        counterexample_description_maker=describe,
    )
    options = DEFAULT_OPTIONS.overlay(
        analysis_kind=(), per_condition_timeout=seconds, per_path_timeout=path_seconds, max_iterations=paths
    )
    options.deadline = float("inf")
    with condition_parser(()):
        analysis = analyze_calltree(options, conditions)
    kind = analysis.messages[0].state.name if analysis.messages else ""
    return analysis.verification_status.name, kind, found
