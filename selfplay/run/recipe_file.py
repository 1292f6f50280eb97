"""Reading recipes from TOML, with errors that a person can act on, and writing them back.

Layers, later wins: defaults < the file < ``--set a.b=value``. An unknown key is an error that names the nearest known
one and the line it is in; a value of the wrong type names what was expected. Nothing is started before the whole recipe
is valid.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from selfplay.errors import UnknownName, UsageError, did_you_mean
from selfplay.run.recipe import Recipe, Section
from selfplay.types import Json


def changed(recipe: Recipe, key: str, value: Json) -> Recipe:
    """The recipe with one dotted key set.

    Raises:
        UsageError: unknown key or wrong type.
    """
    data = recipe.model_dump()
    _put(data, key.split("."), value, key)
    return recipe_from(data, origin=f"override {key}={value!r}")


def with_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with ``a.b=value`` settings on top, as for ``--set``.

    Raises:
        UsageError: unknown key or wrong type.
    """
    if not settings:
        return recipe
    return recipe_from(set_keys(recipe.model_dump(), settings), overrides=settings)


def stages(recipe: Recipe) -> list[Recipe]:
    """The recipe as it is, and under the settings of each phase."""
    return [recipe, *(with_settings(recipe, phase.set) for phase in recipe.phases)]


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> tuple[Recipe, str]:
    """Read a recipe file.

    Args:
        path: the TOML file.
        overrides: ``a.b=value`` as given to ``--set``; the value is TOML, or else plain text; ``health.0.action`` is
            of the first item of a list.

    Returns:
        The recipe and the file's text as the person wrote it.

    Raises:
        UsageError: no such file, not TOML, an unknown key, a wrong value.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"it is not UTF-8 text ({error.reason})"
        raise UsageError(
            f"cannot read recipe {file}: {why}\n  recipes that come with the project: examples/*/*.toml"
        ) from None
    data = set_keys(anchored(parse_toml(text, str(file)), file.resolve().parent), overrides)
    data = anchored(data, Path.cwd())
    data.setdefault("name", f"{file.resolve().parent.name}-{file.stem}".removesuffix("-recipe"))
    return recipe_from(data, origin=str(file), text=text, overrides=overrides), text


def anchored(data: Mapping[str, Json], folder: Path) -> dict[str, Json]:
    """`data` with the files that it names (game, tasks) as absolute paths, as far as they lie in `folder`.

    A run keeps these paths, so that it can be resumed from anywhere.
    """
    out = copy.deepcopy(dict(data))
    game, tasks = out.get("game"), out.get("tasks")
    if isinstance(game, dict) and isinstance(game.get("id"), str):
        head, end, name = game["id"].partition(".py")
        game["id"] = _in(folder, head + end) + name if end else game["id"]
    for section in tasks if isinstance(tasks, list) else ():
        if isinstance(section, dict) and isinstance(section.get("path"), str):
            section["path"] = _in(folder, section["path"])
    return out


def _in(folder: Path, path: str) -> str:
    """`path` in `folder` if that is a file, or a folder named as one (``./data``); else as it is."""
    place = folder / path
    return str(place.resolve()) if place.is_file() or (path.startswith(".") and place.is_dir()) else path


def set_keys(data: Mapping[str, Json], overrides: Sequence[str]) -> dict[str, Json]:
    """`data` with ``a.b=value`` overrides applied; the values are TOML, or else plain text.

    Raises:
        UsageError: not of that form, or inside something that is no table.
    """
    out = copy.deepcopy(dict(data))
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise UsageError(f"--set {override}: expected KEY=VALUE, for example --set learning.lr=1e-4")
        _put(out, key.strip().split("."), _toml_value(value.strip()), f"--set {override}")
    return out


def parse_toml(text: str, origin: str) -> dict[str, Json]:
    """Parse TOML.

    Raises:
        UsageError: malformed; names the place.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{origin} is not valid TOML: {error}") from None


def recipe_from(
    data: Mapping[str, Json], *, origin: str = "recipe", text: str = "", overrides: Sequence[str] = ()
) -> Recipe:
    """Validate a recipe given as a dictionary.

    Args:
        data: the recipe.
        origin: where it comes from, for errors.
        text: of the file it comes from, so that errors can name a line.
        overrides: ``a.b=value`` that are in `data` already, so that errors can name them.

    Raises:
        UsageError: the first thing that is wrong with it.
    """
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise _explain(error, origin, text, overrides) from None


def to_toml(recipe: Recipe) -> str:
    """The resolved recipe as TOML that runs again as it is."""
    lines: list[str] = []
    _write_table(recipe.model_dump(exclude_none=True), (), lines)
    return "\n".join(lines).strip() + "\n"


def _write_table(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    nested = {k: v for k, v in table.items() if isinstance(v, Mapping)}
    lists = {k: v for k, v in table.items() if isinstance(v, list) and v and isinstance(v[0], Mapping)}
    plain = {k: v for k, v in table.items() if k not in nested and k not in lists}
    if path and (plain or not (nested or lists)):
        lines += ["", f"[{'.'.join(map(_toml_key, path))}]"]
    lines += [f"{_toml_key(k)} = {_toml_text(v)}" for k, v in plain.items()]
    for name, value in nested.items():
        _write_table(value, (*path, name), lines)
    for name, items in lists.items():
        for item in items:
            lines += ["", f"[[{'.'.join(map(_toml_key, (*path, name)))}]]"]
            lines += [f"{_toml_key(k)} = {_toml_text(v)}" for k, v in item.items()]


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml_text(key)


def _toml_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_toml_key(k)} = {_toml_text(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_text(v) for v in value) + "]"
    if isinstance(value, str):
        escaped = "".join(
            f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else "\\" + c if c in '"\\' else c for c in value
        )
        return f'"{escaped}"'
    return repr(value)


def _toml_value(text: str) -> Json:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _put(data: dict[str, Any], path: list[str], value: Json, origin: str) -> None:
    for i, part in enumerate(path[:-1]):
        listed = data.get(part)
        if isinstance(listed, list) and i + 2 < len(path):
            _put(_item(listed, path[i + 1], ".".join(path[: i + 1]), origin), path[i + 2 :], value, origin)
            return
        inner = data.setdefault(part, {})
        if inner is None:
            inner = data[part] = {}
        if not isinstance(inner, dict):
            raise UsageError(f"{origin}: {'.'.join(path[: i + 1])} is not a table, so nothing can be set inside it")
        data = inner
    data[path[-1]] = value


def _item(items: list[Any], number: str, dotted: str, origin: str) -> dict[str, Any]:
    """One table of a list of tables, by its number from 0."""
    if number.isdigit() and int(number) < len(items) and isinstance(items[int(number)], dict):
        table: dict[str, Any] = items[int(number)]
        return table
    raise UsageError(f"{origin}: {dotted} is a list of {len(items)}, not {number} (the first is {dotted}.0)")


def _explain(error: ValidationError, origin: str, text: str, overrides: Sequence[str]) -> UsageError:
    """The first finding of pydantic in the words of this project."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    dotted, where = ".".join(path), _place(path, origin, text, overrides)
    if first["type"] == "extra_forbidden":
        return UnknownName("recipe key", dotted, _siblings(path), f"from {where}")
    if first["type"] == "missing":
        return UsageError(f"recipe key {dotted} is missing in {origin}")
    value, said = first.get("input"), f"{first['msg'][0].lower()}{first['msg'][1:]}"
    if first["type"] == "literal_error" and isinstance(value, str):
        said += did_you_mean(value, re.findall(r"'(\w+)'", first["ctx"]["expected"]))
    return UsageError(f"{dotted} = {value!r}: {said}\n  from {where}")


def _place(path: list[str], origin: str, text: str, overrides: Sequence[str]) -> str:
    """Where a key was set last: by ``--set``, or in a line of the file."""
    dotted = ".".join(path)
    for override in reversed(overrides):
        if f"{dotted}.".startswith(f"{override.partition('=')[0].strip()}."):
            return f"--set {override}"
    line = _line_of(text, path)
    return f"{origin}:{line}" if line else origin


def _siblings(path: list[str]) -> list[str]:
    """All keys that would have been accepted beside the last one of `path`, written out in full."""
    model: Any = Recipe
    for part in path[:-1]:
        if part.isdigit() or not (isinstance(model, type) and issubclass(model, Section)):
            continue
        field = model.model_fields.get(part)
        inner = [field.annotation] if field else []
        while inner and not (isinstance(inner[-1], type) and issubclass(inner[-1], Section)):
            arguments = [a for a in getattr(inner[-1], "__args__", ()) if a not in (str, type(None))]
            if not arguments:
                break
            inner.append(arguments[-1])
        if inner and isinstance(inner[-1], type) and issubclass(inner[-1], Section):
            model = inner[-1]
    prefix = "".join(f"{part}." for part in path[:-1])
    return [prefix + name for name in model.model_fields]


def _line_of(text: str, path: list[str]) -> int | None:
    """The line of a key in a TOML text, as far as it can be told without a parser that keeps positions."""
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            table = [part.strip().strip("\"'") for part in header[1].split(".")]
            if [p for p in path if not p.isdigit()] == table:
                return number
        key = re.match(r"\s*([\w.\"'-]+)\s*=", line)
        if key and [*table, *key[1].replace('"', "").split(".")] == [p for p in path if not p.isdigit()]:
            return number
    return None
