"""Mappings over messages and batches: what is read, what is changed, what is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from penstock_gateway.document import decode
from penstock_gateway.language import (
    Environment,
    EvaluationError,
    Mapping,
    ParseError,
    compile_interpolation,
    compile_mapping,
    compile_query,
)
from penstock_gateway.message import Failure, Message


def mapping(text: str, **world: Any) -> Mapping:
    return compile_mapping(text, environment=Environment(**world))


def mapped(text: str, body: bytes = b"null", meta: dict[str, Any] | None = None, **world: Any) -> Message:
    result = mapping(text, **world).apply([Message(body, meta)], 0)
    assert result is not None
    return result


def test_an_unassigned_root_keeps_the_body_byte_for_byte() -> None:
    result = mapped('meta a = "x"', b'{ "b":1.0 }', {"k": "v"})
    assert (result.raw, result.meta) == (b'{ "b":1.0 }', {"k": "v", "a": "x"})


def test_the_input_is_never_changed() -> None:
    before = Message(b'{"a":{"b":[1,2]}}', {"k": "v"})
    text = "root = this\nroot.a.b.0 = 9\nroot.a.c = root.a.b\nroot.a.b.1 = deleted()\nmeta k = deleted()"
    result = mapping(text).apply([before], 0)
    assert result is not None
    assert result.raw == b'{"a":{"b":[9],"c":[9,2]}}'
    assert before.document == {"a": {"b": [1, 2]}}
    assert before.meta == {"k": "v"}


def test_constants_of_the_text_are_never_changed() -> None:
    twice = mapping('root.a = {"x": [1]}\nroot.a.x.0 = this\nroot.a.y = this')
    assert [twice.evaluate(number) for number in (5, 6)] == [{"a": {"x": [5], "y": 5}}, {"a": {"x": [6], "y": 6}}]


def test_a_mutation_sees_its_changes_until_root_is_replaced() -> None:
    text = "if true {\n  root.a = 2\n  root.b = this.a + 1\n}\nroot.all = this\nroot = {}\nroot.c = this"
    before = Message(b'{"a":1}')
    result = mapping(text).mutate(before.copy(), [before], 0)
    assert result is not None
    assert result.raw == b'{"c":{"a":2,"all":{"a":2,"b":3},"b":3}}'
    assert before.document == {"a": 1}


def test_a_failing_mutation_keeps_what_came_before() -> None:
    copy = Message(b'{"a":1}').copy()
    with pytest.raises(EvaluationError):
        mapping('root.b = 2\nmeta m = "x"\nroot.c = throw("no")').mutate(copy, [copy.copy()], 0)
    assert (copy.raw, copy.meta) == (b'{"a":1,"b":2}', {"m": "x"})


def test_a_result_is_written_onto_another_message() -> None:
    onto = Message(b'{"a":1}', {"k": "v"})
    result = mapping("root.found = this.x\nroot.seen = this.found").mutate(onto, [Message(b'{"x":5}')], 0, follow=False)
    assert result is onto
    assert onto.raw == b'{"a":1,"found":5,"seen":null}'


def test_a_mutation_of_a_body_that_is_no_document() -> None:
    copy = Message(b"text")
    assert mapping("root.a = content().string()").mutate(copy, [Message(b"text")], 0) is copy
    assert copy.raw == b'{"a":"text"}'


def test_other_messages_of_the_batch() -> None:
    batch = [Message(b'{"v":%d}' % number, {"n": number}) for number in (1, 2, 3)]
    text = (
        'root.all = json("v").from_all()\nroot.last = json("v").from(-1)\nroot.this = this.v.from_all()\n'
        'root.meta = metadata("n").from(0)\nroot.at = [batch_index(), batch_size()]'
    )
    result = mapping(text).apply(batch, 1)
    assert result is not None
    assert result.document == {"all": [1, 2, 3], "last": 3, "this": [2, 2, 2], "meta": 1, "at": [1, 3]}
    with pytest.raises(EvaluationError, match="target message part does not exist"):
        mapping('root = json("v").from(7)').apply(batch, 0)


def test_metadata_as_it_came_and_as_it_is() -> None:
    text = 'meta k = {"x": 1}\nroot = [meta("k"), metadata("k"), @k, root_meta("k"), @.length(), meta("none")]'
    assert mapped(text, meta={"k": 5}).document == ["5", 5, {"x": 1}, '{"x":1}', 1, None]
    assert mapped("meta = deleted()\nroot = @", meta={"k": 5}).document == {}


def test_a_flow_id_stays_with_its_message() -> None:
    first = mapped("root = [flow_id(), flow_id()]", clock=lambda: 5, random=lambda count: bytes(count))
    assert first.document == ["5_0", "5_0"]
    assert mapped("root = flow_id()", meta=first.meta).raw == b"5_0"


def test_the_error_mark() -> None:
    failed = Message(b"{}")
    failed.failure = Failure("went wrong", "mine", "mapping", "root.pipeline.processors.0")
    text = "root = [error(), errored(), error_source_label(), error_source_type(), error_source_path()]"
    result = mapping(text).apply([failed], 0)
    assert result is not None
    assert result.document == ["went wrong", True, "mine", "mapping", "root.pipeline.processors.0"]
    assert mapped("root = [error(), errored()]").document == [None, False]


def test_the_environment_is_handed_in() -> None:
    world: dict[str, Any] = {
        "clock": lambda: 1_700_000_000_123_456_789,
        "random": lambda count: b"\xff" * count,
        "variables": {"A": "x"},
        "files": {"/f": b"data"}.__getitem__,
        "zone": lambda ns: (3600, "CET"),
    }
    text = (
        'root.env = [env("A"), env("B"), env(this.name)]\nroot.now = now()\nroot.unix = timestamp_unix_milli()\n'
        'root.id = uuid_v4()\nroot.file = file("/f").string()'
    )
    assert mapped(text, b'{"name":"A"}', **world).document == {
        "env": ["x", None, "x"],
        "now": "2023-11-14T23:13:20.123456789+01:00",
        "unix": 1_700_000_000_123,
        "id": "ffffffff-ffff-4fff-bfff-ffffffffffff",
        "file": "data",
    }
    with pytest.raises(ParseError, match="no such file"):
        mapping('root = file("/nope")', **world)
    with pytest.raises(EvaluationError, match="not available here"):
        mapped("root = now()")


def test_counters_belong_to_their_call_site_and_names_to_the_environment() -> None:
    environment = Environment()
    first, second = (
        compile_mapping('root = [counter(), counter(min: 5, max: 6), count("n")]', environment=environment)
        for _ in "ab"
    )
    assert [first.evaluate(None), first.evaluate(None), second.evaluate(None)] == [[1, 5, 1], [2, 6, 2], [1, 5, 3]]
    again = compile_mapping("root = counter(set: this)", environment=environment)
    assert [again.evaluate(value) for value in (10, None, 3)] == [10, 10, 3]


def test_imports_are_relative_to_their_file() -> None:
    files = {
        "maps/a.blobl": 'import "b.blobl"\nmap a { root = this.apply("b") + 1 }',
        "maps/b.blobl": "map b { root = this * 10 }",
        "whole.blobl": 'import "maps/a.blobl"\nroot.x = this.apply("a")',
        "circle.blobl": 'import "circle.blobl"\nmap x { root = 1 }',
        "empty.blobl": "root = 1",
    }
    imports = files.__getitem__
    assert mapping('import "maps/a.blobl"\nroot = this.apply("a")', imports=imports).evaluate(4) == 41
    assert mapping('from "whole.blobl"', imports=imports).evaluate(4) == {"x": 41}
    for text, why in (
        ('import "none.blobl"\nroot = 1', "failed to read import"),
        ('import "circle.blobl"\nroot = 1', "failed to parse import 'circle.blobl'"),
        ('import "empty.blobl"\nroot = 1', "no maps to import from 'empty.blobl'"),
        ('import "maps/a.blobl"\nmap b { root = 1 }', "map name collision: b"),
        ('from "whole.blobl"\nroot = 2', "unexpected content after single root import: root = 2"),
    ):
        with pytest.raises(ParseError, match=why):
            mapping(text, imports=imports)
    with pytest.raises(ParseError) as refused:
        mapping('import "bad.blobl"\nroot = 1', imports={"bad.blobl": "map x {\n  root = nope()\n}"}.__getitem__)
    assert refused.value.render('import "bad.blobl"\nroot = 1').endswith(
        "bad.blobl: line 2 char 16: unrecognised function 'nope'\n  |\n2 |   root = nope()\n  |                ^---"
    )
    with pytest.raises(ParseError, match="imports are disabled"):
        mapping('import "maps/a.blobl"')


def test_checks_give_a_bool() -> None:
    batch = [Message(b'{"v":"true","b":true,"t":"a"}')]
    assert mapping("this.b").check(batch, 0) is True
    assert mapping("root = this.v").check(batch, 0) is True
    for text, why in (
        ("this.t", "invalid character 'a' looking for beginning of value"),
        ("root = deleted()", "query mapping resulted in deleted message, expected a boolean value"),
        ("root = 5", "expected bool value, got number from mapping (5)"),
    ):
        with pytest.raises(EvaluationError) as failed:
            mapping(text).check(batch, 0)
        assert failed.value.text == why


def test_interpolation() -> None:
    batch = [Message(b'{"a":{"b":1},"n":null}', {"k": "v"})]
    world = Environment()
    assert compile_interpolation("plain $x ${NAME}", environment=world).constant == "plain $x ${NAME}"
    text = compile_interpolation('a ${! this.a } ${!@k}-${! this.n } ${{! x }} ${! "}" }', environment=world)
    assert text.constant is None
    assert text.evaluate(batch, 0) == 'a {"b":1} v-null ${! x } }'
    with pytest.raises(EvaluationError, match="context was undefined, unable to reference `a`"):
        compile_interpolation("${! this.a }", environment=world).evaluate([Message(b"x")], 0)
    with pytest.raises(ParseError) as refused:
        compile_interpolation("x ${! this.a y }", environment=world)
    assert str(refused.value) == "line 1 char 14: required: expected end of expression"


def test_queries_know_constants() -> None:
    query = compile_query('"a" + "b"', environment=Environment())
    assert (query.constant, query.value, query.evaluate()) == (True, "ab", "ab")
    assert compile_query("this.a", environment=Environment()).evaluate([Message(b'{"a":1}')], 0) == 1
    for text, why in (("root.a", "unable to reference `root` from this context"), ("$x", "variables were undefined")):
        with pytest.raises(EvaluationError) as failed:
            compile_query(text, environment=Environment()).evaluate([Message(b"{}")], 0)
        assert failed.value.text == why
    with pytest.raises(ParseError, match="expected end of expression"):
        compile_query("this.a b", environment=Environment())


def test_errors_show_their_place() -> None:
    source = "root.a = 1\nroot.b = nope()"
    with pytest.raises(ParseError) as refused:
        mapping(source)
    assert refused.value.render(source) == (
        "line 2 char 16: unrecognised function 'nope'\n  |\n2 | root.b = nope()\n  |                ^---"
    )


@pytest.mark.parametrize("body", [b"[" * 300 + b"]" * 300, b'{"a":' * 450 + b"1" + b"}" * 450])
def test_nested_documents_pass(body: bytes) -> None:
    """M-61: a body the gateway can read it can also write."""
    result = mapped("root.x = this", body)
    assert decode(result.raw) == {"x": decode(body)}


@pytest.mark.parametrize("levels", [2_000, 200_000])
def test_what_is_nested_too_deeply_is_an_error_not_a_crash(levels: int) -> None:
    """M-61."""
    with pytest.raises(EvaluationError, match="exceeded max depth"):
        mapped("root.x = this", b"[" * levels + b"]" * levels)
    for left, right in (
        ("(", ")"),
        ("[", "]"),
        ("if true { ", " }"),
        ('{"a":', "}"),
        ("this.or(", ")"),
        ("match { ", " }"),
    ):
        with pytest.raises(ParseError):
            mapping("root = " + left * levels + "1" + right * levels)


def test_work_is_bounded() -> None:
    """Reliability: a mapping cannot hold the gateway or its memory."""
    for text in (
        'let a = "0123456789abcdef"\n' + "let a = $a + $a\n" * 40 + "root = $a.length()",
        "root = range(0, 100000).map_each(range(0, 100000).map_each(1))",
        'map f { root = [this - 1, this - 1].map_each(x -> if x > 0 { x.apply("f") } else { 0 }) }\nroot = 40.apply("f")',
    ):
        with pytest.raises(EvaluationError, match="more work than one message may cost"):
            mapping(text, fuel=200_000).evaluate(None)
