"""Expressions as closures `f(ctx, this) -> value`: one Python function per node, everything known beforehand bound.

The second argument is the *channel*: the innermost value that was pushed as context. `this` and lambda parameters are
names for channels. A name whose channel is the current one costs nothing (so a lambda itself compiles to its body); an outer
channel is read from a slot of the run, where the closure that pushed the inner one has stored it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from penstock_gateway.document import NOTHING, Sentinel, Value
from penstock_gateway.language import calls, operations, paths
from penstock_gateway.language.context import APPLY_COST, MAX_MAP_DEPTH, Execution
from penstock_gateway.language.errors import EvaluationError, NoContext, TooManyMaps, WrongType, wrapped
from penstock_gateway.language.gotext import go_type, go_value
from penstock_gateway.language.nodes import (
    Apply,
    Array,
    Call,
    Case,
    Catch,
    Field,
    From,
    Get,
    If,
    Index,
    Lambda,
    Literal,
    Match,
    Metadata,
    Node,
    Not,
    Object,
    Operation,
    Slice,
    Variable,
    Within,
)
from penstock_gateway.language.paths import Closure
from penstock_gateway.language.values import equal, get_int, text_of


class Scope:
    """One channel. `slot` is where outer values of it are stored, once somebody inside needs it."""

    __slots__ = ("slot",)

    def __init__(self) -> None:
        self.slot: int | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """What names mean at a place: the current channel, the stack of `this` (innermost last), the lambda parameters."""

    channel: Scope
    this: tuple[Scope, ...]
    labels: dict[str, Scope] = field(default_factory=dict)

    def pushed(self) -> Names:
        """Inside of a new channel that is `this`."""
        scope = Scope()
        return Names(scope, (*self.this, scope), self.labels)


def go_slice(items: list[Value] | str | bytes, bounds: list[int | None]) -> Value:
    """`[start:stop:step]` with Bento's rules for what lies outside."""
    start, stop, step = bounds
    if start is not None and stop is not None and step is None and start > stop:
        raise EvaluationError(f"lower slice bound ({start}) must be lower than upper ({stop})")
    if step == 0:
        raise EvaluationError("slice step cannot be zero")
    size, stride = len(items), step or 1
    if start is None:
        first = 0 if stride > 0 else size - 1
    else:
        first = min(max(size + start, 0) if start < 0 else start, size if stride > 0 else size - 1)
    if stop is None:
        after = size if stride > 0 else -1
    else:
        after = min(max(size + stop, -1) if stop < 0 else stop, size)
    picked = [items[place] for place in range(first, after, stride)]
    if isinstance(items, str):
        return "".join(str(character) for character in picked)
    return bytes(int(item) for item in picked) if isinstance(items, bytes) else picked


class Compiler:
    """Compiles the expressions of one mapping or named map; `slots` is how many slots a run needs."""

    def __init__(self) -> None:
        self.slots = 0
        self._compile: dict[type[Node], Callable[..., Closure]] = {
            Literal: self._literal, Field: self._field, Get: self._get, Metadata: self._metadata, Variable: self._variable,
            Operation: self._operation, Not: self._not, Array: self._array, Object: self._object, Match: self._match,
            If: self._if, Lambda: self._lambda, Within: self._within, Catch: self._catch, Apply: self._apply,
            From: self._from, Index: self._index, Slice: self._slice, Call: self._call,
        }  # fmt: skip

    def top(self) -> Names:
        """The names at the top of a mapping."""
        scope = Scope()
        return Names(scope, (scope,))

    def expression(self, node: Node, names: Names) -> Closure:
        """The closure of a node."""
        return self._compile[type(node)](node, names)

    def push(self, body: Node, names: Names) -> tuple[Closure, int | None]:
        """The closure of a body inside a new channel, and the slot the pusher must store its own channel in (or None)."""
        run = self.expression(body, names.pushed())
        return run, names.channel.slot

    def query(self, body: Node, names: Names) -> tuple[Closure, int | None]:
        """An argument that the built-in evaluates; it carries its origin."""
        run, slot = self.push(body, names)
        run.annotation = body.annotation  # type: ignore[attr-defined]  # the Query protocol of the registry
        return run, slot

    # --- leaves ---------------------------------------------------------------------------------------------------

    def _literal(self, node: Literal, names: Names) -> Closure:
        value = node.value
        return lambda ctx, this: value

    def _field(self, node: Field, names: Names) -> Closure:
        if node.base == "root":
            return paths.root_reader(node.path)
        if node.base != "this":
            scope = names.labels[node.base]
        elif names.this:
            scope = names.this[-1]
        else:
            return _no_context(node.path)
        if scope is names.channel:
            return paths.reader(node.path)
        if scope.slot is None:
            scope.slot = self.slots
            self.slots += 1
        return paths.slot_reader(scope.slot, node.path)

    def _get(self, node: Get, names: Names) -> Closure:
        target = self.expression(node.target, names)
        path = node.path
        if len(path) == 1:
            (key,) = path

            def step(ctx: Execution, this: Value) -> Value:
                value = target(ctx, this)
                return value.get(key) if type(value) is dict else paths.walk(value, path)

            return step
        return lambda ctx, this: paths.walk(target(ctx, this), path)

    def _metadata(self, node: Metadata, names: Names) -> Closure:
        key = node.key

        def read(ctx: Execution, this: Value) -> Value:
            if ctx.meta is None:
                raise EvaluationError("metadata cannot be queried in this context")
            return ctx.meta.get(key) if key else ctx.meta.copy()

        return read

    def _variable(self, node: Variable, names: Names) -> Closure:
        name = node.name

        def read(ctx: Execution, this: Value) -> Value:
            try:
                return ctx.variables[name]
            except KeyError:
                where = "variables were" if ctx.root is paths.NO_DOCUMENT else f"variable '{name}'"
                raise EvaluationError(f"{where} undefined") from None

        return read

    # --- operators and literals -----------------------------------------------------------------------------------

    def _operation(self, node: Operation, names: Names) -> Closure:
        left, right = self.expression(node.left, names), self.expression(node.right, names)
        return operations.closure(node, left, right)

    def _not(self, node: Not, names: Names) -> Closure:
        target = self.expression(node.target, names)
        origin = node.target.annotation

        def negate(ctx: Execution, this: Value) -> Value:
            value = target(ctx, this)
            if type(value) is bool:
                return not value
            raise WrongType(value, "bool", origin=origin)

        return negate

    def _array(self, node: Array, names: Names) -> Closure:
        items = [self.expression(item, names) for item in node.items]

        def build(ctx: Execution, this: Value) -> Value:
            values = [item(ctx, this) for item in items]
            for value in values:
                if type(value) is Sentinel:
                    return [value for value in values if type(value) is not Sentinel]
            return values

        return build

    def _object(self, node: Object, names: Names) -> Closure:
        pairs = [
            (
                key.value if isinstance(key, Literal) else None,
                self.expression(key, names),
                self.expression(value, names),
            )
            for key, value in node.pairs
        ]

        def build(ctx: Execution, this: Value) -> Value:
            built: dict[str, Value] = {}
            for fixed, key, item in pairs:
                name = fixed if fixed is not None else _key(ctx, this, key)
                try:
                    value = item(ctx, this)
                except EvaluationError as error:
                    raise wrapped(f"failed to resolve '{name}' value: ", error) from None
                if type(value) is not Sentinel:
                    built[name] = value
            return built

        return build

    # --- control flow ---------------------------------------------------------------------------------------------

    def _if(self, node: If, names: Names) -> Closure:
        branches = [
            (self.expression(test, names), self.expression(body, names), test.annotation, f" {place}" if place else "")
            for place, (test, body) in enumerate(node.branches)
        ]
        otherwise = self.expression(node.otherwise, names) if node.otherwise else lambda ctx, this: NOTHING
        if len(branches) == 1:
            return _single_if(branches[0][0], branches[0][1], otherwise, branches[0][2])

        def choose(ctx: Execution, this: Value) -> Value:
            for test, body, origin, place in branches:
                if _holds(ctx, this, test, origin, place):
                    return body(ctx, this)
            return otherwise(ctx, this)

        return choose

    def _match(self, node: Match, names: Names) -> Closure:
        if node.subject is None:
            inner = Names(names.channel, (*names.this, names.this[-1]) if names.this else (), names.labels)
            return _cases([self._case(case, inner) for case in node.cases])
        subject = self.expression(node.subject, names)
        inner = names.pushed()
        run = _cases([self._case(case, inner) for case in node.cases])
        return _stored(subject, run, names.channel.slot)

    def _case(self, case: Case, names: Names) -> tuple[Closure | None, Closure]:
        result = self.expression(case.result, names)
        if case.test is None:
            return None, result
        if not isinstance(case.test, Literal):
            return self.expression(case.test, names), result
        wanted = case.test.value
        if not names.this:
            return (lambda ctx, this: False), result
        current = self._field(Field("this"), names)
        kind = type(wanted)
        if kind not in (str, int, bool):
            return (lambda ctx, this: equal(current(ctx, this), wanted)), result

        def same(ctx: Execution, this: Value) -> Value:
            value = current(ctx, this)
            return value == wanted if type(value) is kind else equal(value, wanted)

        return same, result

    def _lambda(self, node: Lambda, names: Names) -> Closure:
        if not names.this:
            return _uncaptured(node.name)
        labels = names.labels if node.name == "_" else {**names.labels, node.name: names.this[-1]}
        return self.expression(node.body, Names(names.channel, names.this[:-1], labels))

    def _within(self, node: Within, names: Names) -> Closure:
        target = self.expression(node.target, names)
        body, slot = self.push(node.body, names)
        return _stored(target, body, slot)

    def _catch(self, node: Catch, names: Names) -> Closure:
        target = self.expression(node.target, names)
        fallback, slot = self.push(node.fallback, names)

        def attempt(ctx: Execution, this: Value) -> Value:
            try:
                return target(ctx, this)
            except EvaluationError as error:
                if slot is not None:
                    ctx.slots[slot] = this
                return fallback(ctx, error.text)

        return attempt

    # --- maps, batches, brackets ----------------------------------------------------------------------------------

    def _apply(self, node: Apply, names: Names) -> Closure:
        target, name_of = self.expression(node.target, names), self.expression(node.name, names)
        static = isinstance(node.name, Literal)

        def apply(ctx: Execution, this: Value) -> Value:
            name = name_of(ctx, this) if static else calls.dynamic_text(ctx, this, name_of, "apply", "mapping")
            value = target(ctx, this)
            body = ctx.maps.get(name)
            if body is None:
                raise EvaluationError(f"map {name} was not found")
            ctx.spend(APPLY_COST)
            if ctx.depth >= MAX_MAP_DEPTH:
                raise TooManyMaps(name, MAX_MAP_DEPTH)
            try:
                return body.run(ctx, value)
            except RecursionError:
                raise TooManyMaps(name, MAX_MAP_DEPTH) from None

        return apply

    def _from(self, node: From, names: Names) -> Closure:
        target = self.expression(node.target, names)
        index = None if node.index is None else calls.dynamic_int(self, node.index, names, "from", "index")

        def at(ctx: Execution, this: Value, place: int) -> Value:
            before, ctx.index = ctx.index, place
            try:
                return target(ctx, this)
            finally:
                ctx.index = before

        if index is None:
            return lambda ctx, this: [at(ctx, this, place) for place in range(len(ctx.batch))]
        return lambda ctx, this: at(ctx, this, index(ctx, this))

    def _index(self, node: Index, names: Names) -> Closure:
        target, place = self.expression(node.target, names), self.expression(node.index, names)

        def pick(ctx: Execution, this: Value) -> Value:
            value, wanted = target(ctx, this), place(ctx, this)
            try:
                index = get_int(wanted)
            except WrongType as error:
                raise wrapped("index: ", error) from None
            if type(value) not in (str, bytes, list):
                raise WrongType(value, "array", "string")
            items = value.encode("utf-8", "surrogateescape") if type(value) is str else value
            position = index + len(items) if index < 0 else index
            if not 0 <= position < len(items):
                raise EvaluationError(f"index {position} out of bounds for length {len(items)}")
            return chr(items[position]) if type(value) is str else calls.byte(items[position], value)

        return pick

    def _slice(self, node: Slice, names: Names) -> Closure:
        target = self.expression(node.target, names)
        written = ((node.start, "slice start bound: "), (node.stop, "slice end bound: "), (node.step, "slice step: "))
        bounds = [(self.expression(bound, names), prefix) if bound else None for bound, prefix in written]

        def cut(ctx: Execution, this: Value) -> Value:
            value = target(ctx, this)
            numbers = [None if bound is None else _bound(ctx, this, *bound) for bound in bounds]
            if type(value) not in (str, bytes, list):
                raise WrongType(value, "array", "string")
            return go_slice(value, numbers)

        return cut

    def _call(self, node: Call, names: Names) -> Closure:
        return calls.closure(self, node, names)


def _bound(ctx: Execution, this: Value, bound: Closure, prefix: str) -> int:
    try:
        return get_int(bound(ctx, this))
    except WrongType as error:
        raise wrapped(prefix, error) from None


def _key(ctx: Execution, this: Value, key: Closure) -> str:
    try:
        name = key(ctx, this)
    except EvaluationError as error:
        raise wrapped("failed to resolve key: ", error) from None
    if type(name) is bytes:
        return text_of(name)
    if type(name) is not str:
        raise EvaluationError(f"mapping returned invalid key type: {go_type(name)}")
    return name


def _no_context(path: tuple[str, ...]) -> Closure:
    def read(ctx: Execution, this: Value) -> Value:
        raise NoContext(".".join(path))

    return read


def _uncaptured(name: str) -> Closure:
    def fail(ctx: Execution, this: Value) -> Value:
        raise EvaluationError(f"failed to capture context {name}: context was undefined", cause=NoContext())

    return fail


def _stored(target: Closure, body: Closure, slot: int | None) -> Closure:
    """The body with the target's value as its channel; the outer channel goes to its slot when the body needs it."""
    if slot is None:
        return lambda ctx, this: body(ctx, target(ctx, this))

    def run(ctx: Execution, this: Value) -> Value:
        value = target(ctx, this)
        ctx.slots[slot] = this
        return body(ctx, value)

    return run


def _not_boolean(value: Value, origin: str) -> EvaluationError:
    return EvaluationError(f"{origin} resolved to a non-boolean value {go_value(value)} ({go_type(value)})")


def _holds(ctx: Execution, this: Value, test: Closure, origin: str, place: str) -> bool:
    """The condition of an if expression; null counts as false."""
    try:
        value = test(ctx, this)
    except EvaluationError as error:
        raise wrapped(f"failed to check if condition{place}: ", error) from None
    if value is None or type(value) is bool:
        return bool(value)
    raise _not_boolean(value, origin)


def _single_if(test: Closure, body: Closure, otherwise: Closure, origin: str) -> Closure:
    def choose(ctx: Execution, this: Value) -> Value:
        try:
            value = test(ctx, this)
        except EvaluationError as error:
            raise wrapped("failed to check if condition: ", error) from None
        if value is True:
            return body(ctx, this)
        if value is False or value is None:
            return otherwise(ctx, this)
        raise _not_boolean(value, origin)

    return choose


def _cases(cases: list[tuple[Closure | None, Closure]]) -> Closure:
    def choose(ctx: Execution, this: Value) -> Value:
        for place, (test, result) in enumerate(cases):
            if test is None:
                return result(ctx, this)
            try:
                matched = test(ctx, this)
            except EvaluationError as error:
                raise wrapped(f"failed to check match case {place}: ", error) from None
            if matched is True:
                return result(ctx, this)
        return NOTHING

    return choose
