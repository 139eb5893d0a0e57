"""The syntax tree of expressions and statements. Every expression can say where its value comes from (`annotation`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock_gateway.document import Value, kind
from penstock_gateway.language.registry import Builtin


def dot_path(segments: Sequence[str]) -> str:
    """Segments as a dot path, with `~` and `.` inside of them escaped."""
    return ".".join(segment.replace("~", "~0").replace(".", "~1") for segment in segments)


def path_segments(path: str) -> tuple[str, ...]:
    """A dot path as segments (the reverse of `dot_path`)."""
    return tuple(segment.replace("~1", ".").replace("~0", "~") for segment in path.split("."))


class Node:
    """An expression."""

    __slots__ = ()

    @property
    def annotation(self) -> str:
        """The origin of the value in error texts."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A value that is known from the text."""

    value: Value
    origin: str = ""

    @property
    def annotation(self) -> str:
        """`number literal`, or what was folded."""
        return self.origin or f"{kind(self.value)} literal"


@dataclass(frozen=True, slots=True)
class Field(Node):
    """A path below `this`, `root`, or a lambda parameter (`base`)."""

    base: str
    path: tuple[str, ...] = ()

    @property
    def annotation(self) -> str:
        """``field `this.a.b` ``."""
        return f"field `{'.'.join((self.base, dot_path(self.path))) if self.path else self.base}`"


@dataclass(frozen=True, slots=True)
class Get(Node):
    """A path below a computed value."""

    target: Node
    path: tuple[str, ...]

    @property
    def annotation(self) -> str:
        """``path `a.b` ``."""
        return f"path `{dot_path(self.path)}`"


def below(target: Node, path: tuple[str, ...]) -> Node:
    """Steps below a value; steps of one path are joined."""
    if isinstance(target, Field):
        return Field(target.base, target.path + path)
    if isinstance(target, Get):
        return Get(target.target, target.path + path)
    return Get(target, path)


@dataclass(frozen=True, slots=True)
class Metadata(Node):
    """`@` (empty key) or `@key`: the metadata as modified so far."""

    key: str

    @property
    def annotation(self) -> str:
        """`meta field k`."""
        return f"meta field {self.key}" if self.key else "meta object"


@dataclass(frozen=True, slots=True)
class Variable(Node):
    """`$name`."""

    name: str

    @property
    def annotation(self) -> str:
        """`variable x`."""
        return f"variable {self.name}"


@dataclass(frozen=True, slots=True)
class Operation(Node):
    """Two operands; `operator` as it is written: + - * / % == != < <= > >= && || |."""

    operator: str
    left: Node
    right: Node
    origin: str = ""

    @property
    def annotation(self) -> str:
        """That of the right operand, as in Bento; `method or` for the method."""
        return self.origin or self.right.annotation


@dataclass(frozen=True, slots=True)
class Not(Node):
    """`!target`."""

    target: Node

    @property
    def annotation(self) -> str:
        """`not …`."""
        return f"not {self.target.annotation}"


@dataclass(frozen=True, slots=True)
class Array(Node):
    """An array literal with at least one element that is computed."""

    items: tuple[Node, ...]

    @property
    def annotation(self) -> str:
        """Always the same."""
        return "array literal"


@dataclass(frozen=True, slots=True)
class Object(Node):
    """An object literal with at least one key or value that is computed."""

    pairs: tuple[tuple[Node, Node], ...]

    @property
    def annotation(self) -> str:
        """Always the same."""
        return "object literal"


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a match: compares with a literal, or asks a query; without a test it always matches."""

    test: Node | None
    result: Node


@dataclass(frozen=True, slots=True)
class Match(Node):
    """A match expression; without a subject the cases see the `this` around them."""

    subject: Node | None
    cases: tuple[Case, ...]

    @property
    def annotation(self) -> str:
        """Always the same."""
        return "match expression"


@dataclass(frozen=True, slots=True)
class If(Node):
    """An if expression: (condition, result) pairs and what stands after the last else."""

    branches: tuple[tuple[Node, Node], ...]
    otherwise: Node | None

    @property
    def annotation(self) -> str:
        """Always the same."""
        return "if expression"


@dataclass(frozen=True, slots=True)
class Lambda(Node):
    """`name -> body`: pops the current `this` and binds it."""

    name: str
    body: Node

    @property
    def annotation(self) -> str:
        """That of the body."""
        return self.body.annotation


@dataclass(frozen=True, slots=True)
class Within(Node):
    """`target.(body)` and `target.map(body)`: the body with `this` = target."""

    target: Node
    body: Node

    @property
    def annotation(self) -> str:
        """That of the body."""
        return self.body.annotation


@dataclass(frozen=True, slots=True)
class Catch(Node):
    """`target.catch(fallback)`: the fallback sees the error's text as `this`."""

    target: Node
    fallback: Node

    @property
    def annotation(self) -> str:
        """Always the same."""
        return "method catch"


@dataclass(frozen=True, slots=True)
class Apply(Node):
    """`target.apply(name)`: a named map; the name may be computed."""

    target: Node
    name: Node

    @property
    def annotation(self) -> str:
        """`map name`."""
        return f"map {self.name.value}" if isinstance(self.name, Literal) else "method apply"


@dataclass(frozen=True, slots=True)
class From(Node):
    """`target.from(index)`; without an index `from_all`."""

    target: Node
    index: Node | None

    @property
    def annotation(self) -> str:
        """The target's, with the place in the batch."""
        if self.index is None:
            return "method from_all"
        return f"{self.target.annotation} from {self.index.value}" if isinstance(self.index, Literal) else "method from"


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`target[index]`."""

    target: Node
    index: Node

    @property
    def annotation(self) -> str:
        """Always the same."""
        return "index"


@dataclass(frozen=True, slots=True)
class Slice(Node):
    """`target[start:stop:step]`."""

    target: Node
    start: Node | None
    stop: Node | None
    step: Node | None

    @property
    def annotation(self) -> str:
        """Always the same."""
        return "slice"


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A call of a built-in; `target` is None for functions.

    `arguments` are converted values for literals, nodes for what is computed or a query. `ready` is the function that a
    `prepare` built-in made of its literal arguments.
    """

    builtin: Builtin
    target: Node | None
    arguments: tuple[Any, ...]
    ready: Callable[..., Any] | None = None
    origin: str = ""

    @property
    def annotation(self) -> str:
        """`method x`, `function x`."""
        return self.origin or f"{'function' if self.target is None else 'method'} {self.builtin.name}"


# --- statements -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assignment:
    """`target = value`. `where` is root, meta or let; a path for root, (key,) or () for meta, (name,) for let."""

    where: str
    path: tuple[str, ...]
    value: Node
    line: int


@dataclass(frozen=True, slots=True)
class Branching:
    """The statement `if`: (condition or None for else, statements) pairs."""

    branches: tuple[tuple[Node | None, tuple[Statement, ...]], ...]
    line: int


Statement = Assignment | Branching


@dataclass(slots=True)
class NamedMap:
    """`map name { … }`; lines count from the line the map starts in, as Bento reports them."""

    name: str
    statements: tuple[Statement, ...]


@dataclass(slots=True)
class Program:
    """A whole mapping: its statements and its named maps, imported ones included."""

    statements: tuple[Statement, ...]
    maps: dict[str, NamedMap] = field(default_factory=dict)
    exact: bool = False
