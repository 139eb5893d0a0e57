"""Reads YAML text into plain data and remembers the line and column of every path.

The scalars follow the core schema of YAML 1.2, as Bento's parser does: `yes`, `on` and dates are text. A key written twice is a
problem, not a silent winner; aliases may not blow a small text up into a large document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from penstock_gateway.errors import ConfigError, Path, Problem

MAX_NODES = 500_000
MAX_DEPTH = 200

_NULL, _BOOL, _INT = "tag:yaml.org,2002:null", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int"
_FLOAT, _MERGE, _STR = "tag:yaml.org,2002:float", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"


class _Loader(yaml.CSafeLoader):
    """libyaml with the core schema's resolvers."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - the library's own shape


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(tag, re.compile(pattern), list(first))


_resolve(_NULL, r"^(?:~|null|Null|NULL|)$", "~nN")
_Loader.yaml_implicit_resolvers.setdefault("", []).append((_NULL, re.compile(r"^$")))
_resolve(_BOOL, r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolve(_INT, r"^[-+]?(?:0|[1-9][0-9_]*|0o?[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+)$", "-+0123456789")
_resolve(_FLOAT, r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+0123456789.")
_resolve(_FLOAT, r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+.")
_resolve(_MERGE, r"^<<$", "<")


@dataclass(slots=True)
class Document:
    """One YAML document: plain data, and where each path stands (line and column from 1)."""

    data: Any
    places: dict[Path, tuple[int, int]] = field(default_factory=dict)
    file: str = ""
    problems: list[Problem] = field(default_factory=list)
    texts: dict[Path, tuple[int, int, bool]] = field(default_factory=dict)
    """Where the characters of a text begin: line, column, and whether it is a literal block whose lines follow one another."""

    def locate(self, path: Path) -> tuple[int, int]:
        """The place of a path, or of the nearest thing around it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return (0, 0)

    def place(self, problem: Problem) -> Problem:
        """The problem with file, line and column filled in; one within a text stands at its own line and column."""
        line, column = (problem.line, problem.column) if problem.line else self.locate(problem.path)
        inner_line, inner_column = problem.within
        if inner_line and problem.path in self.texts and not problem.line:
            first_line, first_column, is_block = self.texts[problem.path]
            if is_block or inner_line == 1:
                line, column = first_line + inner_line - 1, first_column + inner_column - 1
        return Problem(problem.text, problem.path, line, column, problem.rule, self.file or problem.file)


def load(text: str, file: str = "") -> Document:
    """The only document of a text; raises ConfigError for text that is not YAML or holds several documents."""
    documents = list(load_all(text, file))
    if len(documents) > 1:
        raise ConfigError([Problem("expected one document, the text holds several", rule="yaml", file=file)])
    return documents[0] if documents else Document(None, {(): (0, 1)}, file)


def load_all(text: str, file: str = "") -> Iterator[Document]:
    """Every document of a text, in order; raises ConfigError with the place where the text stops being YAML."""
    try:
        loader = _Loader(text)
        lines = text.splitlines()
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                yield _Builder(file, lines).build(node)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError([_syntax(error, file)]) from error


def _syntax(error: Exception, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    text = getattr(error, "problem", None) or str(error) or type(error).__name__
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Problem(f"not YAML: {text}", (), line, column, "yaml", file)


class _Builder:
    """Turns one tree of nodes into data."""

    def __init__(self, file: str, lines: list[str]) -> None:
        self.lines = lines
        self.document = Document(None, {}, file)
        self.nodes = 0

    def build(self, node: yaml.Node) -> Document:
        self.document.data = self._value(node, (), 0)
        return self.document

    def _value(self, node: yaml.Node, path: Path, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(None, None, "the document is too large or nested too deeply", node.start_mark)
        self.document.places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, n), depth + 1) for n, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag == _STR:
            self.document.texts[path] = self._beginning(node)
        return _scalar(node)

    def _beginning(self, node: yaml.ScalarNode) -> tuple[int, int, bool]:
        line, column = node.start_mark.line, node.start_mark.column
        if node.style not in ("|", ">"):
            return line + 1, column + 1 + (node.style in ("'", '"')), False
        for number in range(line + 1, len(self.lines)):
            if text := self.lines[number].strip():
                return line + 2, self.lines[number].index(text) + 1, node.style == "|"
        return line + 1, column + 1, False

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged |= self._merged(value_node, path, depth)
                continue
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else str(key_node.value)
            mark = key_node.start_mark
            if key in data:
                text = f"key {key!r} is written twice"
                self.document.problems.append(
                    Problem(text, (*path, key), mark.line + 1, mark.column + 1, "duplicate-key", self.document.file)
                )
            self.document.places[(*path, key)] = (mark.line + 1, mark.column + 1)
            data[key] = self._value(value_node, (*path, key), depth + 1)
        return {**merged, **data} if merged else data

    def _merged(self, node: yaml.Node, path: Path, depth: int) -> dict[str, Any]:
        value = self._value(node, (*path, "<<"), depth + 1)
        parts = value if isinstance(value, list) else [value]
        merged: dict[str, Any] = {}
        for part in reversed(parts):
            merged |= part if isinstance(part, dict) else {}
        return merged


def _scalar(node: yaml.Node) -> Any:
    text = node.value
    if node.tag == _NULL:
        return None
    if node.tag == _BOOL:
        return text.lower() == "true"
    if node.tag == _INT:
        return _integer(text.replace("_", ""))
    if node.tag == _FLOAT:
        return float(text.replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf").replace(".nan", "nan"))
    return text


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        value = int(digits, 8)
    else:
        value = int(digits, 0)
    return -value if text.startswith("-") else value
