"""Statements as source: what is assigned where. Containers are copied before the first write into them, and only then; which
ones the run owns is known while the source is written."""

from __future__ import annotations

from penstock_gateway.document import DELETED
from penstock_gateway.language.nodes import Assignment, Branching, Literal, Node, Statement
from penstock_gateway.language.source.calls import Calls
from penstock_gateway.language.source.expressions import Names
from penstock_gateway.language.source.writer import Atom, Unfit, Writer

_NO_FLOATS = (str, bool, int, type(None), bytes)
_TOP = Names((Atom("this", None, covered=True),))


class Statements:
    """Writes the statements of one mapping. Root is `none` (never assigned), `this` (the input), `dict` (known to be an
    object) or `any`; `owned` maps paths to the local names of their containers, () to root's own."""

    def __init__(self, writer: Writer, fuel: str, *, follow: bool, looks: bool) -> None:
        self.writer = writer
        self.calls = Calls(writer, fuel)
        self.calls.root_read = self._shared
        self.follow, self.looks = follow, looks
        self.root = "this" if follow else "none"
        self.owned: dict[tuple[str, ...], str] = {}
        self.metadata = False

    def _shared(self) -> None:
        """Root was read: nothing below it belongs to the run alone any more."""
        self.owned = {}

    def statement(self, statement: Statement) -> None:
        """One statement."""
        if isinstance(statement, Branching):
            self._branching(statement, 0)
        elif statement.where == "let":
            self._let(statement)
        elif statement.where == "meta":
            self._meta(statement)
        else:
            self._root(statement)
            if self.follow:
                self._followed()

    def _followed(self) -> None:
        """From here on `this` is the root as it is now, unless root was replaced as a whole; so no part of it may change."""
        with self.writer.block("if not replaced:"):
            self.writer.line("this = root")
        self.owned = {}
        self.root = "any" if self.root == "this" else self.root

    # --- branches -----------------------------------------------------------------------------------------------------

    def _branching(self, node: Branching, place: int) -> None:
        if place == len(node.branches):
            return
        test, body = node.branches[place]
        if test is None:
            for statement in body:
                self.statement(statement)
            return
        code = self.calls.test(test, _TOP, null=False)
        root, owned = self.root, dict(self.owned)
        with self.writer.block(f"if {code}:"):
            for statement in body:
                self.statement(statement)
        taken = (self.root, self.owned)
        self.root, self.owned = root, owned
        with self.writer.block("else:"):
            self._branching(node, place + 1)
        self._merge(*taken)

    def _merge(self, root: str, owned: dict[tuple[str, ...], str]) -> None:
        """Both ways lead here: only what holds on both is known."""
        self.root = root if self.root == root else "any"
        self.owned = {path: name for path, name in self.owned.items() if owned.get(path) == name}

    # --- targets ------------------------------------------------------------------------------------------------------

    def _value(self, node: Node) -> Atom:
        found = self.calls.bound(node, _TOP)
        if self.looks and not found.covered and found.kind not in _NO_FLOATS:
            self._look(found)
        return found

    def _look(self, value: Atom) -> None:
        """Note a value that needs a closer look when the document is written."""
        name = value.code
        if value.kind is float:
            test = f"not 1e-5 <= {name} < 1e16 or {name}.is_integer()"
        else:
            test = f"type({name}) in LOOKED_AT and not is_plain({name})"
        with self.writer.block(f"if {test}:"):
            self.writer.line("plain = False")

    def _let(self, node: Assignment) -> None:
        value = self.calls.bound(node.value, _TOP)
        if value.sentinel:
            with self.writer.block(f"if type({value.code}) is Sentinel:"):
                self.writer.line("raise Doubt")
        self.writer.line(f"{self.calls.variable(node.path[0])} = {value.code}")

    def _meta(self, node: Assignment) -> None:
        if not node.path:
            raise Unfit("all metadata")
        self.metadata = True
        value = self.calls.bound(node.value, _TOP)
        key = self.writer.literal(node.path[0])
        if value.sentinel:
            with self.writer.block(f"if {value.code} is DELETED:"):
                self.writer.line(f"meta.pop({key}, None)")
            with self.writer.block(f"elif {value.code} is not NOTHING:"):
                self.writer.line(f"meta[{key}] = {value.code}")
        else:
            self.writer.line(f"meta[{key}] = {value.code}")

    def _root(self, node: Assignment) -> None:
        if isinstance(node.value, Literal) and node.value.value is DELETED and node.path:
            self._delete(node.path)
            return
        value = self._value(node.value)
        if not value.sentinel:
            self._assign(node.path, value)
            return
        if not node.path:
            with self.writer.block(f"if {value.code} is not NOTHING:"):
                self.writer.line(f"root = {value.code}")
                self._replaced()
            self.root, self.owned = "any", {}
            return
        before = (self.root, dict(self.owned))
        with self.writer.block(f"if {value.code} is DELETED:"):
            self._remove(node.path)
        removed = (self.root, self.owned)
        self.root, self.owned = before[0], dict(before[1])
        with self.writer.block(f"elif {value.code} is not NOTHING:"):
            self._assign(node.path, value)
        self._merge(*removed)
        self._merge(*before)

    def _assign(self, path: tuple[str, ...], value: Atom) -> None:
        if not path:
            self.writer.line(f"root = {value.code}")
            self._replaced()
            self.root, self.owned = "this" if value.code == "this" else "dict" if value.kind is dict else "any", {}
            return
        container = self._own(path[:-1])
        self.owned = {owned: name for owned, name in self.owned.items() if owned[: len(path)] != path}
        self.writer.line(f"{container}[{self.writer.literal(path[-1])}] = {value.code}")

    def _replaced(self) -> None:
        if self.follow:
            self.writer.line("replaced = True")

    def _own(self, path: tuple[str, ...]) -> str:
        """The local name of a container that may be changed in place."""
        known = self.owned.get(path)
        if known is not None:
            return known
        if not path:
            return self._own_root()
        writer, parent, key = self.writer, self._own(path[:-1]), self.writer.literal(path[-1])
        name = writer.fresh()
        writer.line(f"{name} = {parent}.get({key})")
        with writer.block(f"if type({name}) is dict:"):
            writer.line(f"{name} = {parent}[{key}] = {name}.copy()")
        with writer.block(f"elif {name} is None:"):
            writer.line(f"{name} = {parent}[{key}] = {{}}")
        with writer.block("else:"):
            writer.line("raise Doubt")
        self.owned[path] = name
        return name

    def _own_root(self) -> str:
        writer = self.writer
        if self.root == "none":
            writer.line("root = {}")
        elif self.root in ("dict", "this"):
            self.calls.fields = self.calls.fields or self.root == "this"  # the function begins with a guard
            writer.line("root = root.copy()")
        else:
            with writer.block("if type(root) is dict:"):
                writer.line("root = root.copy()")
            with writer.block("elif root is None or root is NOTHING:"):
                writer.line("root = {}")
            with writer.block("else:"):
                writer.line("raise Doubt")
        self.root = "dict"
        self.owned = {(): "root"}
        return "root"

    def _delete(self, path: tuple[str, ...]) -> None:
        """`root.path = deleted()`. A mutation that deletes what is not there leaves the message as it is, byte for byte."""
        if not self.follow or len(path) > 1 or path[0] in ("-", "*"):
            self._remove(path)
            return
        root = self.root
        self.calls.fields = self.calls.fields or root == "this"
        with self.writer.block(f"if type(root) is not dict or {self.writer.literal(path[0])} in root:"):
            self._remove(path)
        self.root, self.owned = root, {}

    def _remove(self, path: tuple[str, ...]) -> None:
        if len(path) > 2 or "*" in path:
            raise Unfit("a deep deletion")
        parent, key = self._own(()), self.writer.literal(path[-1])
        if len(path) == 2 and path[:1] not in self.owned:
            name = self.writer.fresh()
            first = self.writer.literal(path[0])
            self.writer.line(f"{name} = root.get({first})")
            with self.writer.block(f"if type({name}) is dict:"):
                self.writer.line(f"{name} = root[{first}] = {name}.copy()")
                self.writer.line(f"{name}.pop({key}, None)")
            with self.writer.block(f"elif type({name}) is list:"):
                self.writer.line("raise Doubt")
            return
        self.owned = {owned: name for owned, name in self.owned.items() if owned[: len(path)] != path}
        self.writer.line(f"{self.owned.get(path[:-1], parent)}.pop({key}, None)")
