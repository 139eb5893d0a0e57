"""Builds expression nodes and does at once what is known from the text: operators on two literals, static built-ins.

Every function raises EvaluationError when the text is wrong; the parser knows where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock_gateway.document import Sentinel
from penstock_gateway.language import operators, special
from penstock_gateway.language.arguments import Argument, Static, bind, dynamic
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.gotext import go_type
from penstock_gateway.language.nodes import Array, Call, Literal, Node, Object, Operation
from penstock_gateway.language.registry import FUNCTIONS, METHODS, Builtin

if TYPE_CHECKING:
    from penstock_gateway.language.parser import QueryParser

_PASSES = (
    frozenset("*/%|"),
    frozenset("+-"),
    frozenset(("==", "!=", "<", "<=", ">", ">=")),
    frozenset(("&&", "||")),
)
_NEVER_FOLDED = frozenset(("|", "&&", "||"))


def reduce(operands: list[Node], chain: list[str]) -> Node:
    """A flat chain as a tree: four passes from left to right, the tightest operators first."""
    for level in _PASSES:
        if not chain:
            break
        nodes, left = [operands[0]], []
        for operator, right in zip(chain, operands[1:], strict=True):
            if operator in level:
                nodes[-1] = operation(operator, nodes[-1], right)
            else:
                nodes.append(right)
                left.append(operator)
        operands, chain = nodes, left
    return operands[0]


def operation(operator: str, left: Node, right: Node) -> Node:
    """One operator; of two literals its result."""
    if operator not in _NEVER_FOLDED and isinstance(left, Literal) and isinstance(right, Literal):
        run = operators.OPERATORS[operator]
        return Literal(run(left.value, right.value, left.annotation, right.annotation), right.annotation)
    return Operation(operator, left, right)


def array(items: list[Node]) -> Node:
    """An array literal; a value if all elements are literals."""
    kept = [item for item in items if not (isinstance(item, Literal) and type(item.value) is Sentinel)]
    if all(isinstance(item, Literal) for item in kept):
        return Literal([item.value for item in kept if isinstance(item, Literal)])
    return Array(tuple(kept))


def object_(pairs: list[tuple[Node, Node]]) -> Node:
    """An object literal; a value if all keys and values are literals."""
    for key, _ in pairs:
        if isinstance(key, Literal) and type(key.value) is not str:
            raise EvaluationError(f"object keys must be strings, received: {go_type(key.value)}")
    if not all(isinstance(key, Literal) and isinstance(value, Literal) for key, value in pairs):
        return Object(tuple(pairs))
    values: dict[str, Any] = {}
    for key, value in pairs:
        if isinstance(key, Literal) and isinstance(value, Literal) and type(value.value) is not Sentinel:
            values[key.value] = value.value
    return Literal(values)


def method(parser: QueryParser, name: str, target: Node, written: list[Argument]) -> Node:
    """A method call, checked against the method's parameters."""
    builtin = METHODS.get(name)
    if builtin is None:
        raise EvaluationError(f"unrecognised method '{name}'")
    bound = bind(builtin, written)
    parser.exact = parser.exact or builtin.exact
    build = special.METHODS.get(name)
    if build is not None:
        node = build(parser, target, bound)
        if node is not None:
            return node
    call = _call(builtin, target, bound)
    if builtin.static and isinstance(target, Literal) and all(isinstance(argument, Static) for argument in bound):
        return Literal(_run_now(call, target.value), call.annotation)
    return call


def function(parser: QueryParser, name: str, written: list[Argument]) -> Node:
    """A function call, checked against the function's parameters."""
    builtin = FUNCTIONS.get(name)
    if builtin is None:
        raise EvaluationError(f"unrecognised function '{name}'")
    bound = bind(builtin, written)
    parser.exact = parser.exact or builtin.exact
    build = special.FUNCTIONS.get(name)
    if build is not None:
        node = build(parser, bound)
        if node is not None:
            return node
    call = _call(builtin, None, bound)
    if builtin.static and not builtin.context and all(isinstance(argument, Static) for argument in bound):
        values = [argument.value for argument in bound]
        return Literal(call.ready() if call.ready else builtin.run(*values), call.annotation)
    return call


def _call(builtin: Builtin, target: Node | None, bound: tuple[Any, ...]) -> Call:
    """The node; a `prepare` built-in prepares here when nothing has to be computed for it."""
    ready = None
    computed = [argument for argument in bound if not isinstance(argument, Static)]
    if builtin.prepare and not computed:
        ready = builtin.run(*(argument.value for argument in bound))
    elif builtin.prepare and not dynamic(builtin.params, bound):
        # Only queries are open: what is wrong with the other arguments is told here, the result is made at the call site.
        builtin.run(*(argument.value if isinstance(argument, Static) else _no_query for argument in bound))
    return Call(builtin, target, bound, ready, special.annotation(builtin, target, bound))


def _no_query(ctx: Any, value: Any) -> Any:
    """Stands for a query while the other arguments are checked."""
    raise EvaluationError("a query cannot be evaluated while the mapping is compiled")


def _run_now(call: Call, target: Any) -> Any:
    builtin = call.builtin
    check = builtin.receiver()
    if check is not None:
        target = check(target)
    if call.ready is not None:
        return call.ready(target)
    return builtin.run(target, *(argument.value for argument in call.arguments))
