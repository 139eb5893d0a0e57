"""Methods that ask a document in another language: json_path."""

from __future__ import annotations

from collections.abc import Callable

from penstock_gateway.document import Value
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.jsonpath import PathFailure, evaluate
from penstock_gateway.language.jsonpathparse import SyntaxProblem, parse
from penstock_gateway.language.registry import Param, method


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
