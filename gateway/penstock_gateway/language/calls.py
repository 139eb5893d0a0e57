"""Calls of built-ins as closures: arguments that are computed, receivers that are checked, origins that are put on errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock_gateway.document import Timestamp, Uint8, Value
from penstock_gateway.language.arguments import Static, dynamic
from penstock_gateway.language.context import Execution
from penstock_gateway.language.errors import EvaluationError, annotated, wrapped
from penstock_gateway.language.nodes import Call, Literal, Node
from penstock_gateway.language.paths import Closure
from penstock_gateway.language.registry import Builtin, Param

if TYPE_CHECKING:
    from penstock_gateway.language.compiler import Compiler, Names

_EXACT_TYPES: dict[Any, type] = {
    "string": str, "bytes": bytes, "array": list, "object": dict, "timestamp": Timestamp, "bool": bool,
}  # fmt: skip
_NO_TYPE = type("_NoType", (), {})


def byte(item: Value, container: Value) -> Value:
    """An element of an array as it is; of bytes as uint8."""
    return Uint8(item) if type(container) is bytes else item


def _extract(
    ctx: Execution, this: Value, run: Closure, convert: Callable[[Value], Value], called: str, name: str
) -> Value:
    """A computed argument, converted."""
    try:
        return convert(run(ctx, this))
    except EvaluationError as error:
        raise wrapped(f"{called}: failed to extract input arg '{name}': ", error) from None


def dynamic_text(ctx: Execution, this: Value, run: Closure, method: str, name: str) -> str:
    """The computed string argument of a method."""
    text: str = _extract(ctx, this, run, Param(name, "string").convert, f"method '{method}'", name)
    return text


def dynamic_int(
    compiler: Compiler, node: Node, names: Names, method: str, name: str
) -> Callable[[Execution, Value], int]:
    """The integer argument of a method, computed or not."""
    convert = Param(name, "integer").convert
    if isinstance(node, Literal):
        fixed: int = convert(node.value)
        return lambda ctx, this: fixed
    run = compiler.expression(node, names)
    return lambda ctx, this: _extract(ctx, this, run, convert, f"method '{method}'", name)


class Arguments:
    """The arguments of one call site: what is fixed, what is computed at each call, and the slot queries need."""

    def __init__(self, compiler: Compiler, node: Call, names: Names) -> None:
        self.fixed: list[Any] = []
        self.slot: int | None = None
        self.bound_queries: list[tuple[int, Closure]] = []
        computed = {position: (name, param) for position, name, param in dynamic(node.builtin.params, node.arguments)}
        self.computed: list[tuple[int, str, Closure, Callable[[Value], Value]]] = []
        self.called = f"{'function' if node.target is None else 'method'} '{node.builtin.name}'"
        for position, argument in enumerate(node.arguments):
            if isinstance(argument, Static):
                self.fixed.append(argument.value)
            elif position in computed:
                name, param = computed[position]
                run = compiler.expression(argument, names)
                self.computed.append((position, name, run, param.convert if param else _as_it_is))
                self.fixed.append(None)
            elif node.target is None:
                self.bound_queries.append((position, compiler.expression(argument, names)))
                self.fixed.append(None)
            else:
                query, slot = compiler.query(argument, names)
                self.slot = slot if slot is not None else self.slot
                self.fixed.append(query)

    def values(self, ctx: Execution, this: Value) -> list[Any]:
        """All arguments of one call."""
        values = self.fixed.copy()
        for position, name, run, convert in self.computed:
            values[position] = _extract(ctx, this, run, convert, self.called, name)
        for position, bound in self.bound_queries:
            values[position] = _seeing(bound, this)
        return values


def _as_it_is(value: Value) -> Value:
    return value


def _seeing(query: Closure, this: Value) -> Closure:
    """A query argument of a function: it sees the caller's `this`."""
    return lambda ctx, value: query(ctx, this)


def closure(compiler: Compiler, node: Call, names: Names) -> Closure:
    """The closure of a call."""
    arguments = Arguments(compiler, node, names)
    if node.target is None:
        return _function(node, arguments)
    target = compiler.expression(node.target, names)
    if node.builtin.lazy:
        return _lazy(node, arguments, target)
    if arguments.computed:
        run = _computed(node, arguments, target)
    elif arguments.slot is not None:
        run = _stored(_method(node, arguments, target), arguments.slot)
    else:
        run = _method(node, arguments, target)
    return run


def _stored(run: Closure, slot: int) -> Closure:
    def store(ctx: Execution, this: Value) -> Value:
        ctx.slots[slot] = this
        return run(ctx, this)

    return store


def _function(node: Call, arguments: Arguments) -> Closure:
    builtin = node.builtin
    run, context = builtin.run, builtin.context
    if builtin.prepare:
        if node.ready is not None:
            ready = node.ready
            return (lambda ctx, this: ready(ctx)) if context else (lambda ctx, this: ready())
        if not arguments.computed:
            return _prepared_function(builtin, arguments)

        def prepare(ctx: Execution, this: Value) -> Value:
            made = run(*arguments.values(ctx, this))
            return made(ctx) if context else made()

        return prepare
    if not arguments.computed and not arguments.bound_queries:
        fixed = arguments.fixed
        if context:
            return (lambda ctx, this: run(ctx, *fixed)) if fixed else (lambda ctx, this: run(ctx))
        return lambda ctx, this: run(*fixed)
    if context:
        return lambda ctx, this: run(ctx, *arguments.values(ctx, this))
    return lambda ctx, this: run(*arguments.values(ctx, this))


def _prepared_function(builtin: Builtin, arguments: Arguments) -> Closure:
    """A function with queries that keeps state per call site (`counter`): the queries see the `this` of the moment."""
    current: list[Value] = [None]
    values = arguments.fixed.copy()
    for position, bound in arguments.bound_queries:
        values[position] = _seeing_current(bound, current)
    ready = builtin.run(*values)

    def call(ctx: Execution, this: Value) -> Value:
        current[0] = this
        return ready(ctx) if builtin.context else ready()

    return call


def _seeing_current(query: Closure, current: list[Value]) -> Closure:
    return lambda ctx, value: query(ctx, current[0])


def _method(node: Call, arguments: Arguments, target: Closure) -> Closure:
    """A method whose arguments are known: the hot case."""
    builtin = node.builtin
    run, fixed, context = builtin.run, arguments.fixed, builtin.context
    if builtin.prepare:
        run, fixed = node.ready or builtin.run(*fixed), []
    check = builtin.receiver()
    exact = _EXACT_TYPES.get(builtin.receives, _NO_TYPE) if check else object
    origin = node.target.annotation if node.target is not None and builtin.annotate else None
    if not fixed and not context and check is not None:
        return _plain(run, target, check, exact, origin)
    iterates = any(param.type == "query" for param in builtin.params)
    if len(fixed) == 1 and iterates and context and check is None:
        return _iterating(run, target, origin, fixed[0])
    if len(fixed) == 1 and not iterates and not context:
        return _single(run, target, check, exact, origin, fixed[0])

    def call(ctx: Execution, this: Value) -> Value:
        value = target(ctx, this)
        try:
            if check is not None and type(value) is not exact:
                value = check(value)
            if iterates:
                _pay(ctx, value)
            return run(ctx, value, *fixed) if context else run(value, *fixed)
        except EvaluationError as error:
            raise (annotated(error, origin) if origin is not None else error) from None

    return call


def _pay(ctx: Execution, value: Value) -> None:
    """One unit per element that a query will be asked about."""
    if type(value) is list or type(value) is dict:
        ctx.spend(len(value))


def _iterating(run: Any, target: Closure, origin: str | None, query: Any) -> Closure:
    """`map_each`, `filter` and their like: a receiver and one query."""

    def call(ctx: Execution, this: Value) -> Value:
        value = target(ctx, this)
        try:
            if type(value) is list or type(value) is dict:
                ctx.fuel -= len(value)
                if ctx.fuel < 0:
                    ctx.spend(0)
            return run(ctx, value, query)
        except EvaluationError as error:
            raise (annotated(error, origin) if origin is not None else error) from None

    return call


def _single(
    run: Any,
    target: Closure,
    check: Callable[[Value], Value] | None,
    exact: type,
    origin: str | None,
    argument: Any,
) -> Closure:
    """One argument that is known."""

    def call(ctx: Execution, this: Value) -> Value:
        value = target(ctx, this)
        try:
            if check is not None and type(value) is not exact:
                value = check(value)
            return run(value, argument)
        except EvaluationError as error:
            raise (annotated(error, origin) if origin is not None else error) from None

    return call


def _plain(run: Any, target: Closure, check: Callable[[Value], Value], exact: type, origin: str | None) -> Closure:
    def call(ctx: Execution, this: Value) -> Value:
        value = target(ctx, this)
        try:
            return run(value if type(value) is exact else check(value))
        except EvaluationError as error:
            raise (annotated(error, origin) if origin is not None else error) from None

    return call


def _computed(node: Call, arguments: Arguments, target: Closure) -> Closure:
    """A method with arguments that are computed at each call, before the receiver."""
    builtin = node.builtin
    run, context, slot = builtin.run, builtin.context, arguments.slot
    check = builtin.receiver()
    origin = node.target.annotation if node.target is not None and builtin.annotate else None

    def call(ctx: Execution, this: Value) -> Value:
        values = arguments.values(ctx, this)
        made = run(*values) if builtin.prepare else None
        value = target(ctx, this)
        if slot is not None:
            ctx.slots[slot] = this
        try:
            if check is not None:
                value = check(value)
            if made is not None:
                return made(ctx, value) if context else made(value)
            return run(ctx, value, *values) if context else run(value, *values)
        except EvaluationError as error:
            raise (annotated(error, origin) if origin is not None else error) from None

    return call


def _lazy(node: Call, arguments: Arguments, target: Closure) -> Closure:
    """A method that may live with a receiver that fails: it gets a function of the receiver."""
    builtin = node.builtin
    run, context, slot = builtin.run, builtin.context, arguments.slot
    origin = node.target.annotation if node.target is not None and builtin.annotate else None

    def call(ctx: Execution, this: Value) -> Value:
        values = arguments.values(ctx, this)
        failed: list[EvaluationError] = []

        def receiver() -> Value:
            try:
                return target(ctx, this)
            except EvaluationError as error:
                failed.append(error)
                raise

        if slot is not None:
            ctx.slots[slot] = this
        if builtin.prepare:
            made = run(*values)
            values = []
        else:
            made = run
        try:
            return made(ctx, receiver, *values) if context else made(receiver, *values)
        except EvaluationError as error:
            if origin is None or error in failed:
                raise
            raise annotated(error, origin) from None

    return call
