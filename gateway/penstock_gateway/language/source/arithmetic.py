"""Operators as source: the common pairs of types in place, every other pair through the functions the closures use."""

from __future__ import annotations

from penstock_gateway.language.nodes import Literal
from penstock_gateway.language.source.writer import Atom, Writer

COMPARISONS = frozenset(("==", "!=", "<", "<=", ">", ">="))
SLOW = {
    "+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "modulo", "==": "equals", "!=": "differs",
    "<": "lower", "<=": "at_most", ">": "greater", ">=": "at_least",
}  # fmt: skip
_RANGE = f"{-(2**63)} <= %s <= {2**63 - 1}"
_LONG = 4096  # as in the closures: longer texts cost fuel


def slow(operator: str, a: str, b: str) -> str:
    """The call that knows every pair of values; the texts of its errors are never seen."""
    return f"{SLOW[operator]}({a}, {b}, '', '')"


def pay(writer: Writer, fuel: str, amount: str) -> None:
    """Spend fuel; closures say what happens when it is used up."""
    writer.line(f"{fuel} -= {amount}")
    with writer.block(f"if {fuel} < 0:"):
        writer.line("raise Doubt")


def joined(writer: Writer, fuel: str, atoms: list[Atom]) -> Atom:
    """A chain of `+` with a text in it."""
    atoms = [writer.store(atom) if atom.kind is not str else atom for atom in atoms]
    unknown = [f"type({atom.code}) is str" for atom in atoms if atom.kind is not str]
    whole = " + ".join(atom.code for atom in atoms)
    name = writer.fresh()
    if unknown:
        other = slow("+", atoms[0].code, atoms[1].code) if len(atoms) == 2 else "doubt()"
        whole += f" if {' and '.join(unknown)} else {other}"
    writer.line(f"{name} = {whole}")
    with writer.block(f"if len({name}) > {_LONG}:"):
        pay(writer, fuel, f"{len(atoms)} * len({name})")
    return Atom(name, None if len(atoms) == 2 and atoms[0].kind is not str else str, covered=True)


def added(writer: Writer, fuel: str, a: Atom, b: Atom) -> Atom:
    """`+` of two values of which none is known to be text."""
    a, b = writer.store(a), writer.store(b)
    name, kind = writer.fresh(), writer.fresh()
    writer.line(f"{kind} = type({a.code})")
    with writer.block(f"if {kind} is not type({b.code}):"):
        writer.line(f"{name} = {slow('+', a.code, b.code)}")
    with writer.block(f"elif {kind} is float:"):
        writer.line(f"{name} = {a.code} + {b.code}")
    with writer.block(f"elif {kind} is int and {_RANGE % f'({name} := {a.code} + {b.code})'}:"):
        pass
    with writer.block(f"elif {kind} is str:"):
        writer.line(f"{name} = {a.code} + {b.code}")
        with writer.block(f"if len({name}) > {_LONG}:"):
            pay(writer, fuel, f"len({name})")
    with writer.block("else:"):
        writer.line(f"{name} = {slow('+', a.code, b.code)}")
    return Atom(name)


def _number(writer: Writer, atom: Atom) -> str:
    """A local name for an operand with numbers of JSON converted."""
    if atom.kind in (int, float):
        return writer.store(atom).code
    name = writer.fresh()
    writer.line(f"{name} = {atom.code}")
    with writer.block(f"if type({name}) is Number:"):
        writer.line(f'{name} = float({name}.text) if "." in {name}.text else {name}.value')
    return name


def multiplied(writer: Writer, a: Atom, b: Atom) -> Atom:
    """`*`: numbers of JSON are converted first, as the closures do."""
    left, right = _number(writer, a), _number(writer, b)
    name = writer.fresh()
    with writer.block(
        f"if type({left}) is float and (type({right}) is float or type({right}) is int and {_RANGE % right}):"
    ):
        writer.line(f"{name} = {left} * {right}")
    product = f"({name} := {left} * {right})"
    with writer.block(f"elif not (type({left}) is int and type({right}) is int and {_RANGE % product}):"):
        writer.line(f"{name} = {slow('*', left, right)}")
    return Atom(name)


def general(writer: Writer, operator: str, a: Atom, b: Atom) -> Atom:
    """`-`, `/` and `%`; floats and small integers in place."""
    a, b = writer.store(a), writer.store(b)
    if operator != "-":
        return Atom(slow(operator, a.code, b.code), int if operator == "%" else float, covered=operator == "%")
    name, kind = writer.fresh(), writer.fresh()
    writer.line(f"{kind} = type({a.code})")
    with writer.block(f"if {kind} is float and type({b.code}) is float:"):
        writer.line(f"{name} = {a.code} - {b.code}")
    with writer.block("else:"):
        writer.line(f"{name} = {slow('-', a.code, b.code)}")
    return Atom(name)


def compared(writer: Writer, operator: str, a: Atom, b: Atom, right: object) -> Atom:
    """A comparison; `right` is the node of the right operand."""
    value = right.value if isinstance(right, Literal) else None
    if isinstance(right, Literal):
        if value is None and operator in ("==", "!="):
            return Atom(f"({a.code} {'is' if operator == '==' else 'is not'} None)", bool, covered=True)
        if type(value) is str:
            a = writer.store(a)
            test = f"{a.code} {operator} {b.code}"
            other = slow(operator, a.code, b.code)
            return Atom(
                test if a.kind is str else f"({test} if type({a.code}) is str else {other})", bool, covered=True
            )
        if type(value) is int or type(value) is float:
            return _with_number(writer, operator, a, value)
    a, b = writer.store(a), writer.store(b)
    kind = writer.fresh()
    guard = f"({kind} := type({a.code})) is type({b.code}) and ({kind} is str or {kind} is int or {kind} is float)"
    code = f"({a.code} {operator} {b.code} if {guard} else {slow(operator, a.code, b.code)})"
    return Atom(code, bool, covered=True)


def _with_number(writer: Writer, operator: str, a: Atom, value: int | float) -> Atom:
    name, same = _number(writer, a), writer.literal(value)
    code = f"{name} {operator} {writer.literal(float(value))} if type({name}) is float"
    if type(value) is int:
        code += f" else {name} {operator} {same} if type({name}) is int"
    return Atom(f"({code} else {slow(operator, name, same)})", bool, covered=True)
