"""The grammar of whole mappings: statements, named maps, imports, and the single expression that stands for `root = …`."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock_gateway.language.errors import ParseError
from penstock_gateway.language.nodes import Assignment, Branching, NamedMap, Node, Program, Statement
from penstock_gateway.language.parser import QueryParser
from penstock_gateway.language.scan import Miss

if TYPE_CHECKING:
    from penstock_gateway.language.context import Environment

_START = ("import", "map", "assignment")
MAX_IMPORTS = 32
"""How deep files may import files; deeper is a circle."""


class MappingParser(QueryParser):
    """Parses one mapping text. `folder` is where relative imports start, `imports` how deep this file was imported."""

    def __init__(self, text: str, environment: Environment, folder: str = "", imports: int = 0) -> None:
        super().__init__(text, environment)
        self.folder = folder
        self.imports = imports
        self.maps: dict[str, NamedMap] = {}
        self.origin = 0  # where line 1 is: maps count their lines from their own start

    # --- the whole text -------------------------------------------------------------------------------------------

    def parse(self) -> Program:
        """The mapping. Raises ParseError."""
        try:
            try:
                return self._parse()
            except RecursionError:
                raise Miss(0, (), "the mapping is nested too deeply") from None
        except Miss as miss:
            raise miss.error(self.text) from None

    def _parse(self) -> Program:
        self.skip_lines()
        if self.peek("from"):
            program = self.optional(self._root_import)
            if program is not None:
                return program
        if self.at == self.end:
            raise Miss(0, _START)
        self.at = 0
        try:
            return self.program()
        except Miss as miss:
            if miss.fatal is not None:
                raise
            return self._single(miss)

    def program(self) -> Program:
        """A list of statements, one per line."""
        self.skip_lines()
        if self.at == self.end:
            raise Miss(0, _START)
        statements = []
        while True:
            statement = self.one_of(*self._statements(self.maps))
            if statement is not None:
                statements.append(statement)
            self.skip_blanks()
            if self.at == self.end:
                break
            self.line_break()
            self.skip_lines()
            if self.at == self.end:
                break
        return Program(tuple(statements), dict(self.maps), self.exact)

    def _single(self, other: Miss) -> Program:
        """The text as one expression; if that comes less far than the statements did, their failure counts."""
        self.at = 0
        self.maps = {}
        self.skip_lines()
        start = self.at
        try:
            query = self.query()
        except Miss as miss:
            raise (miss if miss.at > other.at else other) from None
        shown = self.text[start : self.at]
        self.skip_lines()
        if self.at < self.end:
            shown = shown[:12] + "..." if len(shown) > 12 else shown
            why = f"the mapping to end here as the beginning is shorthand for `root = {shown}`"
            why += ", but this shorthand form cannot be followed with more assignments"
            raise (Miss(self.at, (why,)) if self.at > other.at else other) from None
        return Program((Assignment("root", (), query, 1),), {}, self.exact)

    # --- files ----------------------------------------------------------------------------------------------------

    def _root_import(self) -> Program:
        """`from "file"`: the file's mapping in place of this one."""
        self.term("from")
        self.blanks()
        path = self.quoted()
        self.skip_lines()
        program = self._import(0, path)
        if self.at < self.end:
            raise Miss(0, (), f"unexpected content after single root import: {self.text[self.at :]}")
        return program

    def _import(self, start: int, path: str) -> Program:
        if self.environment.imports is None:
            raise Miss(start, (), "failed to read import: imports are disabled in this context")
        full = path if path.startswith("/") else posixpath.normpath(posixpath.join(self.folder, path))
        if self.imports >= MAX_IMPORTS:
            raise Miss(start, (), f"failed to parse import '{path}'")
        try:
            text = self.environment.imports(full)
        except (OSError, KeyError):
            raise Miss(start, (), f"failed to read import: open {full}: no such file or directory") from None
        inner = MappingParser(text, self.environment, posixpath.dirname(full), self.imports + 1)
        try:
            program = inner.program()
        except Miss as miss:
            detail = f"{path}: {miss.error(text).render(text)}"
            raise Miss(start, (), f"failed to parse import '{path}'", detail) from None
        self.exact = self.exact or program.exact
        return program

    # --- statements -----------------------------------------------------------------------------------------------

    def _statements(self, maps: dict[str, NamedMap] | None, meta: bool = True) -> list[Callable[[], Statement | None]]:
        """The kinds of statements that may stand here; maps and imports only where `maps` is given."""
        kinds: list[Callable[[], Statement | None]] = []
        if maps is not None:
            kinds += [lambda: self._import_maps(maps), lambda: self._map(maps)]
        return [*kinds, self._let, lambda: self._meta(meta), self._assignment, self._branching]

    def _line(self, at: int) -> int:
        return self.text.count("\n", self.origin, at) + 1

    def _import_maps(self, maps: dict[str, NamedMap]) -> None:
        start = self.at
        self.term("import")
        self.blanks()
        path = self.must(self.quoted, "filepath")
        found = self._import(start, path).maps
        if not found:
            raise Miss(start, (), f"no maps to import from '{path}'")
        collisions = sorted(name for name in found if name in maps)
        if collisions:
            raise Miss(start, (), f"map name collisions from import '{path}': [{' '.join(collisions)}]")
        maps.update(found)

    def _map(self, maps: dict[str, NamedMap]) -> None:
        start = self.at
        self.term("map")
        self.blanks()
        name = self.must(lambda: self._name_or_quoted("map name"), "map name")
        self.blanks()
        outer, self.origin = self.origin, self.text.rfind("\n", 0, start) + 1
        try:
            body = self._body(meta=False)
        finally:
            self.origin = outer
        if name in maps:
            raise Miss(start, (), f"map name collision: {name}")
        maps[name] = NamedMap(name, body)

    def _body(self, *, meta: bool = True) -> tuple[Statement, ...]:
        """`{ statements }`."""
        self.term("{")
        self.skip_lines()
        found = self.delimited(
            lambda: self.one_of(*self._statements(None, meta)), self._body_end, lambda: self._closed("}")
        )
        return tuple(statement for statement in found if statement is not None)

    def _body_end(self) -> None:
        self.skip_blanks()
        self.line_break()
        self.skip_lines()

    def _name_or_quoted(self, expected: str) -> str:
        return self.quoted() if self.peek('"') else self.name(expected)

    def _let(self) -> Assignment:
        start = self.at
        self.expect(lambda: self.term("let"), "assignment")
        self.blanks()
        name = self.must(lambda: self._name_or_quoted("variable name"), "variable name")
        self.blanks()
        return self._value(start, "let", (name,))

    def _value(self, start: int, where: str, path: tuple[str, ...]) -> Assignment:
        """`= expression`."""
        self.term("=")
        self.blanks()
        return Assignment(where, path, self.query(), self._line(start))

    def _meta(self, enabled: bool) -> Assignment:
        start = self.at
        self.expect(lambda: self.term("meta"), "assignment")
        self.blanks()
        key = self.optional(lambda: self._name_or_quoted("name"))
        self.skip_blanks()
        statement = self._value(start, "meta", () if key is None else (key,))
        if not enabled:
            raise Miss(start, (), "setting meta fields is not allowed within this block")
        return statement

    def _assignment(self) -> Assignment:
        start = self.at
        path = self._target()
        self.blanks()
        return self._value(start, "root", path[1:] if path[0] == "root" else path)

    def _target(self) -> tuple[str, ...]:
        path = [self.expect(lambda: self.name("assignment"), "assignment")]
        path += self.optional(self._target_steps) or ()
        return tuple(path)

    def _target_steps(self) -> list[str]:
        steps = []
        while True:
            self.term(".")
            steps.append(self._name_or_quoted("target path"))
            if not self.peek("."):
                return steps

    def _branching(self) -> Branching:
        start = self.at
        branches = [self._branch_statement("if")]
        while (branch := self.optional(lambda: self._branch_statement("else if"))) is not None:
            branches.append(branch)
        otherwise = self.optional(self._else_statement)
        if otherwise is not None:
            branches.append(otherwise)
        return Branching(tuple(branches), self._line(start))

    def _branch_statement(self, word: str) -> tuple[Node | None, tuple[Statement, ...]]:
        if word != "if":
            self.skip_lines()
        self.expect(lambda: self.term(word), "assignment")
        self.blanks()
        condition = self.must(self.query)
        self.skip_lines()
        return condition, self._body()

    def _else_statement(self) -> tuple[Node | None, tuple[Statement, ...]]:
        self.skip_lines()
        self.term("else")
        self.skip_lines()
        return None, self._body()


def parse_mapping(text: str, environment: Environment) -> Program:
    """A mapping's tree. Raises ParseError."""
    return MappingParser(text, environment).parse()


def parse_query(text: str, environment: Environment, *, whole: bool = True) -> tuple[Node, bool]:
    """A single expression, and whether it needs exact numbers; `whole`: nothing may follow it. Raises ParseError."""
    parser = QueryParser(text, environment)
    try:
        try:
            parser.skip_lines()
            node = parser.query()
            parser.skip_lines()
        except RecursionError:
            raise Miss(0, (), "the expression is nested too deeply") from None
    except Miss as miss:
        raise miss.error(text) from None
    if whole and parser.at < parser.end:
        raise Miss(parser.at, ("end of expression",)).error(text)
    return node, parser.exact


__all__ = ["MappingParser", "ParseError", "parse_mapping", "parse_query"]
