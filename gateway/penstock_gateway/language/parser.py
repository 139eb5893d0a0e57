"""The expression grammar: recursive descent over the text, which also folds constants and checks calls.

Order of alternatives, places where line breaks are allowed, and what is required after what follow Bento, since the texts
and positions of errors depend on them (see `scan` for how failures combine).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock_gateway.language import folding
from penstock_gateway.language.arguments import Argument
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.nodes import (
    Case,
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
    Slice,
    Variable,
    Within,
    below,
)
from penstock_gateway.language.scan import SNAKE, Miss, Scanner

if TYPE_CHECKING:
    from penstock_gateway.language.context import Environment

MAX_NESTING = 100
"""Levels of brackets and nested queries a text may have; more would exhaust the interpreter's stack."""

MAX_STEPS = 1000
"""Steps one path may have: joining them costs the square of their number."""

_OPERATORS = ("+", "-", "/", "*", "%", "&&", "||", "==", "!=", ">=", "<=", ">", "<", "|")


class QueryParser(Scanner):
    """Parses expressions. `environment` is only asked for what is fixed when a mapping is compiled (`env`, `file`)."""

    def __init__(self, text: str, environment: Environment) -> None:
        super().__init__(text)
        self.environment = environment
        self.labels: tuple[str, ...] = ()
        self.depth = 0
        self.exact = False
        self.no_subject: set[int] = set()  # where a match has none: trying it again would double the work per level

    # --- chains of operators --------------------------------------------------------------------------------------

    def query(self) -> Node:
        """A whole expression."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise Miss(self.at, (), "the expression is nested too deeply")
        try:
            self.skip_blanks()
            return self._chain()
        finally:
            self.depth -= 1

    def _chain(self) -> Node:
        start = self.at
        operands = [self._operand()]
        operators: list[str] = []
        while (operator := self._operator()) is not None:
            operators.append(operator)
            operands.append(self._operand())
        try:
            return folding.reduce(operands, operators)
        except EvaluationError as error:
            raise Miss(start, (), error.text) from None

    def _operator(self) -> str | None:
        start = self.at
        self.skip_blanks()
        for operator in _OPERATORS:
            if self.peek(operator):
                self.at += len(operator)
                self.skip_lines()
                return operator
        self.at = start
        return None

    def _operand(self) -> Node:
        start = self.at
        negative = self.peek("-")
        if negative:
            self.at += 1
            self.skip_lines()
        node = self._with_tails()
        if not negative:
            return node
        try:
            return folding.operation("-", Literal(0), node)
        except EvaluationError as error:
            raise Miss(start, (), error.text) from None

    # --- tails ----------------------------------------------------------------------------------------------------

    def _with_tails(self) -> Node:
        negated = self.peek("!")
        if negated:
            self.at += 1
            self.skip_blanks()
        node = self.expect(self._primary, "query")
        while True:
            if self.peek("["):
                start = self.at
                bracket = self._bracket(node)
                if bracket is not None:
                    node = bracket
                    continue
                self.at = start
            if not self.peek("."):
                return Not(node) if negated else node
            self.at += 1
            self.skip_lines()
            node = self.must(lambda node=node: self._tail(node))  # type: ignore[misc]  # mypy: cannot infer the lambda

    def _tail(self, target: Node) -> Node:
        return self.one_of(
            lambda: self._within(target),
            lambda: self._method(target),
            lambda: self._step(target),
        )

    def _within(self, target: Node) -> Node:
        self.expect(lambda: self.term("("), "method")
        self.skip_lines()
        body = self.query()
        self.skip_lines()
        self.term(")")
        return Within(target, body)

    def _step(self, target: Node) -> Node:
        if isinstance(target, Field | Get) and len(target.path) >= MAX_STEPS:
            raise Miss(self.at, (), f"a path may have {MAX_STEPS} steps")
        if self.peek('"'):
            return below(target, (self.quoted(),))
        return below(target, (self.name("field path"),))

    def _bracket(self, target: Node) -> Node | None:
        """`[i]` or `[a:b:c]`; None when it is neither (whatever comes next then complains)."""
        try:
            self.term("[")
            self.skip_lines()
            parts: list[Node | None] = [None]
            while not self.peek("]"):
                if self.peek(":"):
                    self.at += 1
                    parts.append(None)
                elif parts[-1] is None:
                    parts[-1] = self.query()
                else:
                    return None
                self.skip_lines()
            self.term("]")
        except Miss:
            return None
        if len(parts) == 1:
            return None if parts[0] is None else Index(target, parts[0])
        if len(parts) > 3:
            return None
        return Slice(target, parts[0], parts[1], parts[2] if len(parts) == 3 else None)

    # --- calls ----------------------------------------------------------------------------------------------------

    def _method(self, target: Node) -> Node:
        name = self.name("method", SNAKE)
        written = self._arguments()
        return self._build(lambda: folding.method(self, name, target, written))

    def _function(self) -> Node:
        name = self.name("function", SNAKE)
        written = self._arguments()
        return self._build(lambda: folding.function(self, name, written))

    def _build(self, build: Callable[[], Node]) -> Node:
        """What is wrong with a call is told behind its closing bracket."""
        try:
            return build()
        except EvaluationError as error:
            raise Miss(self.at, (), error.text) from None

    def _arguments(self) -> list[Argument]:
        self.expect(lambda: self.term("("), "function arguments")
        self.skip_lines()
        return self.delimited(
            lambda: self.must(self._argument, "function argument"),
            lambda: self.must(self._comma, "comma"),
            lambda: self.must(lambda: self._closed(")"), "closing bracket"),
        )

    def _argument(self) -> Argument:
        start = self.at
        while self.at < self.end and self.text[self.at] in SNAKE:
            self.at += 1
        if self.at > start and self.peek(":"):
            name = self.text[start : self.at]
            self.at += 1
            self.skip_blanks()
            return name, self.must(self.query, "argument value")
        self.at = start
        return None, self.query()

    def _comma(self) -> None:
        self.skip_blanks()
        self.term(",")
        self.skip_lines()

    def _closed(self, bracket: str) -> None:
        self.skip_lines()
        self.term(bracket)

    # --- primaries ------------------------------------------------------------------------------------------------

    def _primary(self) -> Node:
        return self.one_of(
            self._match,
            self._if,
            self._lambda,
            self._group,
            self._literal,
            self._function,
            self._metadata,
            self._variable,
            self._root_field,
        )

    def _match(self) -> Node:
        self.term("match")
        self.blanks()
        subject = None if self.at in self.no_subject else self.optional(self.query)
        if subject is None:
            self.no_subject.add(self.at)
        self.skip_lines()
        cases = self.must(self._cases)
        return Match(subject, tuple(cases))

    def _cases(self) -> list[Case]:
        self.term("{")
        self.skip_lines()
        return self.delimited(self._case, self._case_end, lambda: self._closed("}"))

    def _case_end(self) -> None:
        self.skip_blanks()
        self.one_of(lambda: self.term(","), lambda: self.expect(self.line_break, "line break"))
        self.skip_lines()

    def _case(self) -> Case:
        test = self.one_of(self._any_case, self._query_case)
        self.skip_blanks()
        return Case(test, self.query())

    def _any_case(self) -> None:
        self.expect(lambda: self.term("_"), "match case")
        self.skip_blanks()
        self.term("=>")

    def _query_case(self) -> Node:
        test = self.expect(self.query, "match case")
        self.skip_blanks()
        self.term("=>")
        return test

    def _if(self) -> Node:
        branches = [self._branch("if")]
        while (branch := self.optional(lambda: self._branch("else if"))) is not None:
            branches.append(branch)
        return If(tuple(branches), self.optional(self._else))

    def _branch(self, word: str) -> tuple[Node, Node]:
        if word != "if":
            self.skip_lines()
        self.term(word)
        self.blanks()
        condition = self.must(self.query)
        self.skip_lines()
        return condition, self._block()

    def _else(self) -> Node:
        self.skip_lines()
        self.term("else")
        self.skip_lines()
        return self._block()

    def _block(self) -> Node:
        self.must(lambda: self.term("{"))
        self.skip_lines()
        body = self.must(self.query)
        self.skip_lines()
        self.must(lambda: self.term("}"))
        return body

    def _lambda(self) -> Node:
        start = self.at
        name = self.expect(self._lambda_head, "function")
        if name in self.labels:
            raise Miss(start, (), f"context label `{name}` would shadow a parent context")
        if name in ("root", "this"):
            raise Miss(start, (), f"context label `{name}` is not allowed")
        outer = self.labels
        if name != "_":
            self.labels = (*outer, name)
        try:
            body = self.must(self.query)
        finally:
            self.labels = outer
        if isinstance(body, Lambda):
            why = f"it would be in poor taste to capture the same context under both '{name}' and '{body.name}'"
            raise Miss(start, (), why)
        return Lambda(name, body)

    def _lambda_head(self) -> str:
        name = self.name("context name")
        self.blanks()
        self.term("->")
        self.blanks()
        return name

    def _group(self) -> Node:
        self.expect(lambda: self.term("("), "function")
        self.skip_lines()
        body = self.query()
        self.skip_lines()
        self.must(lambda: self.term(")"), "closing bracket")
        return body

    def _literal(self) -> Node:
        for word, value in (("true", True), ("false", False)):
            if self.peek(word):
                self.at += len(word)
                return Literal(value)
        text, at = self.text, self.at
        mark = text[at] if at < self.end else ""
        if mark == '"':
            return Literal(self.triple_quoted() if self.peek('"""') and self.end - at >= 6 else self.quoted())
        if mark == "[":
            return self._array()
        if mark == "{":
            return self._object()
        if self.peek("null"):
            self.at += 4
            return Literal(None)
        return Literal(self.number())

    def _array(self) -> Node:
        self.term("[")
        self.skip_lines()
        item: Callable[[], Node] = lambda: self.expect(self.query, "object")  # noqa: E731  # one line, used once
        return folding.array(self.delimited(item, self._comma, lambda: self._closed("]")))

    def _object(self) -> Node:
        start = self.at
        self.term("{")
        self.skip_lines()
        pairs = self.delimited(self._pair, self._comma, lambda: self._closed("}"))
        try:
            return folding.object_(pairs)
        except EvaluationError as error:
            raise Miss(start, (), error.text) from None

    def _pair(self) -> tuple[Node, Node]:
        key: Node = Literal(self.quoted()) if self.peek('"') else self.expect(self.query, "object")
        self.skip_blanks()
        self.term(":")
        self.skip_lines()
        return key, self.expect(self.query, "object")

    def _metadata(self) -> Node:
        self.expect(lambda: self.term("@"), "metadata path")
        if self.peek('"'):
            return Metadata(self.quoted())
        return Metadata(self.optional(lambda: self.name("metadata path")) or "")

    def _variable(self) -> Node:
        self.expect(lambda: self.term("$"), "variable path")
        return Variable(self.name("variable path"))

    def _root_field(self) -> Node:
        name = self.name("field path")
        if name in ("this", "root") or name in self.labels:
            return Field(name)
        return Field("this", (name,))
