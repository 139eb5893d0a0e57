"""Methods that ask a document in another language: json_path, json_schema."""

from __future__ import annotations

from collections.abc import Callable

from penstock_gateway.document import DocumentError, Value, decode
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.jsonpath import PathFailure, evaluate
from penstock_gateway.language.jsonpathparse import SyntaxProblem, parse
from penstock_gateway.language.jsonschematext import SchemaError, compile_schema
from penstock_gateway.language.registry import Param, method
from penstock_gateway.language.values import bytes_of


@method("json_path", Param("expression", "string"), prepare=True, annotate=False)
def json_path(expression: str) -> Callable[[Value], Value]:
    """Evaluate a JSONPath expression."""
    try:
        query = parse(expression)
    except SyntaxProblem as error:
        raise EvaluationError(f"failed to evaluate json path expression: {error}") from None

    def run(target: Value) -> Value:
        try:
            return evaluate(query, target)
        except PathFailure as error:
            raise EvaluationError(str(error)) from None
        except OverflowError:
            raise EvaluationError("the expression looks at more values than one message may cost") from None

    return run


@method("json_schema", Param("schema", "string"), prepare=True)
def json_schema(schema: str) -> Callable[[Value], Value]:
    """Give the value if it fits a JSON schema, else an error that lists every problem."""
    try:
        compiled = compile_schema(decode(bytes_of(schema)))
    except (DocumentError, SchemaError) as error:
        raise EvaluationError(f"failed to parse json schema definition: {error}") from None

    def run(target: Value) -> Value:
        try:
            problems = [f"{'.'.join(path) or '(root)'} {text}" for path, text in compiled.complaints(target)]
        except SchemaError as error:
            raise EvaluationError(str(error)) from None
        if problems:
            raise EvaluationError("\n".join(problems))
        return target

    return run
