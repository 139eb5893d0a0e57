"""Reads a folder of YAML files into objects as an API server would hold them, and says what is wrong with file, line and column.

A file that is not YAML changes nothing: what it held before stays, as when `kubectl apply` fails. A document that is YAML but not a
valid resource does change something: the plan sees it, and it grants nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock_gateway import yamltext
from penstock_gateway.errors import ConfigError, Problem
from penstock_operator.resources import documents

KINDS = (*documents.KINDS, "Secret", "ConfigMap", "Namespace")
SUFFIXES = (".yaml", ".yml", ".json")
LARGEST_FILE = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Source:
    """One object and where it was written."""

    kind: str
    name: documents.Name
    data: Mapping[str, Any]
    text: yamltext.Document

    @property
    def id(self) -> str:
        """Kind and name, the way state and messages show an object."""
        return f"{self.kind} {self.name}"


@dataclass(slots=True)
class Reading:
    """What a folder held: objects in the order of files, problems that somebody must mend, notes about what was passed over."""

    sources: list[Source] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Folder:
    """Folders of YAML files, or single files; remembers what each file held when it was last readable."""

    def __init__(self, *paths: Path) -> None:
        self.paths = paths
        self._good: dict[Path, list[yamltext.Document]] = {}

    def read(self) -> Reading:
        """Everything in the folder now."""
        reading = Reading()
        seen: dict[str, Source] = {}
        paths = list(dict.fromkeys(file for path in self.paths for file in files(path)))
        self._good = {path: good for path, good in self._good.items() if path in paths}
        for path in paths:
            for document in self._documents(path, reading):
                _take(document, reading, seen)
        return reading

    def _documents(self, path: Path, reading: Reading) -> list[yamltext.Document]:
        shown = str(path)
        try:
            found = list(yamltext.load_all(_text(path), shown))
        except ConfigError as error:
            reading.problems += [Problem(p.text, p.path, p.line, p.column, p.rule, shown) for p in error.problems]
        except (OSError, UnicodeDecodeError) as error:
            reading.problems.append(Problem(f"cannot be read: {error}", (), 1, 1, "yaml", shown))
        else:
            wrong = [problem for document in found for problem in document.problems]
            reading.problems += wrong
            if not wrong:
                self._good[path] = found
        return self._good.get(path, [])


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST_FILE:
        raise ConfigError([Problem("the file is larger than 8 MiB", rule="yaml")])
    return path.read_text("utf-8-sig")


def files(path: Path) -> Iterator[Path]:
    """The YAML files at or below a path in a stable order; hidden files and folders are passed over, links to folders not followed."""
    if path.is_file():
        yield path
        return
    for child in _children(path):
        if child.name.startswith("."):
            continue
        if child.is_dir():
            if not child.is_symlink():
                yield from files(child)
        elif child.suffix in SUFFIXES:
            yield child


def _children(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except OSError:  # it went while we looked
        return []


def is_source(path: Path, folder: Path) -> bool:
    """Whether a change of `path` concerns what is read from `folder` (a folder or a single file)."""
    if folder.is_file() or not path.is_relative_to(folder):
        return path == folder
    return not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _take(document: yamltext.Document, reading: Reading, seen: dict[str, Source]) -> None:
    data = document.data
    if data is None:
        return
    if not isinstance(data, dict) or "kind" not in data or "apiVersion" not in data:
        reading.notes.append(f"{document.file}: not a Kubernetes object, passed over")
        return
    if data.get("kind") == "List" and isinstance(data.get("items"), list):
        reading.notes.append(f"{document.file}: a List is passed over, write its items as documents")
        return
    source = _source(document, data, reading)
    if source is None:
        return
    if source.id in seen:
        first = seen[source.id].text.file
        line, column = document.locate(("metadata", "name"))
        text = f"{source.id} is written twice, first in {first}; that one is used"
        reading.problems.append(Problem(text, ("metadata", "name"), line, column, "duplicate-object", document.file))
        return
    seen[source.id] = source
    reading.sources.append(source)


def _source(document: yamltext.Document, data: dict[str, Any], reading: Reading) -> Source | None:
    kind = str(data["kind"])
    if documents.is_ours(data):
        wrong = documents.problems_of_kind(data)
        if wrong:
            reading.problems += [document.place(problem) for problem in wrong]
            return None
        resource = documents.read(data)
        reading.problems += [document.place(problem) for problem in resource.problems]
        if not isinstance(_metadata(data).get("name"), str):
            return None
        return Source(kind, resource.meta.name, data, document)
    if data["apiVersion"] != "v1" or kind not in KINDS:
        reading.notes.append(f"{document.file}: {kind} {_metadata(data).get('name', '')} passed over")
        return None
    name = _metadata(data).get("name")
    if not isinstance(name, str):
        problem = Problem("is required", ("metadata", "name"), rule="schema")
        reading.problems.append(document.place(problem))
        return None
    namespace = "" if kind == "Namespace" else str(_metadata(data).get("namespace") or "default")
    return Source(kind, documents.Name(namespace, name), data, document)


def _metadata(data: Mapping[str, Any]) -> Mapping[str, Any]:
    found = data.get("metadata")
    return found if isinstance(found, dict) else {}
