"""The mapping language (Bento's Bloblang): text in, closures out. Pure: clock, randomness, files and variables are handed in.

    environment = Environment(clock=time.time_ns, random=os.urandom, variables=os.environ, files=…, imports=…)

    mapping = compile_mapping("root.id = this.id.uppercase()", environment=environment)      # raises ParseError
    message = mapping.apply(batch, index)             # processor mapping: a new message, or None (dropped)
    message = mapping.mutate(copy, batch, index)      # mutation: changes `copy` in place
    message = mapping.mutate(onto, answers, index, follow=False)                             # branch.result_map
    verdict = mapping.check(batch, index)             # `check` fields: a bool
    value = mapping.evaluate(value)                   # without a message: root as a value, NOTHING or DELETED

    query = compile_query("this.id", environment=environment)
    query.evaluate(batch, index)                      # a value; query.constant / query.value for literals
    text = compile_interpolation("orders-${! this.id }", environment=environment)
    text.evaluate(batch, index)                       # a str; text.constant is the text when nothing is to be evaluated

All of them raise EvaluationError (of mappings: FailedAssignment, with the line) with Bento's text; the message is then
flagged with it. Messages need `raw`, `document`, `exact_document`, `meta`, `failure`, `copy`, `set_raw`, `set_document`.
Mappings have two executions: closures (`compiler`), which own all meaning, and where the shape allows it generated Python
(`source`), which hands every message it does not understand to the closures.
A compiled object may be kept as long as one likes; it holds no message, only the state of its `counter()`s.
"""

from __future__ import annotations

from penstock_gateway.language import core_functions, core_methods, functions, methods
from penstock_gateway.language.context import Caches, Environment, Execution
from penstock_gateway.language.errors import EvaluationError, FailedAssignment, ParseError
from penstock_gateway.language.interpolation import Expression, Interpolation, parse_interpolation
from penstock_gateway.language.mapping import Mapping
from penstock_gateway.language.statements import parse_mapping, parse_query

__all__ = [
    "Caches", "Environment", "EvaluationError", "Execution", "Expression", "FailedAssignment", "Interpolation", "Mapping",
    "ParseError", "compile_interpolation", "compile_mapping", "compile_query", "core_functions", "core_methods", "functions",
    "methods",
]  # fmt: skip


def compile_mapping(text: str, *, environment: Environment) -> Mapping:
    """A mapping from its text. Raises ParseError."""
    program = parse_mapping(text, environment)
    try:
        return Mapping(program, environment, text)
    except RecursionError:
        raise ParseError("the mapping is nested too deeply", 1, 1) from None


def compile_query(text: str, *, environment: Environment, whole: bool = True) -> Expression:
    """A single expression from its text; `whole`: nothing may follow it. Raises ParseError."""
    node, exact = parse_query(text, environment, whole=whole)
    try:
        return Expression(node, environment, exact=exact)
    except RecursionError:
        raise ParseError("the expression is nested too deeply", 1, 1) from None


def compile_interpolation(text: str, *, environment: Environment) -> Interpolation:
    """A text with `${! }` in it. Raises ParseError."""
    return parse_interpolation(text, environment)
