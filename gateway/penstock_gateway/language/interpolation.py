"""Text with `${! expression }` inside, and single expressions, as they stand in the fields of configurations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock_gateway.document import DocumentError, Value
from penstock_gateway.language.compiler import Compiler
from penstock_gateway.language.context import Environment, Execution
from penstock_gateway.language.errors import UNFORESEEN, EvaluationError, InternalError
from penstock_gateway.language.nodes import Literal, Node
from penstock_gateway.language.parser import QueryParser
from penstock_gateway.language.paths import NO_DOCUMENT
from penstock_gateway.language.scan import Miss
from penstock_gateway.language.sizes import bounded
from penstock_gateway.language.values import bytes_of, to_string

if TYPE_CHECKING:
    from penstock_gateway.message import Message

_ABSENT: Value = object()


class Expression:
    """One compiled expression. `constant` says that it is a literal, `value` then is its value."""

    __slots__ = ("_environment", "_exact", "_run", "_slots", "constant", "value")

    def __init__(self, node: Node, environment: Environment, *, exact: bool = False) -> None:
        compiler = Compiler()
        self._run = compiler.expression(node, compiler.top())
        self._slots = compiler.slots
        self._environment = environment
        self._exact = exact
        self.constant = isinstance(node, Literal)
        self.value: Value = node.value if isinstance(node, Literal) else None

    def evaluate(self, batch: Sequence[Message] = (), index: int = 0, this: Value = _ABSENT) -> Value:
        """The value for `batch[index]`, or for `this` where one is given. Raises EvaluationError."""
        ctx = Execution(self._environment, batch, index, self._slots)
        ctx.root = NO_DOCUMENT  # a single expression builds nothing and knows no variables
        if 0 <= index < len(batch):
            ctx.meta = batch[index].meta
        if this is _ABSENT:
            this = NO_DOCUMENT
            if ctx.meta is not None:
                try:
                    this = batch[index].exact_document if self._exact else batch[index].document
                except DocumentError:
                    this = NO_DOCUMENT
        try:
            return self._run(ctx, this)
        except RecursionError:
            raise EvaluationError("the values are nested too deeply") from None
        except UNFORESEEN as error:
            raise InternalError(error) from error


class Interpolation:
    """A text whose marked parts are evaluated per message. `constant` is the whole text when nothing is marked, else None."""

    __slots__ = ("_parts", "constant")

    def __init__(self, parts: list[str | Expression]) -> None:
        self._parts = parts
        self.constant: str | None = None
        if all(isinstance(part, str) for part in parts):
            self.constant = "".join(part for part in parts if isinstance(part, str))

    def evaluate(self, batch: Sequence[Message] = (), index: int = 0) -> str:
        """The text for `batch[index]`. Raises EvaluationError: one failing part fails the whole."""
        if self.constant is not None:
            return self.constant
        texts = [
            part if isinstance(part, str) else to_string(bounded(part.evaluate(batch, index))) for part in self._parts
        ]
        return "".join(texts)

    def evaluate_bytes(self, batch: Sequence[Message] = (), index: int = 0) -> bytes:
        """The text as bytes; bytes that are no UTF-8 stay as they are."""
        return bytes_of(self.evaluate(batch, index))


class _FieldParser(QueryParser):
    """Finds the marked parts of a text."""

    def parts(self) -> list[str | Expression]:
        found: list[str | Expression] = []
        while self.at < self.end:
            if self.peek("${{!"):
                found.append(self._escaped())
            elif self.peek("${!"):
                found.append(self._marked())
            else:
                start = self.at
                dollar = self.text.find("$", start + 1 if self.peek("$") else start)
                self.at = self.end if dollar < 0 else dollar
                found.append(self.text[start : self.at])
        return found

    def _escaped(self) -> str:
        start = self.at + 4
        close = self.text.find("}}", start)
        if close < 0:
            raise Miss(start, ("end of escaped expression",), "required")
        self.at = close + 2
        return "${!" + self.text[start:close] + "}"

    def _marked(self) -> Expression:
        self.at += 3
        self.skip_blanks()
        self.exact = False
        node = self.must(self.query)
        self.skip_blanks()
        self.must(lambda: self.term("}"), "end of expression")
        return Expression(node, self.environment, exact=self.exact)


def parse_interpolation(text: str, environment: Environment) -> Interpolation:
    """The parts of a text. Raises ParseError."""
    if "${" not in text:
        return Interpolation([text])
    try:
        try:
            return Interpolation(_FieldParser(text, environment).parts())
        except RecursionError:
            raise Miss(0, (), "the expression is nested too deeply") from None
    except Miss as miss:
        raise miss.error(text) from None
