"""Calls of built-ins as source: iterations become loops, everything that is pure is called as the closures call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock_gateway.document import Timestamp
from penstock_gateway.language.arguments import Static, dynamic
from penstock_gateway.language.compiler import Compiler
from penstock_gateway.language.nodes import Apply, Call, From, Node, Variable
from penstock_gateway.language.sharing import inside
from penstock_gateway.language.source.arithmetic import pay
from penstock_gateway.language.source.expressions import Expressions, Names
from penstock_gateway.language.source.writer import Atom, Unfit, Writer

# Functions that read the message and nothing else. All others look at the world or count: closures run them once.
_READING = frozenset((
    "batch_index", "batch_size", "content", "json", "meta", "metadata", "root_meta", "error", "errored", "error_source_label",
    "error_source_path", "error_source_type", "pi",
))  # fmt: skip
_RUNS_MAPPINGS = frozenset(("bloblang",))
_CASED = {"uppercase": "upper", "lowercase": "lower"}
_EXACT = {"string": "str", "bytes": "bytes", "array": "list", "object": "dict", "bool": "bool"}
_WITHOUT_FLOATS = frozenset((
    "all", "any", "bytes", "capitalize", "contains", "find", "format_json", "has_prefix", "has_suffix", "join", "keys", "length",
    "lowercase", "re_match", "replace_all", "slug", "string", "trim", "trim_prefix", "trim_suffix", "type", "uppercase",
))  # fmt: skip

Consume = Callable[[Atom], None]


def _pure(node: Call) -> bool:
    name = node.builtin.name
    if node.target is None:
        return name in _READING
    return not node.builtin.impure and name not in _RUNS_MAPPINGS


class Calls(Expressions):
    """Expressions with calls. `context` says that something needs the run (`ctx`), `slots` how many slots closures in it need."""

    def __init__(self, writer: Writer, fuel: str) -> None:
        super().__init__(writer, fuel)
        self.context = False
        self.slots = 0
        self._special: dict[str, Callable[[Call, Names], Atom | None]] = {
            "map_each": self._map_each, "filter": self._map_each, "sum": self._sum, "any": self._answers, "all": self._answers,
        }  # fmt: skip

    def call(self, node: Call, names: Names) -> Atom:
        """A call of a built-in."""
        if not _pure(node):
            raise Unfit(node.builtin.name)
        special = self._special.get(node.builtin.name) if node.target is not None else None
        if special is not None:
            found = special(node, names)
            if found is not None:
                return found
        computed = dynamic(node.builtin.params, node.arguments)
        nodes = [argument for argument in node.arguments if isinstance(argument, Node)]
        if node.builtin.lazy or len(nodes) != len(computed):
            return self._closure(node, names)
        if node.target is None:
            return self._function(node, names, computed)
        return self._method(node, names, computed)

    def _closure(self, node: Call, names: Names) -> Atom:
        """A call with queries that has no form of its own, if it only knows `this`: its closure."""
        for part in inside(node):
            if isinstance(part, Apply | From | Variable) or (isinstance(part, Call) and not _pure(part)):
                raise Unfit(node.builtin.name)
        compiler = Compiler()
        run = compiler.expression(node, compiler.top())
        self.context = True
        self.slots = max(self.slots, compiler.slots)
        current = names.this[-1] if names.this else None
        if current is None or any(getattr(part, "base", "") == "root" for part in inside(node)):
            raise Unfit(node.builtin.name)
        return Atom(f"{self.writer.bind(run)}(ctx, {current.code})", sentinel=True)

    # --- what is called -----------------------------------------------------------------------------------------------

    def _arguments(self, node: Call, names: Names, computed: list[tuple[int, str, Any]]) -> tuple[list[str], bool]:
        """The arguments as source, and whether one may be a sentinel."""
        convert = {position: param.convert if param is not None else None for position, _, param in computed}
        codes, sentinel = [], False
        for position, argument in enumerate(node.arguments):
            if isinstance(argument, Static):
                codes.append(self.writer.literal(argument.value))
                continue
            found = self.bound(argument, names)
            sentinel = sentinel or found.sentinel
            run = convert[position]
            codes.append(found.code if run is None else f"{self.writer.bind(run)}({found.code})")
        return codes, sentinel

    def _function(self, node: Call, names: Names, computed: list[tuple[int, str, Any]]) -> Atom:
        codes, _ = self._arguments(node, names, computed)
        builtin = node.builtin
        self.context = self.context or builtin.context
        ctx = ["ctx"] if builtin.context else []
        if not builtin.prepare:
            return Atom(f"{self.writer.bind(builtin.run)}({', '.join([*ctx, *codes])})")
        made = self.writer.bind(node.ready) if node.ready else f"{self.writer.bind(builtin.run)}({', '.join(codes)})"
        return Atom(f"{made}({', '.join(ctx)})")

    def _method(self, node: Call, names: Names, computed: list[tuple[int, str, Any]]) -> Atom:
        builtin = node.builtin
        assert node.target is not None
        codes, sentinel = self._arguments(node, names, computed)
        strict = builtin.receives != "any" or builtin.name in _CASED
        target = self.expression(node.target, names, strict=strict)
        self.context = self.context or builtin.context
        ctx = ["ctx"] if builtin.context else []
        if builtin.prepare:
            made = (
                self.writer.bind(node.ready) if node.ready else f"{self.writer.bind(builtin.run)}({', '.join(codes)})"
            )
            code = f"{made}({', '.join([*ctx, self._receiver(node, target)])})"
        elif builtin.name in _CASED:
            name, run = self.writer.store(target).code, self.writer.bind(builtin.run)
            code = f"({name}.{_CASED[builtin.name]}() if type({name}) is str and {name}.isascii() else {run}({name}))"
        else:
            code = f"{self.writer.bind(builtin.run)}({', '.join([*ctx, self._receiver(node, target), *codes])})"
        return Atom(code, None, builtin.name in _WITHOUT_FLOATS, sentinel or target.sentinel)

    def _receiver(self, node: Call, target: Atom) -> str:
        """The receiver, checked and converted."""
        check = node.builtin.receiver()
        if check is None:
            return target.code
        exact = _EXACT.get(node.builtin.receives) if isinstance(node.builtin.receives, str) else None
        if exact is None:
            if node.builtin.receives == "timestamp" and target.kind is Timestamp:
                return target.code
            return f"{self.writer.bind(check)}({target.code})"
        if target.kind is not None and target.kind.__name__ == exact:
            return target.code
        name = self.writer.store(target).code
        return f"({name} if type({name}) is {exact} else {self.writer.bind(check)}({name}))"

    # --- iterations ---------------------------------------------------------------------------------------------------

    def _each(self, node: Node, names: Names, consume: Consume, stages: int = 0, other: str = "unlisted") -> None:
        """A loop over an array; `map_each` and `filter` on it become its body. `other`: what is done with no array."""
        if (
            isinstance(node, Call)
            and node.builtin.name in ("map_each", "filter")
            and isinstance(node.arguments[0], Node)
        ):
            query, target = node.arguments[0], node.target
            assert target is not None
            if node.builtin.name == "filter":
                self._each(target, names, lambda item: self._kept(query, names, item, consume), stages + 1)
            else:
                self._each(target, names, lambda item: self._replaced(query, names, item, consume), stages + 1)
            return
        writer = self.writer
        source = self.bound(node, names, strict=True)
        if source.kind is not list:
            with writer.block(f"if type({source.code}) is not list:"):
                writer.line(f"{other}({source.code})")
        if stages:
            pay(writer, self.fuel, f"{stages} * len({source.code})" if stages > 1 else f"len({source.code})")
        item = writer.fresh()
        with writer.block(f"for {item} in {source.code}:"):
            consume(Atom(item, None, source.covered))

    def _kept(self, query: Node, names: Names, item: Atom, consume: Consume) -> None:
        found = self.expression(query, names.pushed(item))
        with self.writer.block(f"if {found.code}:" if found.kind is bool else f"if ({found.code}) is True:"):
            consume(item)

    def _replaced(self, query: Node, names: Names, item: Atom, consume: Consume) -> None:
        found = self.expression(query, names.pushed(item))
        if not found.sentinel:
            consume(found)
            return
        name = self.writer.fresh()
        self.writer.line(f"{name} = {found.code}")
        with self.writer.block(f"if {name} is NOTHING:"):
            self.writer.line(f"{name} = {item.code}")
        with self.writer.block(f"if {name} is not DELETED:"):
            consume(Atom(name, None, found.covered and item.covered))

    def _map_each(self, node: Call, names: Names) -> Atom | None:
        if not isinstance(node.arguments[0], Node):
            return None
        name = self.writer.fresh()
        covered: list[bool] = []

        def append(item: Atom) -> None:
            covered.append(item.covered)
            self.writer.line(f"{name}.append({item.code})")

        self.writer.line(f"{name} = []")
        self._each(node, names, append)
        return Atom(name, list, all(covered))

    def _sum(self, node: Call, names: Names) -> Atom | None:
        name = self.writer.fresh()

        def add(item: Atom) -> None:
            value = self.writer.store(item).code
            self.writer.line(f"{name} += {value} if type({value}) is float else get_number({value})")

        self.writer.line(f"{name} = 0.0")
        assert node.target is not None
        self._each(node.target, names, add, other="unsummed")
        return Atom(name, float)

    def _answers(self, node: Call, names: Names) -> Atom | None:
        """`any` and `all`: they stop early, so that what they iterate over is made before."""
        query = node.arguments[0]
        if not isinstance(query, Node) or node.target is None:
            return None
        writer, name, every = self.writer, self.writer.fresh(), node.builtin.name == "all"
        source = self.bound(node.target, names, strict=True)
        with writer.block(f"if type({source.code}) is not list:"):
            writer.line(f"unlisted({source.code})")
        pay(writer, self.fuel, f"len({source.code})")
        writer.line(f"{name} = bool({source.code})" if every else f"{name} = False")
        item = writer.fresh()
        with writer.block(f"for {item} in {source.code}:"):
            code = self.test(query, names.pushed(Atom(item, None, source.covered)), null=False)
            with writer.block(f"if not {code}:" if every else f"if {code}:"):
                writer.line(f"{name} = {not every}")
                writer.line("break")
        return Atom(name, bool, covered=True)
