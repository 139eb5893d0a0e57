"""Replaces `${NAME}` and `${NAME:default}`: in parsed values for resources, in the text itself for bare configurations (as Bento does)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from penstock_gateway.errors import Path, Problem

_VARIABLE = re.compile(r"\$\{([0-9A-Za-z_.]+)(:((?:\$\{[^}]+\}|[^}])*))?\}")
_ESCAPED = re.compile(r"\$\{(\{[0-9A-Za-z_.]+(?::(?:\$\{[^}]+\}|[^}])*)?\})\}")

Resolve = Callable[[str], "str | None"]


def replace(text: str, resolve: Resolve, missing: list[str]) -> str:
    """The text with its variables filled in; names without value and default are added to `missing` and stay as they are.

    An empty value counts as unset when there is a default; a default may hold one nested variable; `${{NAME}}` yields `${NAME}`.
    """

    def fill(found: re.Match[str]) -> str:
        name, default = found[1], found[3]
        value = resolve(name)
        if value:
            return value
        if default is not None:
            return replace(default, resolve, missing)
        if value is None:
            missing.append(name)
            return found[0]
        return value

    if "${" not in text:
        return text
    return _ESCAPED.sub(lambda found: "$" + found[1], _VARIABLE.sub(fill, text))


def replace_in_text(text: str, environment: Mapping[str, str]) -> tuple[str, list[str]]:
    """A whole bare configuration with the environment filled in, newlines in values written as `\\n`; and the names that are missing."""
    missing: list[str] = []

    def resolve(name: str) -> str | None:
        value = environment.get(name)
        return None if value is None else value.replace("\n", "\\n")

    return replace(text, resolve, missing), missing


def replace_in_values(data: Any, resolve: Resolve, path: Path = ()) -> tuple[Any, list[Problem]]:
    """Parsed data with variables filled into every text; a name that is not defined is a problem at its path."""
    problems: list[Problem] = []

    def walk(value: Any, path: Path) -> Any:
        if isinstance(value, str):
            missing: list[str] = []
            filled = replace(value, resolve, missing)
            problems.extend(
                Problem(
                    f"variable {name} is not defined: add it to spec.variables or give a default", path, rule="variable"
                )
                for name in missing
            )
            return filled
        if isinstance(value, dict):
            return {key: walk(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*path, n)) for n, item in enumerate(value)]
        return value

    return walk(data, path), problems
