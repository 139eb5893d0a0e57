"""Mappings as they run: statements over messages and values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock_gateway.document import DELETED, NOTHING, DocumentError, Value, decode
from penstock_gateway.language.assignments import Run, assignment, branching, followed
from penstock_gateway.language.compiler import Compiler, Names
from penstock_gateway.language.context import Environment, Execution
from penstock_gateway.language.errors import (
    UNFORESEEN,
    EvaluationError,
    FailedAssignment,
    InternalError,
    NoContext,
    TooManyMaps,
    WrongType,
)
from penstock_gateway.language.nodes import Branching, Program, Statement
from penstock_gateway.language.optimistic import Optimist
from penstock_gateway.language.paths import NO_DOCUMENT
from penstock_gateway.language.sharing import multiplies
from penstock_gateway.language.sizes import bounded
from penstock_gateway.language.values import bytes_of, to_bytes

if TYPE_CHECKING:
    from penstock_gateway.message import Message


class Statements:
    """Compiled statements of a mapping or a named map, with their lines and the number of slots they need."""

    def __init__(self, statements: Sequence[Statement]) -> None:
        compiler = Compiler()
        names = compiler.top()
        self.list = [(statement.line, self._compile(compiler, names, statement)) for statement in statements]
        self.slots = compiler.slots

    def _compile(self, compiler: Compiler, names: Names, statement: Statement) -> Run:
        if isinstance(statement, Branching):
            return branching(
                [
                    (
                        compiler.expression(test, names) if test is not None else None,
                        test.annotation if test is not None else "",
                        [self._compile(compiler, names, inner) for inner in body],
                    )
                    for test, body in statement.branches
                ]
            )
        return assignment(statement, compiler.expression(statement.value, names))

    def run(self, ctx: Execution, this: Value, *, follow: bool = False) -> None:
        """All statements in order. Raises FailedAssignment with the line of the one that failed.

        With `follow`, `this` is the document as it is changed, until root is replaced as a whole.
        """
        line = 0
        try:
            for line, statement in self.list:  # noqa: B007  # read when a statement fails
                statement(ctx, this)
                if follow:
                    this = followed(ctx, this)
        except EvaluationError as error:
            raise FailedAssignment(line, error) from None
        except RecursionError:
            if ctx.depth:
                raise  # the call of the map that went too deep says so
            raise FailedAssignment(line, EvaluationError("the values are nested too deeply")) from None
        except UNFORESEEN as error:
            raise FailedAssignment(line, InternalError(error)) from error


def _innermost(error: FailedAssignment) -> FailedAssignment:
    """Of nested failures Bento reports the innermost statement; endless recursion is told without its path."""
    deepest: EvaluationError | None = error
    found = error
    while deepest is not None:
        if isinstance(deepest, FailedAssignment):
            found = deepest
        deepest = deepest.cause
    recursion = found.find(TooManyMaps)
    return found if recursion is None else FailedAssignment(found.line, recursion)


class CompiledMap:
    """A named map: called by `apply` with the value that becomes its `this`."""

    def __init__(self, name: str, statements: Statements) -> None:
        self.name = name
        self.statements = statements

    def run(self, ctx: Execution, value: Value) -> Value:
        """The root the map builds; NOTHING when it assigns none."""
        saved = (ctx.root, ctx.fresh, ctx.owned, ctx.replaced, ctx.follow, ctx.variables, ctx.slots)
        ctx.root, ctx.fresh, ctx.owned, ctx.follow = NOTHING, False, {}, False
        ctx.variables, ctx.slots = {}, [None] * self.statements.slots
        ctx.depth += 1
        try:
            self.statements.run(ctx, value)
            return ctx.root
        except FailedAssignment as error:
            raise _innermost(error) from None
        finally:
            ctx.depth -= 1
            ctx.root, ctx.fresh, ctx.owned, ctx.replaced, ctx.follow, ctx.variables, ctx.slots = saved


class Mapping:
    """A compiled mapping. One object serves any number of messages, one after the other.

    There are two executions: a generated function where there is one (`applying` for `apply`, `editing` for `mutate` that
    follows), and the closures, which also run every message that the function does not understand.
    """

    def __init__(self, program: Program, environment: Environment, source: str = "") -> None:
        self.source = source
        self.program = program
        self._environment = environment
        self._exact = program.exact
        self._statements = Statements(program.statements)
        self._maps = {name: CompiledMap(name, Statements(found.statements)) for name, found in program.maps.items()}
        self._multiplies = multiplies(program)
        self.applying = Optimist(program, environment.fuel, follow=False, looks=not self._multiplies)
        self.editing = Optimist(program, environment.fuel, follow=True, looks=not self._multiplies)

    def apply(self, batch: Sequence[Message], index: int) -> Message | None:
        """A new message made from `batch[index]` (the processor `mapping`); None: dropped.

        A root that was never assigned keeps the body byte for byte. The batch is never changed. Raises FailedAssignment.
        """
        message = batch[index]
        result = message.copy()
        fast = self.applying
        if fast.run is not None:
            fast.runs += 1
            try:
                ctx = self._sight(fast, batch, index, result.meta) if fast.context else None
                root, plain = fast.run(message.document, result.meta, ctx)
            except Exception:  # whatever it is: nothing has happened yet, and the closures know what it means
                fast.failed()
                result = message.copy()
            else:
                if self._multiplies:
                    self._fit(root, result.meta)
                return self._leave(root, plain and message.plain, result)
        else:
            fast.prepare()
        ctx = self._execution(batch, index)
        ctx.meta, ctx.meta_fresh = result.meta, True
        self._run(ctx, message, follow=False)
        return self._finish(ctx, result)

    def _sight(self, fast: Optimist, batch: Sequence[Message], index: int, meta: dict[str, Value]) -> Execution:
        """What the built-ins that a generated function calls may see."""
        ctx = Execution(self._environment, batch, index, fast.slots)
        ctx.meta = meta
        return ctx

    def mutate(self, onto: Message, batch: Sequence[Message], index: int, *, follow: bool = True) -> Message | None:
        """Changes `onto` in place and returns it; None: dropped.

        Root starts as the document of `onto`. With `follow` (the processor `mutation`, where `onto` is a copy of the input)
        `this` sees the changes; without (`branch.result_map`) it is the document of `batch[index]`. On FailedAssignment the
        assignments before the failing one have been made.
        """
        fast = self.editing
        if follow and fast.run is not None:
            fast.runs += 1
            try:
                meta = onto.meta.copy() if fast.metadata else onto.meta
                start = onto.document
                root, plain = fast.run(start, meta, self._sight(fast, batch, index, meta) if fast.context else None)
            except Exception:  # as above
                fast.failed()
            else:
                self._fit(root, meta)
                onto.meta = meta
                return onto if root is start else self._leave(root, plain and onto.plain, onto)
        elif follow:
            fast.prepare()
        return self._mutate(onto, batch, index, follow=follow)

    def _mutate(self, onto: Message, batch: Sequence[Message], index: int, *, follow: bool) -> Message | None:
        """`mutate` through the closures."""
        ctx = self._execution(batch, index)
        ctx.meta, ctx.meta_fresh = onto.meta, True
        try:
            ctx.root = onto.document
            ctx.plain = ctx.plain and onto.plain
        except DocumentError:
            ctx.root = NOTHING
        start = ctx.root
        try:
            ctx.follow = follow = follow and start is not NOTHING
            self._run(ctx, onto if follow else batch[index], follow=follow)
        except EvaluationError:
            if ctx.root is not start and ctx.root is not DELETED:
                self._finish(ctx, onto)
            raise
        self._fit(ctx.root, ctx.meta)
        return onto if ctx.root is start and _keep_meta(ctx, onto) else self._finish(ctx, onto)

    def check(self, batch: Sequence[Message], index: int) -> bool:
        """The bool the mapping gives (what `check` fields are); a text that is JSON counts as what it says."""
        value = self._answer(batch, index)
        if type(value) is bool:
            return value
        if value is DELETED:
            raise EvaluationError("query mapping resulted in deleted message, expected a boolean value")
        try:
            if value is NOTHING:
                value = batch[index].document
            elif type(value) is str or type(value) is bytes:
                value = decode(to_bytes(value))
        except DocumentError as error:
            raise EvaluationError(error.text) from None
        if type(value) is bool:
            return value
        raise WrongType(value, "bool", origin="mapping")

    def _answer(self, batch: Sequence[Message], index: int) -> Value:
        """Root for a message that stays as it is."""
        message, fast = batch[index], self.applying
        if fast.run is None:
            fast.prepare()
        elif not fast.metadata:
            fast.runs += 1
            try:
                ctx = self._sight(fast, batch, index, message.meta) if fast.context else None
                root, _ = fast.run(message.document, message.meta, ctx)
            except Exception:  # as above
                fast.failed()
            else:
                return root
        ctx = self._execution(batch, index)
        ctx.meta = message.meta
        self._run(ctx, message, follow=False)
        return ctx.root

    def evaluate(
        self,
        value: Value,
        batch: Sequence[Message] = (),
        index: int = 0,
        meta: dict[str, Value] | None = None,
    ) -> Value:
        """The root that the mapping makes of a value; NOTHING: never assigned; DELETED: deleted. Raises FailedAssignment.

        `meta` is the metadata to read and write (changed in place); without it `meta` statements fail.
        """
        ctx = self._execution(batch, index)
        ctx.meta = meta
        try:
            self._statements.run(ctx, value)
        except FailedAssignment as error:
            raise _innermost(error) from None
        if meta is not None and ctx.meta is not None and ctx.meta is not meta:
            changed = ctx.meta.copy()
            meta.clear()
            meta.update(changed)
        return bounded(ctx.root) if self._multiplies else ctx.root

    def _execution(self, batch: Sequence[Message], index: int) -> Execution:
        ctx = Execution(self._environment, batch, index, self._statements.slots)
        ctx.maps = self._maps
        ctx.plain = not self._multiplies  # else looking for floats could take forever
        return ctx

    def _run(self, ctx: Execution, message: Message, *, follow: bool) -> None:
        """All statements on a message; a missing document is told where it is missed."""
        why = ""
        try:
            this = message.exact_document if self._exact else message.document
            ctx.plain = ctx.plain and message.plain
        except DocumentError as error:
            this = NO_DOCUMENT
            why = error.text if error.text == "message is empty" else f"parse as json: {error.text}"
        try:
            self._statements.run(ctx, this, follow=follow)
        except FailedAssignment as error:
            missed = error.find(NoContext) if why else None
            if missed is None:
                raise
            place = f"this.{missed.field}" if missed.field else "this"
            text = f"unable to reference message as structured (with '{place}'): {why}"
            raise FailedAssignment(error.line, EvaluationError(text)) from None

    def _finish(self, ctx: Execution, result: Message) -> Message | None:
        """The message that a run leaves: text and bytes become the body, everything else the document."""
        if ctx.root is DELETED:
            return None
        self._fit(ctx.root, ctx.meta)
        if ctx.meta is not None:
            result.meta = ctx.meta
        return self._leave(ctx.root, ctx.plain, result)

    def _fit(self, root: Value, meta: Value) -> None:
        """Refuse what could never be written. Raises EvaluationError."""
        if self._multiplies:
            bounded(root)
            bounded(meta)

    @staticmethod
    def _leave(root: Value, plain: bool, result: Message) -> Message | None:
        """The message with root as its body."""
        if root is DELETED:
            return None
        if type(root) is str:
            result.set_raw(bytes_of(root))
        elif type(root) is bytes:
            result.set_raw(root)
        elif root is not NOTHING:
            result.set_document(root, plain=plain)
        return result


def _keep_meta(ctx: Execution, result: Message) -> bool:
    if ctx.meta is not None:
        result.meta = ctx.meta
    return True
