"""The generated function and the closures are one language: same values, same errors, the input never changed."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock_gateway.document import DocumentError, Float32, Number, Uint64
from penstock_gateway.language import Environment, EvaluationError, Mapping, ParseError, compile_mapping
from penstock_gateway.message import Message

_ROOT = Path(__file__).resolve().parents[3]
_TABLE = _ROOT / "tests" / "cases" / "language" / "core.yaml"
_CASES = Path(os.environ.get("PENSTOCK_CONFORMANCE", _ROOT.parent / "shared" / "conformance")) / "bloblang_public.jsonl"


def _environment() -> Environment:
    return Environment(clock=lambda: 1, random=lambda count: b"\x01" * count, fuel=100_000)


def _exact(value: Any) -> str:
    """A value with the types of its parts: 1, 1.0, true and a number of JSON are four things."""
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{key!r}:{_exact(item)}" for key, item in value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_exact, value)) + "]"
    return f"{type(value).__name__} {value!r}"


def _outcome(run: Callable[[], Message | None]) -> Any:
    try:
        result = run()
    except EvaluationError as error:
        return "error", str(error)
    if result is None:
        return "deleted"
    raw = result.raw
    try:
        return raw, _exact(result.document), _exact(result.meta)
    except DocumentError:
        return raw, _exact(result.meta)


def _message(body: Any) -> Message:
    meta = {"k": "v", "n": 5}
    return Message(body, meta) if isinstance(body, bytes) else Message(document=body, meta=meta)


def _check(mapping: Mapping, message: Message) -> bool | str:
    try:
        return mapping.check([message], 0)
    except EvaluationError as error:
        return str(error)


def _compare(both: Mapping, closures: Mapping, body: Any) -> None:
    message, other = _message(copy.deepcopy(body)), _message(copy.deepcopy(body))
    before = _exact(message.document) if not isinstance(body, bytes) else message.raw
    mine, theirs = _outcome(lambda: both.apply([message], 0)), _outcome(lambda: closures.apply([other], 0))
    assert mine == theirs, both.applying.source
    assert _check(both, message) == _check(closures, other), both.applying.source
    edited, twin = message.copy(), other.copy()
    mine, theirs = (
        _outcome(lambda: both.mutate(edited, [message], 0)),
        _outcome(lambda: closures.mutate(twin, [other], 0)),
    )
    assert mine == theirs, both.editing.source
    assert _outcome(lambda: edited) == _outcome(lambda: twin), both.editing.source
    assert (_exact(message.document) if not isinstance(body, bytes) else message.raw) == before
    assert message.meta == {"k": "v", "n": 5}


def agree(text: str, body: Any) -> Mapping | None:
    """Run a mapping both ways, several times; gives the one that has the generated functions."""
    try:
        both, closures = (compile_mapping(text, environment=_environment()) for _ in range(2))
    except ParseError:
        return None
    for fast in (closures.applying, closures.editing):
        fast.give_up()
    for fast in (both.applying, both.editing):
        fast.prepare()
    for _ in range(2):
        _compare(both, closures, body)
    return both


_BODIES: list[bytes] = [
    b'{"a":1,"b":{"c":[1,2.5,"x",null,true]},"l":[{"v":1},{"v":2}],"s":"text","f":2.50,"o":{"p":{"q":7}},"t":true}',
    b'{"a":1.5,"b":null,"l":[],"s":"","o":[{"p":1}],"f":9223372036854775807,"t":null}',
    b'{"a":"x","b":[1],"l":[1,"x",null],"s":12345678901234567890,"o":"p","f":-1e400,"t":0}',
    b"[1,2,3]", b'"text"', b"null", b"not json", b"",
]  # fmt: skip


@pytest.mark.parametrize("row", yaml.safe_load(_TABLE.read_text(encoding="utf-8")), ids=lambda row: row["name"])
def test_rows_of_the_table(row: dict[str, Any]) -> None:
    for body in [row.get("given", "null").encode(), *_BODIES]:
        agree(row["when"], body)


@pytest.mark.skipif(not _CASES.exists(), reason="the conformance cases are not here (PENSTOCK_CONFORMANCE)")
def test_rows_of_the_conformance_cases() -> None:
    seen = fit = 0
    for line in _CASES.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if not isinstance(case.get("mapping"), str):
            continue
        bodies = [_BODIES[0]]
        given_body = case.get("input")
        if given_body is not None:
            bodies.append(json.dumps(given_body).encode())
        for body in bodies:
            found = agree(case["mapping"], body)
            seen += found is not None
            fit += found is not None and found.applying.run is not None
    assert seen > 1000
    assert fit > seen // 4


# --- generated mappings -----------------------------------------------------------------------------------------------

_NAMES = ["a", "b", "c", "l", "s", "f", "o", "t", "missing"]
_PATHS = st.lists(st.sampled_from([*_NAMES, "p", "q", "v", "0", "*"]), max_size=3)
_LITERALS = st.sampled_from([
    "null", "true", "false", "0", "1", "-3", "2.5", "-0.0", "100.0", '""', '"x"', '"text"', "9223372036854775807", "[]", "{}",
    '{"p":1}', "[1,2]", "deleted()", "nothing()", '"é\\u2028\\"\'"', "1e300",
])  # fmt: skip
_METHODS = [
    "uppercase()", "lowercase()", "length()", "sum()", "string()", "trim()", "keys()", "sort()", "number()", "number(3)",
    'join("-")', "type()", "not_null()", "reverse()", "round()", "abs()", 'contains("x")', 'split("e")', "not_empty()",
    'has_prefix("t")', 'get("p")', "first()", "int64()", "float64()", "format_json()", "parse_json()", "unique()", "bool()",
    'replace_all("t", this.s)', "merge(this)", "sort_by(x -> x.v)", "fold(0, x -> x.tally + x.value)", "index(0)", "not()",
    "bytes()", "ceil()", "min()", "max()", "flatten()", "append(1, this.a)", "ts_format()", "values()", "slice(0, 2)",
]  # fmt: skip


def _reads(names: tuple[str, ...]) -> st.SearchStrategy[str]:
    bases = st.sampled_from(["this", "this", "this", *names, "$v", "@k", "@n", "@", "@none", "root"])
    return st.tuples(bases, _PATHS).map(lambda found: ".".join([found[0], *found[1]]).replace(".*", '.get("*")'))


@st.composite
def _expressions(draw: st.DrawFn, depth: int = 3, names: tuple[str, ...] = ()) -> str:
    def part(*more: str) -> str:
        return draw(_expressions(depth=depth - 1, names=(*names, *more)))

    form = draw(st.integers(0, 16 if depth else 2))
    if form <= 1:
        return draw(_reads(names))
    if form == 2:
        return draw(_LITERALS)
    if form <= 6:
        operator = draw(
            st.sampled_from(["+", "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "|", "|"])
        )
        return f"({part()} {operator} {part()})"
    if form <= 8:
        return f"({part()}).{draw(st.sampled_from(_METHODS))}"
    if form == 9:
        return f"if {part()} {{ {part()} }}" + draw(st.sampled_from(["", f" else {{ {part()} }}"]))
    if form == 10:
        cases = f"{draw(_LITERALS)} => {part()}, this == {part()} => {part()}"
        return f"(match {part()} {{ {cases}{draw(st.sampled_from(['', ', _ => this']))} }})"
    if form == 11:
        return f"[{part()}, {part()}]"
    if form == 12:
        return f'{{"x": {part()}, "a": {part()}}}'
    if form == 13:
        return f"({part()}).{draw(st.sampled_from(['catch', 'or']))}({part()})"
    if form == 14:
        return f"({part()}).({part()})"
    name = f"i{depth}"
    method = draw(st.sampled_from(["map_each", "map_each", "filter", "any", "all"]))
    tail = draw(st.sampled_from(["", ".sum()", ".length()", f".map_each(j -> [j, {name}])".replace(name, "j")]))
    if draw(st.booleans()):
        return f"({part()}).{method}({name} -> {part(name)}){tail}"
    return f"({part()}).{method}({part()}){tail}"


@st.composite
def _mappings(draw: st.DrawFn) -> str:
    lines = [draw(st.sampled_from(["root = this", "let v = this.o", "let v = 1", "root = {}", ""]))]
    for _ in range(draw(st.integers(1, 4))):
        path = ".".join(draw(st.lists(st.sampled_from([*_NAMES, "p", "0"]), min_size=1, max_size=3)))
        target = draw(st.sampled_from([f"root.{path}"] * 5 + ["root", "let v", "meta k", "meta m"]))
        value = draw(st.one_of(_expressions(), _expressions(depth=1), st.just("deleted()")))
        line = f"{target} = {value}"
        if draw(st.integers(0, 4)) == 0:
            line = f"if {draw(_expressions(depth=2))} {{\n {line}\n}}" + draw(
                st.sampled_from(["", f" else {{\n {line} \n}}"])
            )
        lines.append(line)
    return "\n".join(filter(None, lines))


_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([2**63 - 1, -(2**63), 2**63, 2**70, 1.5, 100.0, 1e-7, 1e20]),
    st.sampled_from([Number("1.50"), Number("-0"), Number("2e3"), Number("12.5"), "", "x", "text", "é", b"\xff", b"text"]),
)  # fmt: skip
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from([*_NAMES, "p", "q", "v", "*"]), inner, max_size=3),
    ),
    max_leaves=8,
)
_documents = st.one_of(st.dictionaries(st.sampled_from(_NAMES), _values, max_size=7), _values)
_settings = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@_settings
@given(_mappings(), st.one_of(st.sampled_from(_BODIES), _documents))
def test_generated_mappings_on_generated_documents(text: str, body: Any) -> None:
    agree(text, body)


# --- mappings that make sense: most of these run through the generated function ---------------------------------------


@st.composite
def _typed(draw: st.DrawFn, kind: str, depth: int = 3, item: str = "") -> str:
    def part(kind: str, item: str = item) -> str:
        return draw(_typed(kind, depth - 1, item))

    leaves = {
        "number": ["this.a", "this.f", "this.o.n", "3", "2.5", "0", *([item] * 3 if item else [])],
        "text": ["this.s", "this.o.s", '"x"', '"text"'],
        "bool": ["this.t", "true", "false"],
        "list": ["this.l", "this.o.l", "[1, 2.5]"],
    }
    if item:
        leaves = {name: [leaf.replace("this.", "doc.") for leaf in found] for name, found in leaves.items()}
    if not depth or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(leaves[kind]))
    n = f"n{depth}"
    forms: dict[str, list[Any]] = {
        "number": [
            lambda: f"({part('number')} {draw(st.sampled_from('+-*/%'))} {part('number')})",
            lambda: f"{part('list')}.sum()",
            lambda: f"{part('text')}.length()",
            lambda: f"(this.missing | {part('number')})",
        ],
        "text": [
            lambda: f"({part('text')} + {part('text')} + {part('text')})",
            lambda: f"{part('text')}.{draw(st.sampled_from(['uppercase()', 'lowercase()', 'trim()', 'slice(1)']))}",
            lambda: f"if {part('bool')} {{ {part('text')} }} else {{ {part('text')} }}",
            lambda: f"{part('number')}.string()",
            lambda: f"(match {part('number')} {{ this > 1 => {draw(st.sampled_from(leaves['text']))}, _ => \"other\" }})"
            if not item else part("text"),
        ],
        "bool": [
            lambda: f"({part('number')} {draw(st.sampled_from(['<', '<=', '>', '>=', '==', '!=']))} {part('number')})",
            lambda: f"({part('text')} {draw(st.sampled_from(['<', '>', '==', '!=']))} {part('text')})",
            lambda: f"({part('bool')} {draw(st.sampled_from(['&&', '||', '==']))} {part('bool')})",
            lambda: f"!{part('bool')}",
            lambda: f"{part('list')}.{draw(st.sampled_from(['any', 'all']))}({n} -> {part('bool', n)})" if not item else "true",
        ],
        "list": [
            lambda: f"{part('list')}.map_each({n} -> {part('number', n)})",
            lambda: f"{part('list')}.filter({n} -> {part('bool', n)})",
            lambda: f"[{part('number')}, {part('number')}]",
        ],
    }  # fmt: skip
    found: str = draw(st.sampled_from(forms[kind]))()
    return found


@st.composite
def _sensible(draw: st.DrawFn) -> str:
    lines = ["let whole = this", draw(st.sampled_from(["root = this", "root = {}", ""]))]
    for _ in range(draw(st.integers(1, 5))):
        target = draw(
            st.sampled_from(["root.x", "root.o.x", "root.o.n", "root.o.y.z", "root.a", "root.s", "meta k", "let w"])
        )
        value = draw(_typed(draw(st.sampled_from(["number", "text", "bool", "list"])))).replace("doc.", "$whole.")
        line = f"{target} = {value}"
        form = draw(st.integers(0, 6))
        if form == 0:
            line = f"if {draw(_typed('bool', 1))} {{\n {line}\n}}"
        elif form == 1:
            line += "\nroot.o.copy = root.o"
        elif form == 2:
            line += f"\nroot.{draw(st.sampled_from(['o.n', 's', 'none', 'o.x']))} = deleted()"
        elif form == 3:
            line = (
                f"{target} = if {draw(_typed('bool', 1))} {{ {draw(st.sampled_from(['deleted()', 'this.o', '1']))} }}"
            )
        lines.append(line)
    return "\n".join(filter(None, lines))


_numbers = st.one_of(
    st.integers(-3, 200), st.sampled_from([2**63 - 1, -(2**63), 2**62, 2**64, 1.5, 1e-7, 1e20, Number("1.50"), Number("129.95")]),
    st.sampled_from([Number("-0"), Number("2e3"), Number("0.0"), True, Uint64(7), Float32(0.5)]),
)  # fmt: skip
_texts = st.one_of(
    st.sampled_from(["", "x", "text", "é", "ß", "\ud800", "1"]), st.sampled_from([b"x", b"\xff", "y" * 5000])
)
_lists = st.lists(st.one_of(_numbers, _numbers, _texts), max_size=4)
_sound = st.fixed_dictionaries(
    {
        "a": _numbers, "f": _numbers, "s": _texts, "t": st.booleans(), "l": st.lists(_numbers, max_size=4),
        "o": st.fixed_dictionaries({"n": _numbers, "s": _texts, "l": _lists}),
    }
)  # fmt: skip


@_settings
@given(_sensible(), _sound)
def test_sensible_mappings_on_sound_documents(text: str, document: Any) -> None:
    agree(text, document)


_BORDERS = [
    0,
    1,
    -1,
    2**62,
    2**63 - 1,
    -(2**63),
    2**63,
    1.5,
    -0.0,
    Number("12.5"),
    Number("-0"),
    True,
    "x",
    b"x",
    None,
    Uint64(2**63),
]


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">="])
def test_operators_at_the_borders_of_their_types(operator: str) -> None:
    for left in _BORDERS:
        for right in _BORDERS:
            agree(f"root.x = this.a {operator} this.b", {"a": left, "b": right})
        agree(f"root.x = this.a {operator} 5\nroot.y = this.a {operator} 2.5", {"a": left})
        agree(f'root.x = this.a {operator} "x"', {"a": left})
