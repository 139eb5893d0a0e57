"""Finds what is wrong with a configuration before it runs: structure, language texts, references; every problem with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from penstock_gateway import config, language, variables, yamltext
from penstock_gateway.config import Rules, StreamConfig
from penstock_gateway.errors import ConfigError, Path, Problem
from penstock_gateway.registry import LabelOf, Slot, Text


def lint_bare(text: str, file: str, environment: Mapping[str, str]) -> list[Problem]:
    """The problems of a bare Bento configuration, placed in its file."""
    filled, missing = variables.replace_in_text(text, environment)
    problems = []
    if missing:
        names = " ".join(sorted(set(missing)))
        problems.append(Problem(f"required environment variables were not set: [{names}]", (), 1, 1, "variable", file))
    try:
        document = yamltext.load(filled, file)
    except ConfigError as error:
        return problems + error.problems
    found = document.problems + lint_stream(document.data, (), Rules(bare=True), environment)
    return problems + [document.place(problem) for problem in found]


def lint_stream(
    data: Any, path: Path, rules: Rules | None = None, names: Mapping[str, str] | None = None
) -> list[Problem]:
    """The problems of one stream's configuration; `names` is what `env("NAME")` would see."""
    stream, problems = config.parse_stream(data, path, rules)
    if stream is None:
        return problems
    return problems + list(_language(stream, names or {})) + list(_references(stream))


def _references(stream: StreamConfig) -> Iterator[Problem]:
    for component in stream.components():
        for name, field in type(component.config).model_fields.items():
            mark = next((mark for mark in field.metadata if isinstance(mark, LabelOf)), None)
            value = getattr(component.config, name)
            for label in [] if mark is None or not value else value if isinstance(value, list) else [value]:
                assert mark is not None
                if label not in stream.resources[mark.kind]:
                    place = () if component.spec.bare else (name,)
                    text = f"{mark.kind} resource '{label}' was not found: add it to {mark.kind}_resources"
                    yield Problem(text, (*component.path, component.name, *place), rule="reference")


def _language(stream: StreamConfig, names: Mapping[str, str]) -> Iterator[Problem]:
    environment = language.Environment(variables=names)
    compilers = {
        "mapping": language.compile_mapping,
        "query": language.compile_mapping,
        "interpolated": language.compile_interpolation,
    }
    for component in stream.components():
        prefix = (*component.path, component.name)
        for path, form, text in texts(component.config):
            place = prefix + (path[1:] if component.spec.bare else path)
            try:
                compilers[form](text, environment=environment)
            except language.ParseError as error:
                yield Problem(str(error), place, rule="mapping", within=(error.line, error.column))


def texts(model: BaseModel, path: Path = ()) -> Iterator[tuple[Path, str, str]]:
    """Every language text in a component's fields: path, form (`mapping`, `query`, `interpolated`), text."""
    for name, field in type(model).model_fields.items():
        form = next((mark.form for mark in field.metadata if isinstance(mark, Text)), "")
        shown = field.alias or name
        yield from _texts(getattr(model, name), field.annotation, form, (*path, shown))


def _texts(value: Any, annotation: Any, form: str, path: Path) -> Iterator[tuple[Path, str, str]]:
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        form = next((mark.form for mark in marks if isinstance(mark, Text)), form)
        annotation = inner
    if isinstance(value, Slot):
        return
    if isinstance(value, BaseModel):
        yield from texts(value, path)
    elif isinstance(value, str):
        if form and value:
            yield path, form, value
    elif isinstance(value, dict):
        inner = get_args(annotation)[-1] if get_args(annotation) else Any
        for key, item in value.items():
            yield from _texts(item, inner, form, (*path, key))
    elif isinstance(value, list):
        inner = get_args(annotation)[0] if get_args(annotation) else Any
        for n, item in enumerate(value):
            yield from _texts(item, inner, form, (*path, n))
