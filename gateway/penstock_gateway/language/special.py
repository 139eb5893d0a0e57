"""The built-ins that are no plain functions of their receiver: they become nodes of their own, or have their own origin.

Each is also in the registration table (so that parameters are checked and manuals are complete); the builders here may
decline with None, then the registered function runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock_gateway.document import DELETED, NOTHING
from penstock_gateway.language.arguments import Static
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.nodes import (
    Apply,
    Catch,
    From,
    Literal,
    Node,
    Not,
    Operation,
    Variable,
    Within,
    below,
    dot_path,
    path_segments,
)
from penstock_gateway.language.registry import Builtin

if TYPE_CHECKING:
    from penstock_gateway.language.parser import QueryParser

Bound = tuple[Any, ...]


def _node(argument: Any) -> Node:
    return Literal(argument.value) if isinstance(argument, Static) else argument


def _get(parser: QueryParser, target: Node, bound: Bound) -> Node | None:
    return below(target, path_segments(bound[0].value)) if isinstance(bound[0], Static) else None


METHODS: dict[str, Callable[[QueryParser, Node, Bound], Node | None]] = {
    "apply": lambda parser, target, bound: Apply(target, _node(bound[0])),
    "catch": lambda parser, target, bound: Catch(target, _node(bound[0])),
    "from": lambda parser, target, bound: From(target, _node(bound[0])),
    "from_all": lambda parser, target, bound: From(target, None),
    "get": _get,
    "map": lambda parser, target, bound: Within(target, _node(bound[0])),
    "not": lambda parser, target, bound: Not(target),
    "or": lambda parser, target, bound: Operation("|", target, _node(bound[0]), "method or"),
}


def _env(parser: QueryParser, bound: Bound) -> Node | None:
    if not isinstance(bound[0], Static) or not isinstance(bound[1], Static) or bound[1].value:
        return None
    return Literal(parser.environment.variables.get(bound[0].value), "function env")


def _variable(parser: QueryParser, bound: Bound) -> Node | None:
    return Variable(bound[0].value) if isinstance(bound[0], Static) else None


def _file(parser: QueryParser, bound: Bound) -> Node | None:
    """A file whose path stands in the text is read when the mapping is compiled, unless `no_cache`."""
    if not all(isinstance(argument, Static) for argument in bound) or bound[1].value:
        return None
    return Literal(read_file(parser.environment.files, bound[0].value), "function file")


def read_file(files: Callable[[str], bytes] | None, path: str) -> bytes:
    """The bytes of a file. Raises EvaluationError with Go's text."""
    if files is None:
        raise EvaluationError(f"open {path}: files are not available here")
    try:
        return files(path)
    except (OSError, KeyError):
        raise EvaluationError(f"open {path}: no such file or directory") from None


FUNCTIONS: dict[str, Callable[[QueryParser, Bound], Node | None]] = {
    "deleted": lambda parser, bound: Literal(DELETED, "delete"),
    "nothing": lambda parser, bound: Literal(NOTHING, "nothing"),
    "env": _env,
    "file": _file,
    "file_rel": _file,
    "var": _variable,
}

_KEYED = {"meta": "meta", "metadata": "metadata", "root_meta": "root_meta"}


def annotation(builtin: Builtin, target: Node | None, bound: Bound) -> str:
    """An origin other than `function x` or `method x`, or an empty text."""
    if target is not None or not bound or not isinstance(bound[0], Static):
        return ""
    if builtin.name == "json":
        path = bound[0].value
        return f"json path `{dot_path(path_segments(path)) if path else ''}`"
    if builtin.name in _KEYED:
        word = _KEYED[builtin.name]
        return f"{word} field {bound[0].value}" if bound[0].value else f"{word} object"
    return ""
