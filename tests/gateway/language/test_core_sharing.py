"""Sharing is never seen: mappings that copy on write give what an executor that copies everything gives."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock_gateway.language import Environment, EvaluationError, compile_mapping
from penstock_gateway.message import Message

_INPUT = {"a": {"b": {"c": 1}, "c": [1, {"a": 2}]}, "b": [{"a": {"a": 5}}, 6], "c": 7}
_KEYS = ("a", "b", "c", "0", "1")
_PATHS = st.lists(st.sampled_from(_KEYS), min_size=1, max_size=3)
_LITERALS = ({"a": {"b": 1}}, [1, {"a": 2}], 5, None)


class Naive:
    """The reference: a deep copy at every step."""

    def __init__(self) -> None:
        self.root: Any = None
        self.unset = True
        self.variables: dict[str, Any] = {}

    @staticmethod
    def read(value: Any, path: list[str]) -> Any:
        for key in path:
            if isinstance(value, dict):
                value = value.get(key)
            elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            else:
                return None
        return copy.deepcopy(value)

    def write(self, path: list[str], value: Any) -> bool:
        """Whether it could be done."""
        if self.unset or self.root is None:
            self.root, self.unset = {}, False
        target = self.root
        for key in path[:-1]:
            if isinstance(target, dict):
                if target.get(key) is None:
                    target[key] = {}
                target = target[key]
            elif isinstance(target, list) and key.isdigit() and int(key) < len(target) and target[int(key)] is not None:
                target = target[int(key)]
            else:
                return False
        if isinstance(target, dict):
            target[path[-1]] = value
        elif isinstance(target, list) and path[-1].isdigit() and int(path[-1]) < len(target):
            target[int(path[-1])] = value
        else:
            return False
        return True

    def remove(self, path: list[str]) -> None:
        if self.unset or self.root is None:
            self.root, self.unset = {}, False
        target = self.root
        for key in path[:-1]:
            if isinstance(target, dict):
                target = target.get(key)
            elif isinstance(target, list) and key.isdigit() and int(key) < len(target):
                target = target[int(key)]
            else:
                return
        if isinstance(target, dict):
            target.pop(path[-1], None)
        elif isinstance(target, list) and len(path) > 1 and path[-1].isdigit() and int(path[-1]) < len(target):
            del target[int(path[-1])]


_SOURCES = st.one_of(
    st.tuples(st.just("this"), st.lists(st.sampled_from(_KEYS), max_size=3)),
    st.tuples(st.just("root"), st.lists(st.sampled_from(_KEYS), max_size=3)),
    st.tuples(st.just("$v"), st.lists(st.sampled_from(_KEYS), max_size=2)),
    st.tuples(st.just("literal"), st.integers(0, len(_LITERALS) - 1)),
    st.tuples(st.just("deleted"), st.none()),
)
_STEPS = st.lists(
    st.tuples(st.sampled_from(["root", "path", "path", "path", "let"]), _PATHS, _SOURCES), min_size=1, max_size=8
)


def _text(source: tuple[str, Any]) -> str:
    kind, detail = source
    if kind == "literal":
        return json.dumps(_LITERALS[detail])
    return "deleted()" if kind == "deleted" else ".".join([kind, *detail])


def _follow(steps: list[tuple[str, list[str], tuple[str, Any]]]) -> tuple[Any, list[str]]:
    """What the reference gives, and the statements up to where the language must fail."""
    naive, lines = Naive(), []
    naive.variables["v"] = None
    for where, path, (kind, detail) in steps:
        if where == "root" and kind == "deleted":
            continue
        if kind == "root" and naive.unset:
            continue
        if where == "let" and kind == "deleted":
            continue
        target = {"root": "root", "let": "let v"}.get(where, "root." + ".".join(path))
        line = f"{target} = {_text((kind, detail))}"
        if kind == "deleted":
            naive.remove(path)
            lines.append(line)
            continue
        sources: dict[str, Any] = {"this": _INPUT, "root": naive.root, "$v": naive.variables["v"]}
        value = copy.deepcopy(_LITERALS[detail]) if kind == "literal" else naive.read(sources[kind], detail)
        if where == "root":
            naive.root, naive.unset = value, False
        elif where == "let":
            naive.variables["v"] = value
        elif not naive.write(path, value):
            break
        lines.append(line)
    return (_INPUT if naive.unset else naive.root), lines


@settings(max_examples=400, deadline=None)
@given(_STEPS)
def test_copies_on_write_are_copies(steps: list[tuple[str, list[str], tuple[str, Any]]]) -> None:
    wanted, lines = _follow(steps)
    before = Message(document=copy.deepcopy(_INPUT))
    mapping = compile_mapping("\n".join(["let v = null", *lines]), environment=Environment())
    for _ in range(2):
        result = mapping.apply([before], 0)
        assert result is not None
        assert result.document == wanted
        assert before.document == _INPUT


def test_a_failing_write_is_an_error_not_a_change() -> None:
    before = Message(document={"a": {"b": 1}})
    mapping = compile_mapping("root = this\nroot.a.b.c = 1", environment=Environment())
    for _ in range(2):
        with pytest.raises(EvaluationError, match=r"path a\.b\.c as the value of a\.b was a non-object type"):
            mapping.apply([before], 0)
        assert before.document == {"a": {"b": 1}}
