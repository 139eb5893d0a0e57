"""Whatever text a mapping is, it is compiled or refused; whatever it is run on, it gives a result or an error of the language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock_gateway.language import (
    Environment,
    EvaluationError,
    Mapping,
    ParseError,
    compile_interpolation,
    compile_mapping,
    compile_query,
)
from penstock_gateway.language.errors import InternalError
from penstock_gateway.language.registry import FUNCTIONS, METHODS
from penstock_gateway.message import Message

_FILE = Path(__file__).resolve().parents[2] / "cases" / "language" / "core.yaml"
_TEXTS = [row["when"] for row in yaml.safe_load(_FILE.read_text(encoding="utf-8"))]
_BODIES = [
    b'{"a":1,"b":{"c":[1,2.5,"x",null,true]},"l":[{"v":1},{"v":2}],"s":"text"}',
    b"[1,2,3]",
    b'"text"',
    b"null",
    b"not json",
    b"",
]
_PIECES = sorted(
    {
        *"()[]{}.,:;=+-*/%|&!<>@$#\"\n\t_ 019aé",
        *("this", "root", "root.a = ", "let x = ", "$x", "meta k = ", "@k", "if true { ", " } else { ", "match this { ", " => "),
        *("x -> ", "map m { ", "import \"x\"\n", "from \"x\"", "null", "true", "1.5", "\"\"\"", "\\", "${! ", "}", " | ", " && "),
        *(f"{name}(" for name in FUNCTIONS),
        *(f".{name}(" for name in METHODS),
    },
)  # fmt: skip
_WORLD = Environment(clock=lambda: 1, random=lambda count: b"\x01" * count, fuel=20_000)


@st.composite
def _mutated(draw: st.DrawFn) -> str:
    """A text of the tables with pieces put in, taken out and exchanged."""
    text: str = draw(st.sampled_from(_TEXTS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 6)))
        text = text[:start] + draw(st.sampled_from(_PIECES)) + text[end:]
    return text


def _compiled(compiler: Any, text: str) -> Any:
    try:
        return compiler(text, environment=_WORLD)
    except ParseError as error:
        return error


def _applied(compiled: Any, body: bytes) -> Any:
    batch = [Message(body, {"k": "v"})]
    try:
        if isinstance(compiled, Mapping):
            compiled.mutate(batch[0].copy(), batch, 0)
            result = compiled.apply(batch, 0)
            return b"" if result is None else result.raw
        return str(compiled.evaluate(batch, 0)).encode("utf-8", "surrogateescape")
    except EvaluationError as error:
        return error


def _run(text: str, body: bytes) -> None:
    for compiler in (compile_mapping, compile_query, compile_interpolation):
        compiled = _compiled(compiler, text)
        if isinstance(compiled, ParseError):
            assert min(compiled.line, compiled.column) >= 1
            assert compiled.render(text)
            continue
        outcome = _applied(compiled, body)
        assert isinstance(outcome, bytes) or outcome.find(InternalError) is None, outcome


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_mutated(), st.sampled_from(_BODIES))
def test_mutations_of_mappings(text: str, body: bytes) -> None:
    _run(text, body)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(_PIECES), max_size=12).map("".join), st.sampled_from(_BODIES))
def test_heaps_of_pieces(text: str, body: bytes) -> None:
    _run("root = " + text, body)


_ARGUMENTS = ["null", "1", "-1", "2.5", '"a"', '"(["', '"2006-01-02"', "[]", '["a", 1]', "{}", '{"a": 1}', "this", "x -> x",
              "deleted()", "this.b.c", "true", "9223372036854775807", '"sha256"', '"hex"', '"\\xff"']  # fmt: skip


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(METHODS)),
    st.sampled_from(_ARGUMENTS),
    st.lists(st.sampled_from(_ARGUMENTS), max_size=3),
    st.sampled_from(_BODIES),
)
def test_every_method_takes_or_refuses_what_it_gets(name: str, target: str, arguments: list[str], body: bytes) -> None:
    _run(f"root = ({target}).{name}({', '.join(arguments)})", body)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(st.sampled_from(_ARGUMENTS), max_size=3), st.sampled_from(_BODIES))
def test_every_function_takes_or_refuses_what_it_gets(name: str, arguments: list[str], body: bytes) -> None:
    _run(f"root = {name}({', '.join(arguments)})", body)
