"""Expressions as source. Guards know the common types; what they do not know is left to the functions the closures use, or
to the closures themselves (Doubt). In what stands left of `|` nothing may raise for a value that is merely absent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from penstock_gateway.document import DELETED, NOTHING, Sentinel
from penstock_gateway.language.nodes import (
    Array,
    Call,
    Case,
    Catch,
    Field,
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
    Variable,
    Within,
)
from penstock_gateway.language.source import arithmetic
from penstock_gateway.language.source.writer import Atom, Unfit, Writer


@dataclass(frozen=True, slots=True)
class Names:
    """What names mean at a place: the stack of `this` (innermost last) and the lambda parameters."""

    this: tuple[Atom | None, ...]
    labels: dict[str, Atom | None] = field(default_factory=dict)

    def pushed(self, value: Atom | None) -> Names:
        """Inside of a new context; None: one whose value is not at hand."""
        return Names((*self.this, value), self.labels)


def _quiet(node: Node) -> bool:
    """Whether a node cannot fail."""
    if isinstance(node, Operation) and node.operator == "|":
        return _quiet(node.right)
    return isinstance(node, Field | Literal)


class Expressions:
    """Writes the expressions of one function; `call` writes calls of built-ins."""

    def __init__(self, writer: Writer, fuel: str) -> None:
        self.writer = writer
        self.fuel = fuel
        self.fields = False
        self.tolerant = 0
        self.root_read: Callable[[], None] = lambda: None
        self._emit: dict[type[Node], Callable[..., Atom]] = {
            Literal: self._literal, Field: self._field, Get: self._get, Metadata: self._metadata,
            Variable: self._variable, Operation: self._operation, Not: self._not, Array: self._array,
            Object: self._object, If: self._if, Match: self._match, Lambda: self._lambda, Within: self._within,
            Catch: self._catch, Index: self._index, Call: self.call,
        }  # fmt: skip

    def call(self, node: Call, names: Names) -> Atom:
        """A call of a built-in."""
        raise Unfit(node.builtin.name)

    def expression(self, node: Node, names: Names, *, strict: bool = False) -> Atom:
        """The source of a node; `strict`: null would be refused anyway, so that an absent field may raise."""
        if strict and isinstance(node, Field) and node.base != "root" and not self.tolerant:
            return self._subscripts(node, names)
        emit = self._emit.get(type(node))
        if emit is None:
            raise Unfit(type(node).__name__)
        return emit(node, names)

    def bound(self, node: Node, names: Names, *, strict: bool = False) -> Atom:
        """The same in a local name."""
        return self.writer.store(self.expression(node, names, strict=strict))

    # --- leaves -------------------------------------------------------------------------------------------------------

    def _literal(self, node: Literal, names: Names) -> Atom:
        kind = type(node.value)
        if kind is Sentinel:
            return Atom("DELETED" if node.value is DELETED else "NOTHING", kind, covered=True, sentinel=True)
        known = kind in (str, int, bool, type(None))
        return Atom(self.writer.literal(node.value), kind, covered=known)

    def _base(self, node: Field, names: Names) -> Atom:
        found = (names.this[-1] if names.this else None) if node.base == "this" else names.labels[node.base]
        if found is None:
            raise Unfit("a context that is not at hand")
        if found.code == "this" and node.path:
            self.fields = True  # the function begins with a guard: this is an object
            found = Atom("this", dict, covered=True)
        return found

    def _subscripts(self, node: Field, names: Names) -> Atom:
        if any(segment == "*" or segment.isdigit() for segment in node.path):
            return self._field(node, names)
        base = self._base(node, names)
        steps = "".join(f"[{self.writer.literal(segment)}]" for segment in node.path)
        return Atom(base.code + steps, None, base.covered) if steps else base

    def _field(self, node: Field, names: Names) -> Atom:
        if node.base == "root":
            self.root_read()
            return Atom(f"walk(root, {self.writer.bind(node.path)})", sentinel=not node.path)
        return self._below(self._base(node, names), node.path)

    def _below(self, value: Atom, path: tuple[str, ...]) -> Atom:
        if any(segment == "*" or segment.isdigit() for segment in path):
            return Atom(f"walk({value.code}, {self.writer.bind(path)})", None, value.covered)
        for segment in path:
            value = self.writer.store(value)
            step = f"{value.code}.get({self.writer.literal(segment)})"
            if value.kind is not dict:
                step = f"({step} if type({value.code}) is dict else walk({value.code}, {self.writer.bind((segment,))}))"
            value = Atom(step, None, value.covered)
        return value

    def _get(self, node: Get, names: Names) -> Atom:
        return self._below(self.bound(node.target, names), node.path)

    def _metadata(self, node: Metadata, names: Names) -> Atom:
        return Atom(f"meta.get({self.writer.literal(node.key)})") if node.key else Atom("meta.copy()", dict)

    def _variable(self, node: Variable, names: Names) -> Atom:
        return Atom(self.variable(node.name))

    def variable(self, name: str) -> str:
        """The local name of a variable: its letters and digits never reach the source."""
        return "v_" + name.encode().hex()

    # --- operators ----------------------------------------------------------------------------------------------------

    def _operation(self, node: Operation, names: Names) -> Atom:
        operator = node.operator
        if operator == "|":
            return self._coalesce(node, names)
        if operator in ("&&", "||"):
            return self._logic(node, names)
        if operator == "+":
            return self._plus(node, names)
        nullable = operator in ("==", "!=")
        left = self.bound(node.left, names, strict=not nullable)
        right = self.expression(node.right, names, strict=not nullable)
        if operator in arithmetic.COMPARISONS:
            return arithmetic.compared(self.writer, operator, left, right, node.right)
        if operator == "*":
            return arithmetic.multiplied(self.writer, left, right)
        return arithmetic.general(self.writer, operator, left, right)

    def _plus(self, node: Operation, names: Names) -> Atom:
        nodes: list[Node] = [node.right]
        left = node.left
        while isinstance(left, Operation) and left.operator == "+" and not self.tolerant:
            nodes.insert(0, left.right)
            left = left.left
        nodes.insert(0, left)
        atoms = [
            self.bound(each, names, strict=True) if not isinstance(each, Literal) else self.expression(each, names)
            for each in nodes
        ]
        if any(atom.kind is str for atom in atoms):
            return arithmetic.joined(self.writer, self.fuel, atoms)
        total = atoms[0]
        for atom in atoms[1:]:
            total = arithmetic.added(self.writer, self.fuel, total, atom)
        return total

    def _coalesce(self, node: Operation, names: Names) -> Atom:
        name = self.writer.fresh()
        left = self._attempt(name, node.left, names)
        other = f" or type({name}) is Sentinel" if left.sentinel else ""
        with self.writer.block(f"if {name} is None{other}:"):
            right = self.expression(node.right, names)
            self.writer.line(f"{name} = {right.code}")
        kind = left.kind if left.kind is right.kind else None
        return Atom(name, kind, left.covered and right.covered, right.sentinel)

    def _attempt(self, name: str, node: Node, names: Names) -> Atom:
        """Give a name the value of a node, or None when the node fails."""
        self.tolerant += 1
        if _quiet(node):
            found = self.expression(node, names)
            self.writer.line(f"{name} = {found.code}")
        else:
            with self.writer.block("try:"):
                found = self.expression(node, names)
                self.writer.line(f"{name} = {found.code}")
            with self.writer.block("except EvaluationError:"):
                self.writer.line(f"{name} = None")
        self.tolerant -= 1
        return found

    def _catch(self, node: Catch, names: Names) -> Atom:
        name = self.writer.fresh()
        self.tolerant += 1
        with self.writer.block("try:"):
            found = self.expression(node.target, names)
            self.writer.line(f"{name} = {found.code}")
        self.tolerant -= 1
        with self.writer.block("except EvaluationError:"):
            other = self.expression(node.fallback, names.pushed(None))
            self.writer.line(f"{name} = {other.code}")
        return Atom(name, None, found.covered and other.covered, found.sentinel or other.sentinel)

    def _logic(self, node: Operation, names: Names) -> Atom:
        name = self.writer.fresh()
        self._boolean(name, node.left, names)
        with self.writer.block(f"if {name}:" if node.operator == "&&" else f"if not {name}:"):
            self._boolean(name, node.right, names)
        return Atom(name, bool, covered=True)

    def _boolean(self, name: str, node: Node, names: Names) -> None:
        found = self.expression(node, names, strict=True)
        self.writer.line(f"{name} = {found.code}")
        if found.kind is not bool:
            with self.writer.block(f"if type({name}) is not bool:"):
                self.writer.line(f"{name} = get_bool({name})")

    def _not(self, node: Not, names: Names) -> Atom:
        target = self.expression(node.target, names, strict=True)
        if target.kind is not bool:
            target = self.writer.store(target)
            return Atom(f"(not {target.code} if type({target.code}) is bool else wrong())", bool, covered=True)
        return Atom(f"(not {target.code})", bool, covered=True)

    # --- control flow -------------------------------------------------------------------------------------------------

    def test(self, node: Node, names: Names, *, null: bool) -> str:
        """A condition; anything but a bool (and null, where it counts as false) raises."""
        found = self.expression(node, names)
        if found.kind is bool:
            return found.code
        name = self.writer.store(found).code
        allowed = f"{name} is None or type({name}) is bool" if null else f"type({name}) is bool"
        with self.writer.block(f"if not ({allowed}):"):
            self.writer.line("wrong()")
        return name

    def choice(self, code: str, yes: Callable[[], Atom], no: Callable[[], Atom]) -> Atom:
        """One of two values."""
        writer = self.writer
        with writer.aside() as first:
            a = yes()
        with writer.aside() as second:
            b = no()
        kind, covered, sentinel = (
            a.kind if a.kind is b.kind else None,
            a.covered and b.covered,
            a.sentinel or b.sentinel,
        )
        if not first and not second:
            return Atom(f"({a.code} if {code} else {b.code})", kind, covered, sentinel)
        name = writer.fresh()
        indent = " " * (writer.depth + 1)
        writer.line(f"if {code}:")
        writer.lines += [*first, f"{indent}{name} = {a.code}"]
        writer.line("else:")
        writer.lines += [*second, f"{indent}{name} = {b.code}"]
        return Atom(name, kind, covered, sentinel)

    def _if(self, node: If, names: Names) -> Atom:
        return self._branch(node, 0, names)

    def _branch(self, node: If, place: int, names: Names) -> Atom:
        if place == len(node.branches):
            return self.expression(node.otherwise or Literal(NOTHING), names)
        test, body = node.branches[place]
        code = self.test(test, names, null=True)
        return self.choice(code, lambda: self.expression(body, names), lambda: self._branch(node, place + 1, names))

    def _match(self, node: Match, names: Names) -> Atom:
        if node.subject is None:
            return self._cases(node.cases, Names((*names.this, names.this[-1]), names.labels))
        return self._cases(node.cases, names.pushed(self.bound(node.subject, names)))

    def _cases(self, cases: tuple[Case, ...], names: Names) -> Atom:
        if not cases:
            return self.expression(Literal(NOTHING), names)
        case = cases[0]
        if case.test is None:
            return self.expression(case.result, names)
        if isinstance(case.test, Literal):
            code = self._matches(self._base(Field("this"), names), case.test)
        else:
            found = self.expression(case.test, names)
            code = found.code if found.kind is bool else f"{found.code} is True"
        return self.choice(code, lambda: self.expression(case.result, names), lambda: self._cases(cases[1:], names))

    def _matches(self, current: Atom, wanted: Literal) -> str:
        literal, kind = self.writer.literal(wanted.value), type(wanted.value)
        if kind not in (str, int, bool):
            return f"equal({current.code}, {literal})"
        return f"({current.code} == {literal} if type({current.code}) is {kind.__name__} else equal({current.code}, {literal}))"

    def _lambda(self, node: Lambda, names: Names) -> Atom:
        if not names.this:
            raise Unfit("a lambda without a context")
        labels = names.labels if node.name == "_" else {**names.labels, node.name: names.this[-1]}
        return self.expression(node.body, Names(names.this[:-1], labels))

    def _within(self, node: Within, names: Names) -> Atom:
        return self.expression(node.body, names.pushed(self.bound(node.target, names)))

    # --- containers ---------------------------------------------------------------------------------------------------

    def _array(self, node: Array, names: Names) -> Atom:
        items = [self.bound(item, names) for item in node.items]
        covered = all(item.covered for item in items)
        if any(item.sentinel for item in items):
            return Atom(f"present(({', '.join(item.code for item in items)},))", list, covered)
        return Atom(f"[{', '.join(item.code for item in items)}]", list, covered)

    def _object(self, node: Object, names: Names) -> Atom:
        name, covered = self.writer.fresh(), True
        self.writer.line(f"{name} = {{}}")
        for key, value in node.pairs:
            if not (isinstance(key, Literal) and type(key.value) is str):
                raise Unfit("a computed key")
            found = self.expression(value, names)
            covered = covered and found.covered
            spot = f"{name}[{self.writer.literal(key.value)}]"
            if not found.sentinel:
                self.writer.line(f"{spot} = {found.code}")
                continue
            found = self.writer.store(found)
            with self.writer.block(f"if type({found.code}) is not Sentinel:"):
                self.writer.line(f"{spot} = {found.code}")
        return Atom(name, dict, covered)

    def _index(self, node: Index, names: Names) -> Atom:
        if not (isinstance(node.index, Literal) and type(node.index.value) is int):
            raise Unfit("a computed index")
        target = self.bound(node.target, names)
        code = f"({target.code}[{node.index.value!r}] if type({target.code}) is list else doubt())"
        return Atom(code, None, target.covered)
