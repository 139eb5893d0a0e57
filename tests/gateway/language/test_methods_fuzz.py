"""Whatever a method is given, it gives a value or an error of the language, and never changes what it was given ."""

from __future__ import annotations

import copy
import itertools
import random
from typing import Any

import pytest

from penstock_gateway.document import DELETED, NOTHING, Float32, Int8, Number, Timestamp, Uint8, Uint64
from penstock_gateway.language import Environment, EvaluationError, Execution, methods
from penstock_gateway.language.registry import METHODS, Builtin, Param

VALUES: list[Any] = [
    None, True, 0, -1, 2**63 - 1, -(2**63), 2**70, 1.5, -0.0, float("nan"), float("inf"), 1e300, Number("1e5"), Number("-0"),
    Number("99999999999999999999.5"), Int8(-128), Uint8(255), Uint64(2**64 - 1), Float32(1.5), DELETED, NOTHING, "", "a", "%",
    "%v %d %[2]*.[1]*f", "é\udcff\x00", "2024-02-29T13:05:09.5+02:00", "9999-99-99T99:99:99Z", "P1Y", "1h", "{\"a\":[1,", "a: [b",
    "<a x='1'><b/>", "<a", "a,b\n\"c", "=", "eyJhbGciOiJIUzI1NiJ9.e30.", "http://[::1]:x/%zz", "a" * 300, "((((", "$..*", "0x",
    "UTC", "America/New_York", "2006-01-02", "%Y-%j", "base64", "gzip", "sha256", b"", b"\xff\x00", b"\x1f\x8b\x08", [], [1, "a"],
    [[]] * 3, [None, True, 1.5, "x", {}], [3, 1, 2], ["b", "a"], {}, {"a": 1, "b": {"c": [1, 2]}}, {"-x": [], "#text": None},
    Timestamp(0), Timestamp(-(10**20), -3600, "X"), Timestamp(10**19, 7200, ""),
]  # fmt: skip


class _Query:
    """An argument that is evaluated per element."""

    annotation = "query"

    def __init__(self, result: Any) -> None:
        self.result = result

    def __call__(self, ctx: Execution, value: Any) -> Any:
        return value if self.result is self else self.result


def _arguments(params: tuple[Param, ...], pick: random.Random) -> list[Any]:
    found = []
    for param in params:
        if param.type == "query":
            query = _Query(pick.choice(VALUES))
            if pick.random() < 0.3:
                query.result = query
            found.append(query)
        elif not param.required and pick.random() < 0.4:
            found.append(param.absent)
        else:
            found.append(param.convert(pick.choice(VALUES)))
    return found


def _call(builtin: Builtin, ctx: Execution, value: Any, arguments: list[Any]) -> Any:
    run: Any = builtin.run
    receiver: Any = (lambda: value) if builtin.lazy else value
    if builtin.prepare:
        run, arguments = run(*arguments), []
    check = builtin.receiver()
    if check is not None:
        receiver = check(receiver)
    return run(ctx, receiver, *arguments) if builtin.context else run(receiver, *arguments)


@pytest.mark.parametrize(
    "name", sorted(name for name, builtin in METHODS.items() if methods.__name__ in builtin.run.__module__)
)
def test_only_errors_of_the_language(name: str) -> None:
    builtin = METHODS[name]
    pick = random.Random(name)
    environment = Environment(clock=lambda: 10**18, random=bytes, fuel=200_000)
    for value, _ in itertools.product(VALUES, range(3 if builtin.params or builtin.variadic else 1)):
        before = copy.deepcopy(value)
        try:
            arguments = _arguments(builtin.params, pick)
            if builtin.variadic:
                arguments = [pick.choice(VALUES) for _ in range(pick.randrange(4))]
            _call(builtin, Execution(environment, [], 0, 0), value, arguments)
        except EvaluationError as error:
            error.text.encode("utf-8", "surrogateescape")
        assert repr(value) == repr(before)
