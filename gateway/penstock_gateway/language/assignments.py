"""Statements as closures `run(ctx, this)`: what is assigned where, and the statement `if`."""

from __future__ import annotations

from collections.abc import Callable

from penstock_gateway.document import DELETED, NOTHING, Sentinel, Value, is_plain
from penstock_gateway.language import paths
from penstock_gateway.language.context import Execution
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.gotext import go_type, go_value
from penstock_gateway.language.nodes import Assignment, Field, Literal, Node
from penstock_gateway.language.paths import Closure

Run = Callable[[Execution, Value], None]


def assignment(statement: Assignment, value: Closure) -> Run:
    """The closure of an assignment over the closure of its value."""
    path = statement.path
    if statement.where == "let":
        return _assign_variable(path[0], value)
    if statement.where == "meta":
        return _assign_meta(path, value)
    known = _is_input(statement.value)
    if len(path) == 1 and path[0] not in ("-", "*"):
        if isinstance(statement.value, Literal) and statement.value.value is DELETED:
            return _delete_field(path[0])
        return _assign_field(path[0], value, known)
    value = value if known else _looking(value)
    return _assign_path(path, value) if path else _assign_root(value)


def _look(ctx: Execution, result: Value) -> None:
    """Note whether an assigned value needs a closer look when the document is written."""
    kind = type(result)
    if (kind is float or kind is dict or kind is list) and ctx.plain and not is_plain(result):
        ctx.plain = False


def _is_input(node: Node) -> bool:
    """Whether the value is a part of the input document: those are covered by the input's own flag."""
    return isinstance(node, Field) and node.base == "this"


def _looking(value: Closure) -> Closure:
    def run(ctx: Execution, this: Value) -> Value:
        result = value(ctx, this)
        _look(ctx, result)
        return result

    return run


def _assign_root(value: Closure) -> Run:
    def run(ctx: Execution, this: Value) -> None:
        result = value(ctx, this)
        if result is not NOTHING:
            ctx.root = result
            ctx.fresh = False
            ctx.replaced = True

    return run


def _assign_field(key: str, value: Closure, known: bool) -> Run:
    """A field directly below root: the common target. `known`: the value is a part of the input document."""
    path = (key,)

    def run(ctx: Execution, this: Value) -> None:
        result = value(ctx, this)
        kind = type(result)
        if kind is Sentinel:
            if result is DELETED:
                paths.remove(ctx, path)
            return
        if not known and (kind is float or kind is dict or kind is list) and ctx.plain and not is_plain(result):
            ctx.plain = False
        root = ctx.root
        if type(root) is dict:
            if not ctx.fresh:
                ctx.root = root = root.copy()
                ctx.fresh = True
                ctx.owned = {}
            root[key] = result
        else:
            paths.write(ctx, path, result)

    return run


def _delete_field(key: str) -> Run:
    """`root.key = deleted()`."""
    path = (key,)

    def run(ctx: Execution, this: Value) -> None:
        if type(ctx.root) is not dict:
            paths.remove(ctx, path)
        elif key in ctx.root:
            if not ctx.fresh:
                ctx.root = ctx.root.copy()
                ctx.fresh = True
                ctx.owned = {}
            del ctx.root[key]

    return run


def _assign_path(path: tuple[str, ...], value: Closure) -> Run:
    if len(path) == 2 and "-" not in path:
        return _assign_second(path[0], path[1], value)

    def run(ctx: Execution, this: Value) -> None:
        result = value(ctx, this)
        if type(result) is not Sentinel:
            paths.write(ctx, path, result)
        elif result is DELETED:
            paths.remove(ctx, path)

    return run


def _assign_second(first: str, second: str, value: Closure) -> Run:
    """A field of an object directly below root."""
    path = (first, second)

    def run(ctx: Execution, this: Value) -> None:
        result = value(ctx, this)
        if type(result) is Sentinel:
            if result is DELETED:
                paths.remove(ctx, path)
            return
        root = ctx.root
        if type(root) is dict and type(inner := root.get(first)) is dict:
            if not ctx.fresh:
                ctx.root = root = root.copy()
                ctx.fresh = True
                ctx.owned = {}
            if id(inner) not in ctx.owned:
                root[first] = inner = inner.copy()
                ctx.owned[id(inner)] = inner
            inner[second] = result
        else:
            paths.write(ctx, path, result)

    return run


def _assign_variable(name: str, value: Closure) -> Run:
    def run(ctx: Execution, this: Value) -> None:
        result = value(ctx, this)
        if result is DELETED:
            ctx.variables.pop(name, None)
        elif result is not NOTHING:
            ctx.variables[name] = result

    return run


def _assign_meta(path: tuple[str, ...], value: Closure) -> Run:
    def run(ctx: Execution, this: Value) -> None:
        result = value(ctx, this)
        if result is NOTHING:
            return
        if ctx.meta is None or ctx.depth:  # named maps read metadata but write none, not even inside of an if
            raise EvaluationError("unable to assign metadata in the current context")
        if not path:
            if result is not DELETED and type(result) is not dict:
                why = f"setting root meta object requires object value, received: {go_type(result)}"
                raise EvaluationError(why)
            ctx.meta = result.copy() if type(result) is dict else {}
            ctx.meta_fresh = True
            return
        if not ctx.meta_fresh:
            ctx.meta = ctx.meta.copy()
            ctx.meta_fresh = True
        if result is DELETED:
            ctx.meta.pop(path[0], None)
        else:
            ctx.meta[path[0]] = result

    return run


def followed(ctx: Execution, this: Value) -> Value:
    """What `this` is after a statement of a mutation. Root must not be changed in place while it is also `this`."""
    if ctx.replaced:
        return this
    ctx.fresh = False
    return ctx.root


def branching(branches: list[tuple[Closure | None, str, list[Run]]]) -> Run:
    def run(ctx: Execution, this: Value) -> None:
        for place, (test, origin, body) in enumerate(branches):
            if test is not None and not _holds(ctx, this, test, origin, place + 1):
                continue
            for statement in body:
                statement(ctx, this)
                if ctx.follow:
                    this = followed(ctx, this)
            return

    return run


def _holds(ctx: Execution, this: Value, test: Closure, origin: str, place: int) -> bool:
    """The condition of a statement: here null is no false."""
    try:
        value = test(ctx, this)
    except EvaluationError as error:
        text = f"failed to check if condition {place}: {error.text}"
        raise EvaluationError(text, has_origin=error.has_origin, cause=error) from None
    if type(value) is not bool:
        raise EvaluationError(f"{origin} resolved to a non-boolean value {go_value(value)} ({go_type(value)})")
    return value
