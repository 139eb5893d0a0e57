"""The second execution of a mapping: one Python function, made as source from the syntax tree (the first: `compiler`).

It is optimistic. What its guards do not know, and every exception, means that the message is run again through the closures,
which alone own exact meaning and error texts. So the function has no effects but on metadata that was copied for it, never
changes its input, and calls only built-ins that read nothing but the message. Of the mapping's text only the `repr` of
literals and keys reaches the source; names are numbers or hexadecimal.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from penstock_gateway.document import DELETED, NOTHING, Number, Sentinel, Value, is_plain
from penstock_gateway.language import operators
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.nodes import Program
from penstock_gateway.language.paths import walk
from penstock_gateway.language.source.arithmetic import SLOW
from penstock_gateway.language.source.statements import Statements
from penstock_gateway.language.source.writer import Doubt, Unfit, Writer
from penstock_gateway.language.values import equal, get_bool, get_number, is_number

__all__ = ["Doubt", "Generated", "generate"]

_MAX_LINES = 20_000  # what is longer takes seconds to compile


@dataclass(frozen=True, slots=True)
class Generated:
    """`run(this, meta, ctx)` gives (root, plain). `context`: it needs `ctx`, with so many `slots`; `metadata`: it writes it."""

    run: Callable[[Value, Any, Any], tuple[Value, bool]]
    source: str
    context: bool
    slots: int
    metadata: bool


def _doubt() -> NoReturn:
    raise Doubt


def _wrong() -> NoReturn:
    raise EvaluationError("a value of the wrong type")


def _unlisted(value: Value) -> NoReturn:
    """No array to iterate over: objects have a meaning that only the closures know."""
    if type(value) is dict:
        raise Doubt
    raise EvaluationError("no array")


def _unsummed(value: Value) -> NoReturn:
    if is_number(value):
        raise Doubt
    raise EvaluationError("no array")


def _present(values: Sequence[Value]) -> list[Value]:
    return [value for value in values if type(value) is not Sentinel]


def _scope(fuel: int) -> dict[str, Any]:
    """The globals of a function: nothing of Python but what is named here."""
    slow = {SLOW[operator]: run for operator, run in operators.OPERATORS.items()}
    return {
        "__builtins__": {}, "type": type, "len": len, "bool": bool, "str": str, "int": int, "float": float, "dict": dict,
        "list": list, "bytes": bytes, "Number": Number, "Sentinel": Sentinel, "DELETED": DELETED, "NOTHING": NOTHING,
        "EvaluationError": EvaluationError, "Doubt": Doubt, "doubt": _doubt, "wrong": _wrong, "unlisted": _unlisted,
        "unsummed": _unsummed, "present": _present, "walk": walk, "equal": equal, "get_bool": get_bool,
        "get_number": get_number, "is_plain": is_plain, "LOOKED_AT": frozenset((float, dict, list)), "FUEL": fuel, **slow,
    }  # fmt: skip


def generate(program: Program, fuel: int, *, follow: bool = False, looks: bool = True) -> Generated | None:
    """The function of a mapping; None: there is none. `fuel`: what a run may spend.

    `follow`: as the processor `mutation` runs it, where `this` sees what was assigned; else as `mapping`. Without `looks`
    nothing is known to be plain: to look for floats may take forever (`sharing`).
    """
    if program.exact:
        return None
    try:
        found = _generate(program, fuel, "fuel", follow=follow, looks=looks)
        return _generate(program, fuel, "ctx.fuel", follow=follow, looks=looks) if found.context else found
    except (Unfit, EvaluationError, SyntaxError, RecursionError, MemoryError, ValueError, LookupError, OverflowError):
        return None  # no form, or too deep or too large for Python's compiler


def _generate(program: Program, fuel: int, purse: str, *, follow: bool, looks: bool) -> Generated:
    writer = Writer(_scope(fuel))
    statements = Statements(writer, purse, follow=follow, looks=looks)
    for statement in program.statements:
        statements.statement(statement)
        if len(writer.lines) > _MAX_LINES:
            raise Unfit("a mapping of this length")
    calls = statements.calls
    head = ["def run(this, meta, ctx):", f" root = {'this' if follow else 'NOTHING'}", f" plain = {looks}"]
    if calls.fields:
        head += [" if type(this) is not dict:", "  raise Doubt"]
    if purse == "fuel":
        head.append(" fuel = FUEL")
    if follow:
        head.append(" replaced = False")
    text = "\n".join([*head, *writer.lines, " return root, plain"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # a literal may stand where only a variable makes sense
        code = compile(text, "<mapping>", "exec")
    exec(code, writer.scope)  # noqa: S102  # made of repr of literals and numbered names only
    return Generated(writer.scope["run"], text, calls.context, calls.slots, statements.metadata)
