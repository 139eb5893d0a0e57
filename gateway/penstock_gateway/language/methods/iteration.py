"""Methods that evaluate a query per element: map_each, filter, fold, any, all, find_by …"""

from __future__ import annotations

from penstock_gateway.document import DELETED, NOTHING, Value
from penstock_gateway.language.context import Execution
from penstock_gateway.language.errors import EvaluationError, WrongType, annotated, wrapped
from penstock_gateway.language.registry import Param, Query, method


def _failed(place: object, error: EvaluationError, query: Query) -> EvaluationError:
    return wrapped(f"failed to process element {place}: ", annotated(error, query.annotation))


@method("map_each", Param("query", "query"), context=True)
def map_each(ctx: Execution, target: Value, query: Query) -> Value:
    """Replace every element (or value of an object, seen as {key, value}); deleted() drops it, nothing() keeps it."""
    if type(target) is list:
        found: list[Value] = []
        for index, item in enumerate(target):
            try:
                new = query(ctx, item)
            except EvaluationError as error:
                raise _failed(index, error, query) from None
            if new is NOTHING:
                found.append(item)
            elif new is not DELETED:
                found.append(new)
        return found
    if type(target) is not dict:
        raise WrongType(target, "array")
    mapped: dict[str, Value] = {}
    for key, item in target.items():
        try:
            new = query(ctx, {"key": key, "value": item})
        except EvaluationError as error:
            raise _failed(key, error, query) from None
        if new is NOTHING:
            mapped[key] = item
        elif new is not DELETED:
            mapped[key] = new
    return mapped


@method("map_each_key", Param("query", "query"), context=True)
def map_each_key(ctx: Execution, target: Value, query: Query) -> dict[str, Value]:
    """Replace every key of an object by the string a query gives for it."""
    if type(target) is not dict:
        raise WrongType(target, "object")
    mapped: dict[str, Value] = {}
    for key, item in target.items():
        new = query(ctx, key)
        if new is NOTHING:
            mapped[key] = item
        elif type(new) is str:
            mapped[new] = item
        else:
            raise wrapped("unexpected result from key mapping: ", WrongType(new, "string"))
    return mapped


@method("filter", Param("test", "query"), context=True)
def filter_(ctx: Execution, target: Value, test: Query) -> Value:
    """Keep the elements (or pairs, seen as {key, value}) for which the query is true."""
    if type(target) is list:
        return [item for item in target if test(ctx, item) is True]
    if type(target) is dict:
        return {key: item for key, item in target.items() if test(ctx, {"key": key, "value": item}) is True}
    raise WrongType(target, "array", "object")


@method("fold", Param("initial", "any"), Param("query", "query"), context=True)
def fold(ctx: Execution, target: Value, initial: Value, query: Query) -> Value:
    """Carry a tally through an array: the query sees {tally, value} and gives the next tally."""
    if type(target) is not list:
        raise WrongType(target, "array")
    tally = initial
    for item in target:
        tally = query(ctx, {"tally": tally, "value": item})
    return tally


def _answers(ctx: Execution, target: Value, test: Query, wanted: bool) -> bool:
    """Tell whether some element answers the test as wanted."""
    if type(target) is not list:
        raise WrongType(target, "array")
    for index, item in enumerate(target):
        try:
            answer = test(ctx, item)
        except EvaluationError as error:
            raise wrapped(f"element {index}: ", error) from None
        if type(answer) is not bool:
            raise wrapped(f"element {index}: ", WrongType(answer, "bool"))
        if answer is wanted:
            return True
    return False


@method("any", Param("test", "query"), context=True)
def any_(ctx: Execution, target: Value, test: Query) -> bool:
    """Tell whether the query is true for some element."""
    return _answers(ctx, target, test, wanted=True)


@method("all", Param("test", "query"), context=True)
def all_(ctx: Execution, target: Value, test: Query) -> bool:
    """Tell whether the query is true for all elements; an empty array gives false."""
    return not _answers(ctx, target, test, wanted=False) and bool(target)


def _matches(ctx: Execution, index: int, item: Value, query: Query) -> bool:
    try:
        answer = query(ctx, item)
    except EvaluationError as error:
        raise wrapped(f"query returned an error for index {index}: ", error) from None
    if type(answer) is not bool:
        raise wrapped(f"query returned a non-boolean value for index {index}: ", WrongType(answer, "bool"))
    return answer


@method("find_by", Param("query", "query"), context=True)
def find_by(ctx: Execution, target: Value, query: Query) -> int:
    """Give the index of the first element for which the query is true, or -1."""
    if type(target) is not list:
        raise WrongType(target, "array")
    for index, item in enumerate(target):
        if _matches(ctx, index, item, query):
            return index
    return -1


@method("find_all_by", Param("query", "query"), context=True)
def find_all_by(ctx: Execution, target: Value, query: Query) -> list[Value]:
    """Give the indexes of all elements for which the query is true."""
    if type(target) is not list:
        raise WrongType(target, "array")
    return [index for index, item in enumerate(target) if _matches(ctx, index, item, query)]
