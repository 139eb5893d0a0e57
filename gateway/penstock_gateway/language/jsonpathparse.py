"""The text of JSONPath expressions: paths, literals and the operators that filters use."""

from __future__ import annotations

import re
from collections.abc import Callable

from penstock_gateway.document import Value
from penstock_gateway.language.goquote import unquote
from penstock_gateway.language.jsonpath import (
    Expression,
    Path,
    PathFailure,
    Scope,
    between,
    descend,
    direct,
    number,
    script,
    several,
    star,
    where,
)
from penstock_gateway.language.regex import PatternError, compiled
from penstock_gateway.language.values import bytes_of, equal

MAX_NESTING = 50

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)|(?P<name>[^\W\d]\w*)|(?P<double>"(?:[^"\\]|\\.)*")"""
    r"""|(?P<single>'(?:[^'\\]|\\.)*')|(?P<mark>==|!=|<=|>=|=~|!~|&&|\|\||\*\*|[-+*/%<>!$@.,:?()\[\]]))""",
)
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("==", "!=", "<", "<=", ">", ">=", "=~", "!~", "in"),
    ("+", "-"),
    ("*", "/", "%"),
)
_MAX = 2**31 - 1


class SyntaxProblem(ValueError):
    """A text that is no JSONPath expression."""


def parse(text: str) -> Expression:
    """Read an expression.

    Raises SyntaxProblem.
    """
    parser = _Parser(text)
    found = parser.expression(0)
    if parser.kind != "end":
        raise parser.unexpected("operator")
    return found


def _constant(value: Value) -> Expression:
    return lambda scope: value


class _Parser:
    """The text, the token that is next, and how deep expressions are nested."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.depth = 0
        self.start = self.end = 0
        self.kind = self.word = ""
        self.advance()

    def advance(self) -> None:
        match = _TOKEN.match(self.text, self.end)
        if match is None:
            rest = self.text[self.end :].strip()
            self.start = len(self.text) - len(self.text[self.end :].lstrip())
            self.kind, self.word = ("other", rest[0]) if rest else ("end", "EOF")
            return
        self.kind = match.lastgroup or ""
        self.word = match[self.kind]
        self.start, self.end = match.start(self.kind), match.end()

    def unexpected(self, what: str) -> SyntaxProblem:
        shown = "EOF" if self.kind == "end" else f'"{self.word}"'
        column = self.start + 1
        place = f"{self.text}\t:1:{column} - 1:{column + (0 if self.kind == 'end' else len(self.word))}"
        return SyntaxProblem(f"parsing error: {place} unexpected {shown} while scanning {what}")

    def takes(self, mark: str) -> bool:
        if self.kind == "mark" and self.word == mark:
            self.advance()
            return True
        return False

    def expect(self, mark: str, what: str) -> None:
        if not self.takes(mark):
            raise self.unexpected(f"{what} expected '{mark}'")

    def expression(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self.unary()
        left = self.expression(level + 1)
        while self.kind in ("mark", "name") and self.word in _LEVELS[level]:
            operator = self.word
            self.advance()
            left = _operation(operator, left, self.expression(level + 1))
        return left

    def unary(self) -> Expression:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise SyntaxProblem("parsing error: the expression is nested too deeply")
        try:
            if self.takes("-"):
                operand = self.unary()
                return lambda scope: -number(operand(scope))
            if self.takes("!"):
                operand = self.unary()
                return lambda scope: not _truth(operand(scope))
            return self.primary()
        finally:
            self.depth -= 1

    def primary(self) -> Expression:
        kind, word = self.kind, self.word
        if kind == "number":
            self.advance()
            return _constant(float(word))
        if kind in ("double", "single"):
            self.advance()
            return _constant(_string(word))
        if kind == "name":
            self.advance()
            if word in ("true", "false", "null"):
                return _constant({"true": True, "false": False, "null": None}[word])
            path = Path(from_root=True)
            path.add(direct(_constant(word)), plain=True)
            return self.path(path)
        if self.takes("$"):
            return self.path(Path(from_root=True))
        if self.takes("@"):
            return self.path(Path(from_root=False))
        if self.takes("("):
            inner = self.expression(0)
            self.expect(")", "parentheses")
            return inner
        if self.takes("["):
            return self.array()
        raise self.unexpected("extensions")

    def array(self) -> Expression:
        items: list[Expression] = []
        while not self.takes("]"):
            items.append(self.expression(0))
            if not self.takes(","):
                self.expect("]", "array")
                break
        return lambda scope: [item(scope) for item in items]

    def path(self, path: Path) -> Path:
        while self.kind == "mark":
            if self.takes("."):
                self.select(path)
            elif self.takes("["):
                self.bracket(path)
            elif self.takes("("):
                path.add(script(self.expression(0)), plain=True)
                self.expect(")", "jsonpath script")
            else:
                break
        return path

    def select(self, path: Path) -> None:
        if self.takes("."):
            path.add(descend, plain=False)
            if self.takes("["):
                self.bracket(path)
                return
            if self.takes("("):
                path.add(script(self.expression(0)), plain=True)
                self.expect(")", "jsonpath script")
                return
        if self.takes("*"):
            path.add(star, plain=False)
        elif self.kind == "name":
            path.add(direct(_constant(self.word)), plain=True)
            self.advance()
        else:
            raise self.unexpected("JSON select expected Ident, '.' or '*'")

    def bracket(self, path: Path) -> None:
        if self.takes("*"):
            self.expect("]", "JSON bracket star")
            path.add(star, plain=False)
            return
        if self.takes("?"):
            path.add(where(self.expression(0)), plain=False)
            self.expect("]", "JSON filter")
            return
        first = None if self._at(":") else self.expression(0)
        if self._at(":"):
            self.range(path, first)
            return
        keys = [first] if first is not None else []
        while self.takes(","):
            keys.append(self.expression(0))
        self.expect("]", "JSON bracket separator")
        if len(keys) == 1:
            path.add(direct(keys[0]), plain=True)
        else:
            path.add(several(keys), plain=False)

    def _at(self, mark: str) -> bool:
        return self.kind == "mark" and self.word == mark

    def range(self, path: Path, first: Expression | None) -> None:
        bounds = [first or _constant(0)]
        while self.takes(":"):
            if len(bounds) == 3:
                raise SyntaxProblem("range query has at least the parameter [min:max:step]")
            empty = self._at(":") or self._at("]")
            default = _MAX if len(bounds) == 1 else 1
            bounds.append(_constant(default) if empty else self.expression(0))
        self.expect("]", "JSON bracket separator")
        bounds.extend((_constant(1),) * (3 - len(bounds)))
        path.add(between(*bounds), plain=False)


def _string(word: str) -> str:
    if word[0] == "'":
        inner = word[1:-1].replace("\\'", "'").replace('"', '\\"')
        word = f'"{inner}"'
    try:
        return unquote(word)
    except ValueError:
        raise SyntaxProblem(f"parsing error: could not parse string {word}") from None


def _truth(value: Value) -> bool:
    if type(value) is bool:
        return value
    raise PathFailure("expected bool")


def _numbers(left: Value, right: Value) -> tuple[float, float] | None:
    try:
        return number(left), number(right)
    except PathFailure:
        return None


def _equal(left: Value, right: Value) -> bool:
    both = _numbers(left, right)
    return both[0] == both[1] if both else type(left) is type(right) and equal(left, right)


def _matches(left: Value, right: Value) -> bool:
    if type(left) is not str or type(right) is not str:
        raise PathFailure("expected strings for a regular expression")
    try:
        return compiled(right).matches(bytes_of(left))
    except PatternError as error:
        raise PathFailure(str(error)) from None


def _ordered(compare: Callable[[object, object], bool]) -> Callable[[Value, Value], Value]:
    def run(left: Value, right: Value) -> bool:
        both = _numbers(left, right)
        if both:
            return compare(*both)
        if type(left) is str and type(right) is str:
            return compare(left, right)
        raise PathFailure("invalid operation")

    return run


def _arithmetic(compute: Callable[[float, float], float]) -> Callable[[Value, Value], Value]:
    def run(left: Value, right: Value) -> float:
        try:
            return compute(number(left), number(right))
        except ZeroDivisionError:
            raise PathFailure("division by zero") from None

    return run


def _add(left: Value, right: Value) -> Value:
    both = _numbers(left, right)
    if both:
        return both[0] + both[1]
    if type(left) is str and type(right) is str:
        return left + right
    raise PathFailure("invalid operation (+)")


def _contained(left: Value, right: Value) -> bool:
    if type(right) is not list:
        raise PathFailure("expected type []interface{} for in operator")
    return any(_equal(left, item) for item in right)


_OPERATORS: dict[str, Callable[[Value, Value], Value]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(lambda left, right: left < right),  # type: ignore[operator]  # both numbers or both texts
    "<=": _ordered(lambda left, right: left <= right),  # type: ignore[operator]  # both numbers or both texts
    ">": _ordered(lambda left, right: left > right),  # type: ignore[operator]  # both numbers or both texts
    ">=": _ordered(lambda left, right: left >= right),  # type: ignore[operator]  # both numbers or both texts
    "=~": _matches,
    "!~": lambda left, right: not _matches(left, right),
    "in": _contained,
    "+": _add,
    "-": _arithmetic(lambda left, right: left - right),
    "*": _arithmetic(lambda left, right: left * right),
    "/": _arithmetic(lambda left, right: left / right),
    "%": _arithmetic(lambda left, right: left % right),
}


def _operation(operator: str, left: Expression, right: Expression) -> Expression:
    if operator == "&&":
        return lambda scope: _truth(left(scope)) and _truth(right(scope))
    if operator == "||":
        return lambda scope: _truth(left(scope)) or _truth(right(scope))
    apply = _OPERATORS[operator]

    def run(scope: Scope) -> Value:
        return apply(left(scope), right(scope))

    return run
