"""What generated source may name, when it is made, and when it is given up."""

from __future__ import annotations

import pytest

from penstock_gateway.language import Environment, EvaluationError, compile_mapping
from penstock_gateway.language.source import generate
from penstock_gateway.language.statements import parse_mapping
from penstock_gateway.message import Message

_HOSTILE = ["'", '"', "\n", "\\", "'''", "__import__('os')", "é\u2028", "${x}", "{t1}", "lambda: 0", "\x00"]


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\u{ord(char):04x}" for char in text) + '"'


def test_the_function_is_made_after_the_first_message() -> None:
    mapping = compile_mapping("root.a = this.a + 1", environment=Environment())
    assert mapping.applying.run is None
    for _ in range(3):
        result = mapping.apply([Message(b'{"a":1}')], 0)
        assert result is not None
        assert result.raw == b'{"a":2}'
    assert mapping.applying.run is not None
    assert (mapping.applying.runs, mapping.applying.reruns) == (2, 0)


def test_a_function_that_gives_up_often_is_given_up() -> None:
    mapping = compile_mapping("root = this.a.uppercase()", environment=Environment())
    mapping.applying.prepare()
    for _ in range(100):
        with pytest.raises(EvaluationError, match="expected string value, got number"):
            mapping.apply([Message(b'{"a":1}')], 0)
    assert mapping.applying.run is None
    assert mapping.applying.reruns == 64
    result = mapping.apply([Message(b'{"a":"x"}')], 0)
    assert result is not None
    assert result.raw == b"X"


def test_a_function_that_gives_up_sometimes_is_kept() -> None:
    mapping = compile_mapping('root = this.a.uppercase() + "!"', environment=Environment())
    mapping.applying.prepare()
    for n in range(2000):
        if n % 10:
            mapping.apply([Message(b'{"a":"x"}')], 0)
            continue
        with pytest.raises(EvaluationError):
            mapping.apply([Message(b'{"a":1}')], 0)
    assert mapping.applying.run is not None
    assert mapping.applying.reruns == 200


def test_metadata_that_was_written_before_a_rerun_is_written_once() -> None:
    mapping = compile_mapping('meta n = @n.or("") + "x"\nroot = this.a.uppercase()', environment=Environment())
    mapping.applying.prepare()
    mapping.editing.prepare()
    for body, wanted in ((b'{"a":"b"}', 0), (b'{"a":{"x":1}}', 1)):
        message = Message(body, {"n": "-"})
        if not wanted:
            result = mapping.apply([message], 0)
            assert result is not None
            assert result.meta == {"n": "-x"}
        else:
            with pytest.raises(EvaluationError):
                mapping.apply([message], 0)
            edited = message.copy()
            with pytest.raises(EvaluationError):
                mapping.mutate(edited, [message], 0)
        assert mapping.applying.reruns == wanted
        assert message.meta == {"n": "-"}


@pytest.mark.parametrize(
    "text",
    ["root = count(\"x\")", "root = uuid_v4()", "root = counter()", "root = now()", "root = random_int()", "root = range(0, 3)",
     "root = this.bloblang(\"root = counter()\")", "map m { root = 1 }\nroot = this.apply(\"m\")", "root.a = env(this.b)",
     "root = this.l.sort_by(x -> counter())", "root = nanoid()", "root = file(this.name)", "root = throw(\"x\")"],
)  # fmt: skip
def test_what_looks_at_the_world_or_counts_stays_with_the_closures(text: str) -> None:
    program = parse_mapping(text, Environment())
    assert generate(program, 1000) is None
    assert generate(program, 1000, follow=True) is None


@pytest.mark.parametrize("hostile", _HOSTILE, ids=range(len(_HOSTILE)))
def test_texts_reach_the_source_as_literals_only(hostile: str) -> None:
    quoted = _quoted(hostile)
    lines = [
        f"root.{quoted}.{quoted} = this.get({quoted}) | {quoted}", f"let {'x'} = {quoted}", "root.x = $x + this.s",
        f"root.y = match this.s {{ {quoted} => 1, _ => {quoted} }}", f"meta {quoted} = {quoted}", f"root.z = {{ {quoted}: this.s }}",
    ]  # fmt: skip
    mapping = compile_mapping("\n".join(lines), environment=Environment())
    closures = compile_mapping("\n".join(lines), environment=Environment())
    closures.applying.give_up()
    mapping.applying.prepare()
    assert mapping.applying.run is not None
    assert mapping.applying.source.isascii()
    results = [each.apply([Message(b'{"s":"t"}')], 0) for each in (mapping, closures)]
    assert results[0] is not None
    assert results[1] is not None
    assert (results[0].raw, results[0].meta) == (results[1].raw, results[1].meta)
    assert mapping.applying.reruns == 0


def test_the_source_knows_nothing_of_python() -> None:
    found = generate(parse_mapping("root = this", Environment()), 1000)
    assert found is not None
    scope = found.run.__globals__
    assert scope["__builtins__"] == {}
    assert not {"open", "eval", "exec", "getattr", "__import__"} & set(scope)


@pytest.mark.parametrize(
    "text",
    [
        "root = " + "(this.b + " * 30 + "1" + ")" * 30,
        "root = " + "if this.a { " * 30 + "this.b" + " }" * 30,
        "root = " + "[" * 30 + "this.a" + "]" * 30,
        "root = this.l" + "".join(f".map_each(x{n} -> x{n}" for n in range(22)) + ")" * 22,
        "root = " + "".join(f"[1].map_each(x{n} -> " for n in range(22)) + "this.b" + ")" * 22,
        "root.a = 1" + "\nroot.a = this.b" * 3000,
    ],
    ids=range(6),
)
def test_what_python_refuses_runs_through_the_closures(text: str) -> None:
    mapping = compile_mapping(text, environment=Environment())
    other = compile_mapping(text, environment=Environment())
    other.applying.give_up()
    outcomes = []
    for each in (mapping, other):
        for _ in range(3):
            try:
                result = each.apply([Message(b'{"a":true,"b":1}')], 0)
                outcomes.append(None if result is None else result.raw)
            except EvaluationError as error:  # the outcome is what is compared
                outcomes.append(str(error).encode())
    assert len(set(outcomes)) == 1
