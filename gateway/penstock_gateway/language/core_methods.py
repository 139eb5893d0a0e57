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


def _with_rest(mapping: str, error: ParseError) -> str:
    """The complaint about a text within a text: without position, but with what stands there (as in Bento)."""
    lines = mapping.split("\n")
    rest = "\n".join([lines[error.line - 1][error.column - 1 :], *lines[error.line :]])[:5]
    if error.text.startswith(("expected ", "required: expected ")):
        return f"{error.text}, got: {rest}" if rest else f"{error.text}, but reached end of input"
    return f"{error.text}: {rest}" if rest else error.text


@method("bloblang", Param("mapping", "string"), prepare=True, context=True)
def bloblang(mapping: str) -> Callable[[Execution, Value], Value]:
    """Runs a mapping given as text on the receiver."""
    compiled: list[Mapping] = []
    try:
        program = parse_mapping(mapping, Environment())
    except ParseError as error:
        raise EvaluationError(_with_rest(mapping, error)) from None

    def run(ctx: Execution, target: Value) -> Value:
        if not compiled:
            compiled.append(Mapping(program, ctx.environment, mapping))
        return compiled[0].evaluate(target, ctx.batch, ctx.index)

    return run
