"""A few steps can share parts so often that the text would fill any memory: such results are refused, at once."""

from __future__ import annotations

import time

import pytest

from penstock_gateway.language import (
    Environment,
    EvaluationError,
    compile_interpolation,
    compile_mapping,
    compile_query,
)
from penstock_gateway.language.sharing import multiplies
from penstock_gateway.language.statements import parse_mapping
from penstock_gateway.message import Message

_FOLD = 'range(0, 60).fold({"x": 1.5}, t -> {"a": t.tally, "b": t.tally})'
_LETS = "let v0 = this\n" + "\n".join(f"let v{n + 1} = [$v{n}, $v{n}]" for n in range(60))
_BOMBS = [
    f"root = {_FOLD}",
    f"root.x.y = {_FOLD}",
    f"root.x = {_FOLD}",
    f"meta m = {_FOLD}\nroot = this",
    f"root = {_FOLD} == {_FOLD}",
    f"root = {_FOLD} != {_FOLD}",
    f"{_LETS}\nroot = $v60",
    f"{_LETS}\nroot.x = $v60",
    "root.a = 1.5\n" + "\n".join("root.b = [root, root]" for _ in range(60)),
    "map m { root = if this.n > 60 { this } else { {\"n\": this.n + 1, \"a\": this, \"b\": this}.apply(\"m\") } }\n"
    "root = {\"n\": 0}.apply(\"m\")",
]  # fmt: skip


@pytest.mark.parametrize("text", _BOMBS, ids=range(len(_BOMBS)))
def test_what_would_be_too_large_is_refused(text: str) -> None:
    mapping = compile_mapping(text, environment=Environment())
    began = time.process_time()
    for _ in range(2):
        message = Message(b'{"n":1}', {"k": "v"})
        with pytest.raises(EvaluationError, match="would exceed 33554432 bytes"):
            mapping.apply([message], 0)
        with pytest.raises(EvaluationError, match="would exceed 33554432 bytes"):
            mapping.mutate(message.copy(), [message], 0)
        assert message.raw == b'{"n":1}'
    assert time.process_time() - began < 20


def test_texts_with_such_values_are_refused() -> None:
    text = compile_interpolation(f"x ${{! {_FOLD} }}", environment=Environment())
    with pytest.raises(EvaluationError, match="would exceed"):
        text.evaluate([Message(b"{}")], 0)
    query = compile_query(f"{_FOLD} == {_FOLD}", environment=Environment())
    with pytest.raises(EvaluationError, match="would exceed"):
        query.evaluate([Message(b"{}")], 0)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("root = this\nroot.a = this.b + 1", False),
        ("root.x = this.l.map_each(i -> i.price * this.rate)", False),
        ("root.x = this.l.map_each(i -> i.tags.filter(t -> t != this.name))", False),
        ("root.x = this.l.filter(i -> i.v == this.v)", False),
        ('root = {"a": this.a, "b": [this.b, this.c], "c": {"d": this.d, "e": this.e}}', False),
        ("root.x = this.l.map_each(i -> this.all)", True),
        ("root.x = this.l.map_each(i -> $x)", True),
        ("root.x = this.l.map_each(i -> json())", True),
        ("root.x = this.l.fold({}, t -> t.tally)", True),
    ],
)
def test_ordinary_mappings_are_not_looked_at(text: str, wanted: bool) -> None:
    assert multiplies(parse_mapping(text, Environment())) is wanted
