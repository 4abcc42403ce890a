"""Expression trees into closures: each node becomes a Python function from the Render to the value. Walked once per template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flows.expressions import nodes, operators
from flows.expressions.errors import ExpressionError, Kind
from flows.expressions.library import LIBRARY, Builtin, lay_out_arguments
from flows.expressions.lookup import MISSING, call_method, find_item
from flows.expressions.scope import Render, undefined
from flows.expressions.values import to_java_text, to_text

Evaluate = Callable[[Render], Any]
Execute = Callable[[Render, list[Any]], None]

UNEXPECTED = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError)
"""What a built-in raises when it meets a combination of values that its author did not foresee."""


@dataclass(slots=True)
class CompiledMacro:
    """A macro: parameter names with the closures of their defaults, and its body."""

    parameters: tuple[tuple[str, Evaluate | None], ...]
    body: Execute


@dataclass(slots=True)
class Unit:
    """
    What all closures of one template share while it is compiled.

    `template` is its text for messages; `local_names` are all names that a tag assigns anywhere in it: other names need no
    look at the scopes. `macros` and `blocks` are filled as their tags are compiled.
    """

    template: str
    local_names: frozenset[str]
    macro_names: frozenset[str]
    macros: dict[str, CompiledMacro] = field(default_factory=dict)
    blocks: dict[str, Execute] = field(default_factory=dict)


class ExpressionCompiler:
    """Compiles expressions of one template. `is_isolated` is set inside macros, which see nothing but their arguments."""

    def __init__(self, unit: Unit, *, is_isolated: bool = False) -> None:
        self.unit = unit
        self.is_isolated = is_isolated

    def compile(self, node: nodes.Node) -> Evaluate:
        """Return the closure of an expression."""
        method: Callable[[Any], Evaluate] = getattr(self, "_compile_" + type(node).__name__.lower())
        return method(node)

    def _compile_literal(self, node: nodes.Literal) -> Evaluate:
        value = node.value
        return lambda render: value

    def _compile_interpolation(self, node: nodes.Interpolation) -> Evaluate:
        parts = [self.compile(part) for part in node.parts]

        def interpolate(render: Render) -> str:
            budget = render.budget
            return operators.join_texts(budget, [to_text(budget, part(render)) for part in parts])

        return interpolate

    def _compile_concatenation(self, node: nodes.Concatenation) -> Evaluate:
        parts = [self.compile(part) for part in node.parts]

        def concatenate(render: Render) -> str:
            values = [part(render) for part in parts]
            texts = ["" if v is None else v if type(v) is str else to_java_text(render.budget, v) for v in values]
            return operators.join_texts(render.budget, texts)

        return self._placed(concatenate, node.line)

    def _compile_listliteral(self, node: nodes.ListLiteral) -> Evaluate:
        items = [self.compile(item) for item in node.items]
        return lambda render: [item(render) for item in items]

    def _compile_mapliteral(self, node: nodes.MapLiteral) -> Evaluate:
        entries = [(self.compile(key), self.compile(value)) for key, value in node.entries]

        def build(render: Render) -> dict[Any, Any]:
            built: dict[Any, Any] = {}
            for key, value in entries:
                name = key(render)
                built[name if type(name) is str else to_java_text(render.budget, name)] = value(render)
            return built

        return build

    def _compile_name(self, node: nodes.Name) -> Evaluate:
        name, template, line = node.name, self.unit.template, node.line
        if self.is_isolated or name in self.unit.local_names:
            return self._scoped_name(name, line)

        def load(render: Render) -> Any:
            try:
                return render.variables[name]
            except KeyError:
                raise undefined(name, template, line) from None

        return load

    def _scoped_name(self, name: str, line: int) -> Evaluate:
        template, is_isolated = self.unit.template, self.is_isolated

        def load(render: Render) -> Any:
            for scope in reversed(render.scopes):
                if name in scope:
                    return scope[name]
            if not is_isolated:
                try:
                    return render.variables[name]
                except KeyError:
                    pass
            raise undefined(name, template, line)

        return load

    def _compile_item(self, node: nodes.Item) -> Evaluate:
        steps: list[tuple[str, int]] = []
        target: nodes.Node = node
        # A path such as outputs.a.b is one closure with a loop, the usual case by far.
        while isinstance(target, nodes.Item) and isinstance(target.key, nodes.Literal) and type(target.key.value) is str:
            steps.append((target.key.value, target.line))
            target = target.target
        if steps:
            return self._compile_path(self.compile(target), tuple(reversed(steps)))
        return self._compile_subscript(node)

    def _compile_path(self, start: Evaluate, steps: tuple[tuple[str, int], ...]) -> Evaluate:
        template = self.unit.template

        def follow(render: Render) -> Any:
            value = start(render)
            for key, line in steps:
                if type(value) is dict and key in value:
                    value = value[key]
                    continue
                value = find_item(value, key)
                if value is MISSING:
                    raise undefined(key, template, line)
            return value

        return follow

    def _compile_subscript(self, node: nodes.Item) -> Evaluate:
        target, key, line, template = self.compile(node.target), self.compile(node.key), node.line, self.unit.template

        def subscript(render: Render) -> Any:
            container, position = target(render), key(render)
            value = find_item(container, position)
            if value is MISSING:
                raise undefined(to_java_text(render.budget, position)[:200], template, line)
            return value

        return subscript

    def _compile_unary(self, node: nodes.Unary) -> Evaluate:
        operand = self.compile(node.operand)
        if node.operator == "not":
            return self._placed(lambda render: not operators.is_true(operand(render), "not"), node.line)
        apply = operators.negate if node.operator == "-" else operators.plus
        return self._placed(lambda render: apply(render.budget, operand(render)), node.line)

    def _compile_binary(self, node: nodes.Binary) -> Evaluate:
        left, right, name = self.compile(node.left), self.compile(node.right), node.operator
        if name in ("??", "???"):
            return _coalesce(left, right, only_undefined=name == "???")
        if name == "and":
            return self._placed(
                lambda render: operators.is_true(left(render), "and") and operators.is_true(right(render), "and"), node.line
            )
        if name == "or":
            return self._placed(
                lambda render: operators.is_true(left(render), "or") or operators.is_true(right(render), "or"), node.line
            )
        if name in ("<", ">", "<=", ">="):
            return self._placed(lambda render: operators.compare(name, left(render), right(render)), node.line)
        if name in ("!=", "not in"):
            negated = _BINARY["==" if name == "!=" else "in"]
            return self._placed(lambda render: not negated(render.budget, left(render), right(render)), node.line)
        apply = _BINARY[name]
        return self._placed(lambda render: apply(render.budget, left(render), right(render)), node.line)

    def _compile_conditional(self, node: nodes.Conditional) -> Evaluate:
        condition, yes, no = self.compile(node.condition), self.compile(node.yes), self.compile(node.no)

        def choose(render: Render) -> Any:
            value = condition(render)
            if value is None:
                return no(render)
            return yes(render) if value is True or (value is not False and operators.is_true(value, "?")) else no(render)

        return self._placed(choose, node.line)

    def _placed(self, evaluate: Evaluate, line: int) -> Evaluate:
        """Wrap a closure so that errors without a place get the line of its node."""
        template = self.unit.template

        def run(render: Render) -> Any:
            try:
                return evaluate(render)
            except ExpressionError as error:
                error.place(template, line)
                raise

        return run

    def _failing(self, error: ExpressionError, line: int) -> Evaluate:
        """Return a closure that fails: an unknown name only matters when it is evaluated."""
        kind, message, template = error.kind, error.message, self.unit.template

        def fail(render: Render) -> Any:
            raise ExpressionError(kind, message).place(template, line)

        return fail

    def _compile_filter(self, node: nodes.Filter) -> Evaluate:
        return self.compile_filter(self.compile(node.target), node.name, node.arguments, node.line)

    def compile_filter(self, target: Evaluate, name: str, arguments: nodes.Arguments, line: int) -> Evaluate:
        """Return the closure of a filter applied to what `target` gives."""
        builtin = LIBRARY.filters.get(name)
        if builtin is None:
            return self._failing(ExpressionError(Kind.UNKNOWN_FILTER, f"Filter [{name}] does not exist."), line)
        return self._compile_applied(builtin, target, arguments, line)

    def _compile_test(self, node: nodes.Test) -> Evaluate:
        builtin = LIBRARY.tests.get(node.name)
        if builtin is None:
            return self._failing(ExpressionError(Kind.UNKNOWN_TEST, f"Test [{node.name}] does not exist."), node.line)
        applied = self._compile_applied(builtin, self.compile(node.target), node.arguments, node.line)
        return (lambda render: not applied(render)) if node.negated else applied

    def _compile_applied(self, builtin: Builtin, target: Evaluate, arguments: nodes.Arguments, line: int) -> Evaluate:
        try:
            values = self._lay_out(builtin, arguments)
        except ExpressionError as error:
            return self._failing(error, line)
        if builtin.takes_undefined:
            target = _null_if_undefined(target)
        call, template, takes_null = builtin.call, self.unit.template, builtin.takes_null

        def apply(render: Render) -> Any:
            value = target(render)
            given = [argument(render) for argument in values]
            if value is None and not takes_null:
                return None
            budget = render.budget
            # Work on a text grows with its length.
            budget.tick_many(1 + (len(value) >> 13) if type(value) is str else 1)
            try:
                result = call(render, value, *given)
                budget.account(result)
                return result
            except ExpressionError as error:
                error.place(template, line)
                raise
            except UNEXPECTED as error:
                raise _refuse(builtin, error).place(template, line) from error

        return apply

    def _compile_call(self, node: nodes.Call) -> Evaluate:
        builtin = LIBRARY.functions.get(node.name)
        if builtin is None:
            if node.name in self.unit.macro_names:
                return self._compile_macro_call(node)
            message = f"Function or Macro [{node.name}] does not exist"
            return self._failing(ExpressionError(Kind.UNKNOWN_FUNCTION, message), node.line)
        try:
            values = self._lay_out(builtin, node.arguments)
        except ExpressionError as error:
            return self._failing(error, node.line)
        call, template, line = builtin.call, self.unit.template, node.line

        def apply(render: Render) -> Any:
            given = [argument(render) for argument in values]
            budget = render.budget
            budget.tick()
            try:
                result = call(render, *given)
                budget.account(result)
                return result
            except ExpressionError as error:
                error.place(template, line)
                raise
            except UNEXPECTED as error:
                raise _refuse(builtin, error).place(template, line) from error

        return apply

    def _lay_out(self, builtin: Builtin, arguments: nodes.Arguments) -> list[Evaluate]:
        positional = [self.compile(argument) for argument in arguments.positional]
        named = {name: self.compile(argument) for name, argument in arguments.named}
        values: list[Evaluate] = []
        for index, place in enumerate(lay_out_arguments(builtin, len(positional), list(named))):
            if isinstance(place, int):
                values.append(positional[place])
            elif place is not None:
                values.append(named[place])
            else:
                values.append(_constant(builtin.defaults[index]))
        return values

    def _compile_macro_call(self, node: nodes.Call) -> Evaluate:
        name, line, unit = node.name, node.line, self.unit
        positional = [self.compile(argument) for argument in node.arguments.positional]
        named = {key: self.compile(argument) for key, argument in node.arguments.named}

        def call(render: Render) -> str:
            macro = unit.macros[name]
            arguments = _lay_out_macro(name, macro, render, positional, named)
            render.budget.step()
            out: list[Any] = []
            outer, printed = render.scopes, render.output_length
            render.budget.enter()
            render.scopes = [arguments]
            try:
                for key, default in macro.parameters:
                    if key not in arguments:
                        arguments[key] = None if default is None else default(render)
                macro.body(render, out)
            finally:
                render.scopes = outer
                render.budget.leave()
            render.output_length = printed
            return operators.join_texts(render.budget, out)

        return self._placed(call, line)

    def _compile_methodcall(self, node: nodes.MethodCall) -> Evaluate:
        target, name, line, template = self.compile(node.target), node.name, node.line, self.unit.template
        arguments = [self.compile(argument) for argument in node.arguments.positional]

        def call(render: Render) -> Any:
            receiver = target(render)
            given = [argument(render) for argument in arguments]
            if receiver is None:
                raise undefined(name, template, line)
            try:
                result = call_method(render, receiver, name, given)
            except ExpressionError as error:
                error.place(template, line)
                raise
            render.budget.account(result)
            return result

        return call


_BINARY: dict[str, Callable[..., Any]] = {
    "+": operators.add,
    "-": operators.subtract,
    "*": operators.multiply,
    "/": operators.divide,
    "%": operators.remainder,
    "==": operators.is_equal,
    "contains": operators.contains,
    "in": operators.is_in,
    "..": operators.make_range,
}


def _constant(value: Any) -> Evaluate:
    return lambda render: value


def _coalesce(left: Evaluate, right: Evaluate, *, only_undefined: bool) -> Evaluate:
    def coalesce(render: Render) -> Any:
        try:
            value = left(render)
        except ExpressionError as error:
            if error.kind is not Kind.UNDEFINED_VARIABLE:
                raise
        else:
            if value is not None or only_undefined:
                return value
        return right(render)

    return coalesce


def _null_if_undefined(target: Evaluate) -> Evaluate:
    def evaluate(render: Render) -> Any:
        try:
            return target(render)
        except ExpressionError as error:
            if error.kind is not Kind.UNDEFINED_VARIABLE:
                raise
            return None

    return evaluate


def _lay_out_macro(
    name: str, macro: CompiledMacro, render: Render, positional: list[Evaluate], named: dict[str, Evaluate]
) -> dict[str, Any]:
    parameters = [parameter for parameter, _ in macro.parameters]
    if len(positional) > len(parameters):
        raise ExpressionError(
            Kind.BAD_ARGUMENT, f'The macro "{name}" takes at most {len(parameters)} arguments but got {len(positional)}.'
        )
    arguments = {parameters[index]: value(render) for index, value in enumerate(positional)}
    for key, value in named.items():
        if key not in parameters:
            raise ExpressionError(Kind.BAD_ARGUMENT, f'The macro "{name}" has no argument "{key}".')
        arguments[key] = value(render)
    return arguments


def _refuse(builtin: Builtin, error: BaseException) -> ExpressionError:
    return ExpressionError(
        Kind.BAD_INPUT,
        f'The {builtin.kind} "{builtin.name}" cannot work with these values: {str(error)[:200] or type(error).__name__}.',
    )
