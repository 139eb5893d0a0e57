"""Matches the arguments of a call with the parameters of the built-in, with Bento's complaints. Raises EvaluationError."""

from __future__ import annotations

from typing import Any

from penstock_gateway.document import Value
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.nodes import Literal, Node
from penstock_gateway.language.registry import Builtin, Param

Argument = tuple[str | None, Node]
"""(name or None, expression) as it was written."""


def bind(builtin: Builtin, written: list[Argument]) -> tuple[Any, ...]:
    """One entry per parameter: a converted value for literals, the node for queries and for what is computed."""
    named: dict[str, Node] = {}
    nameless: list[Node] = []
    for name, node in written:
        if name is None:
            nameless.append(node)
        elif name in named:
            raise EvaluationError(f"duplicate named arg: {name}")
        else:
            named[name] = node
    if named and nameless:
        raise EvaluationError("cannot mix named and nameless arguments")
    if builtin.variadic:
        if named:
            raise EvaluationError("named arguments are not supported")
        return tuple(Static(node.value) if isinstance(node, Literal) else node for node in nameless)
    return _bind_named(builtin, named) if named else _bind_nameless(builtin, nameless)


class Static:
    """A literal argument, converted."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value


def _bind_nameless(builtin: Builtin, nodes: list[Node]) -> tuple[Any, ...]:
    params = builtin.params
    if len(nodes) > len(params):
        raise EvaluationError(f"wrong number of arguments, expected {len(params)}, got {len(nodes)}")
    bound = [_argument(param, node) for param, node in zip(params, nodes, strict=False)]
    rest = params[len(nodes) :]
    _complain_missing([param.name for param in rest if param.required])
    return (*bound, *(_absent(param) for param in rest))


def _bind_named(builtin: Builtin, named: dict[str, Node]) -> tuple[Any, ...]:
    bound = []
    missing = []
    left = dict(named)
    for param in builtin.params:
        node = left.pop(param.name, None)
        if node is not None:
            bound.append(_argument(param, node))
        elif param.required:
            missing.append(param.name)
        else:
            bound.append(_absent(param))
    if left:
        hint = f", did you mean {missing[0]}?" if len(missing) == 1 else ""
        if len(missing) > 1:
            hint = f", expected {', '.join(missing)}"
        plural = "s" if len(left) > 1 else ""
        raise EvaluationError(f"unknown parameter{plural} {', '.join(sorted(left))}{hint}")
    _complain_missing(missing)
    return tuple(bound)


def _complain_missing(names: list[str]) -> None:
    if names:
        raise EvaluationError(f"missing parameter{'s' if len(names) > 1 else ''}: {', '.join(names)}")


def _absent(param: Param) -> Any:
    value = param.absent
    return Literal(value) if param.type == "query" and value is not None else Static(value)


def _argument(param: Param, node: Node) -> Any:
    if param.type == "query" or not isinstance(node, Literal):
        return node
    try:
        return Static(param.convert(node.value))
    except EvaluationError as error:
        raise EvaluationError(f"field {param.name}: {error.text}") from None


def dynamic(params: tuple[Param, ...], bound: tuple[Any, ...]) -> list[tuple[int, str, Param | None]]:
    """The (position, name, parameter) of the arguments that are computed at every call. Variadic ones are numbered by
    their place among the computed ones, as in Bento."""
    found: list[tuple[int, str, Param | None]] = []
    for position, argument in enumerate(bound):
        if not isinstance(argument, Node):
            continue
        if not params:
            found.append((position, str(len(found)), None))
        elif params[position].type != "query":
            found.append((position, params[position].name, params[position]))
    return found
