"""Methods of the language itself. Most become nodes of their own (`special`); the functions here serve what is left over."""

from __future__ import annotations

from collections.abc import Callable

from penstock_gateway.document import Value
from penstock_gateway.language.context import Environment, Execution
from penstock_gateway.language.errors import EvaluationError, ParseError
from penstock_gateway.language.mapping import Mapping
from penstock_gateway.language.registry import Param, method
from penstock_gateway.language.statements import parse_mapping

_QUERY = Param("query", "query")
_FALLBACK = Param("fallback", "query")


def _unreachable(name: str) -> Callable[..., Value]:
    def run(*arguments: Value) -> Value:
        raise EvaluationError(f"{name} is part of the language and cannot be called by name")

    return run


method("apply", Param("mapping", "string"))(_unreachable("apply"))
method("catch", _FALLBACK)(_unreachable("catch"))
method("from", Param("index", "integer"))(_unreachable("from"))
method("from_all")(_unreachable("from_all"))
method("map", _QUERY)(_unreachable("map"))
method("not")(_unreachable("not"))
method("or", _FALLBACK)(_unreachable("or"))


def _at_end(mapping: str, error: ParseError) -> str:
    lines = mapping.split("\n")
    ended = error.line == len(lines) and error.column > len(lines[-1])
    return ", but reached end of input" if ended else ""


@method("bloblang", Param("mapping", "string"), prepare=True, context=True)
def bloblang(mapping: str) -> Callable[[Execution, Value], Value]:
    """Runs a mapping given as text on the receiver."""
    compiled: list[Mapping] = []
    try:
        program = parse_mapping(mapping, Environment())
    except ParseError as error:
        raise EvaluationError(error.text + _at_end(mapping, error)) from None

    def run(ctx: Execution, target: Value) -> Value:
        if not compiled:
            compiled.append(Mapping(program, ctx.environment, mapping))
        return compiled[0].evaluate(target, ctx.batch, ctx.index)

    return run
