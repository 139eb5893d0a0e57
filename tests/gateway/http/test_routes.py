"""Which route serves a path, which clash, and what a path is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from penstock_gateway import paths
from penstock_gateway.errors import ConfigError
from penstock_gateway.http.routes import RouteTable, entry_of

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases/http/routes.yaml").read_text())


def add(table: RouteTable, text: str) -> Any:
    stream, rest = text.split(": ")
    methods, path = rest.split(" ", 1)
    return table.add(entry_of(stream, "respond", path, [m for m in methods.split(",") if m], None))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
@pytest.mark.parametrize("backwards", [False, True])
def test_finding(case: dict[str, Any], backwards: bool) -> None:
    table = RouteTable()
    for text in reversed(case["routes"]) if backwards else case["routes"]:
        add(table, text)
    for question, answer in case["ask"].items():
        method, path = question.split(" ", 1)
        found = table.find(path, method)
        if answer is None:
            assert found is None, question
        elif isinstance(answer[1], dict):
            assert found is not None
            assert found.entry is not None
            assert [found.entry.stream, dict(found.values)] == answer, question
        else:
            assert found is not None
            assert (found.entry, list(found.methods)) == (None, answer), question


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("a: GET /x", "b: GET,POST /x"),
        ("a: GET /x/{id}", "b: GET /x/{other}"),
        ("a: GET /x/", "b: GET /x/"),
        ("a:  /ws", "b: GET /ws"),
        ("a: GET /x", "a: GET /x"),
    ],
)
def test_one_path_and_method_has_one_stream(one: str, two: str) -> None:
    table = RouteTable()
    remove = add(table, one)
    with pytest.raises(ConfigError, match="is served by"):
        add(table, two)
    remove()
    add(table, two)


@pytest.mark.parametrize("text", ["x", "", "/{", "/}", "/{a", "/{1a}", "/{a}/{a}", "/{a:[}", "/{a:(b)}", "/{}"])
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(ConfigError):
        paths.pattern(text)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/a%20b", "/a b"),
        ("/a%2Fb", "/a/b"),
        ("/%C3%A9", "/é"),
        ("/a+b", "/a+b"),
        ("/%zz", None),
        ("/%", None),
        ("/%00", None),
        ("/a%0Ab", None),
        ("/%ff", None),
    ],
)
def test_decoding(raw: str, path: str | None) -> None:
    assert paths.decode(raw) == path


@pytest.mark.parametrize(
    ("path", "tidy"),
    [
        ("//in//here", "/in/here"),
        ("/in/x/../here", "/in/here"),
        ("/../../etc", "/etc"),
        ("/a/./b/", "/a/b/"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/.hidden", "/.hidden"),
        ("/a..b", "/a..b"),
        ("/", "/"),
    ],
)
def test_cleaning(path: str, tidy: str) -> None:
    assert paths.clean(path) == tidy


@given(some.text(alphabet="/.ab", max_size=12))
def test_clean_paths_are_clean(text: str) -> None:
    """G19: a path is cleaned once and for all, and never leaves the root."""
    tidy = paths.clean("/" + text)
    assert paths.clean(tidy) == tidy
    assert tidy.startswith("/")
    assert not {"", ".", ".."} & set(tidy.strip("/").split("/")) or tidy == "/"
    assert paths.decode(paths.encode(tidy)) == tidy
