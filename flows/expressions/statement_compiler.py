"""Statement trees into closures that append to the output. Expressions are compiled by `expression_compiler`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flows.expressions import nodes, operators
from flows.expressions.errors import ExpressionError, Kind
from flows.expressions.expression_compiler import CompiledMacro, Evaluate, Execute, ExpressionCompiler, Unit
from flows.expressions.scope import Render
from flows.expressions.values import describe_type, is_list, to_text


class StatementCompiler:
    """
    Compiles the body of a template, block or macro.

    With `is_typed` the output receives the values themselves instead of their texts; bodies whose result is a text by nature
    (macros, blocks, filters) are always compiled without.
    """

    def __init__(self, unit: Unit, *, is_typed: bool = False, is_isolated: bool = False) -> None:
        self.unit = unit
        self.is_typed = is_typed
        self.expressions = ExpressionCompiler(unit, is_isolated=is_isolated)

    def compile_body(self, body: nodes.Body) -> Execute:
        """Return the closure of a sequence of statements."""
        statements = [self._compile(statement) for statement in body.statements]
        if len(statements) == 1:
            return statements[0]

        def run(render: Render, out: list[Any]) -> None:
            for statement in statements:
                statement(render, out)

        return run

    def _compile(self, node: nodes.Node) -> Execute:
        method: Callable[[Any], Execute] = getattr(self, "_compile_" + type(node).__name__.lower())
        return method(node)

    def _compile_text(self, node: nodes.Text) -> Execute:
        text, length = node.text, len(node.text)

        def write(render: Render, out: list[Any]) -> None:
            render.count_output(length)
            out.append(text)

        return write

    def _compile_raw(self, node: nodes.Raw) -> Execute:
        plain, kept = node.text, "{% raw %}" + node.text + "{% endraw %}"

        def write(render: Render, out: list[Any]) -> None:
            text = kept if render.keep_raw else plain
            render.count_output(len(text))
            out.append(text)

        return write

    def _compile_print(self, node: nodes.Print) -> Execute:
        evaluate = self.expressions.compile(node.expression)
        if self.is_typed:
            return lambda render, out: out.append(evaluate(render))

        def write(render: Render, out: list[Any]) -> None:
            text = to_text(render.budget, evaluate(render))
            render.count_output(len(text))
            out.append(text)

        return write

    def _compile_if(self, node: nodes.If) -> Execute:
        branches = [(self.expressions.compile(condition), self.compile_body(body)) for condition, body in node.branches]
        otherwise = self.compile_body(node.otherwise) if node.otherwise is not None else None
        line, template = node.line, self.unit.template

        def run(render: Render, out: list[Any]) -> None:
            for condition, body in branches:
                value = condition(render)
                try:
                    holds = operators.is_true(value, "if")
                except ExpressionError as error:
                    error.place(template, line)
                    raise
                if holds:
                    body(render, out)
                    return
            if otherwise is not None:
                otherwise(render, out)

        return run

    def _compile_for(self, node: nodes.For) -> Execute:
        iterable, body, variable = self.expressions.compile(node.iterable), self.compile_body(node.body), node.variable
        otherwise = self.compile_body(node.otherwise) if node.otherwise is not None else None
        uses_loop = any(isinstance(inner, nodes.Name) and inner.name == "loop" for inner in nodes.walk(node.body))
        line, template = node.line, self.unit.template

        def run(render: Render, out: list[Any]) -> None:
            value = iterable(render)
            if value is None:
                return
            try:
                items = _list_loop_items(render, value)
            except ExpressionError as error:
                error.place(template, line)
                raise
            if not items:
                if otherwise is not None:
                    otherwise(render, out)
                return
            length, step = len(items), render.budget.step
            scope: dict[str, Any] = {}
            render.scopes.append(scope)
            try:
                for index, item in enumerate(items):
                    step()
                    scope[variable] = item
                    if uses_loop:
                        scope["loop"] = _describe_loop(index, length)
                    body(render, out)
            finally:
                render.scopes.pop()

        return run

    def _compile_set(self, node: nodes.Set) -> Execute:
        value, variable = self.expressions.compile(node.value), node.variable
        sees_variables = not self.expressions.is_isolated
        return lambda render, out: render.assign(variable, value(render), sees_variables=sees_variables)

    def _text_compiler(self) -> StatementCompiler:
        return StatementCompiler(self.unit, is_isolated=self.expressions.is_isolated) if self.is_typed else self

    def _compile_block(self, node: nodes.Block) -> Execute:
        self.unit.blocks[node.name] = body = self._text_compiler().compile_body(node.body)
        return body

    def _compile_macro(self, node: nodes.Macro) -> Execute:
        inner = StatementCompiler(self.unit, is_isolated=True)
        parameters: tuple[tuple[str, Evaluate | None], ...] = tuple(
            (name, None if default is None else inner.expressions.compile(default)) for name, default in node.parameters
        )
        self.unit.macros[node.name] = CompiledMacro(parameters, inner.compile_body(node.body))
        return lambda render, out: None

    def _compile_filterblock(self, node: nodes.FilterBlock) -> Execute:
        body = self._text_compiler().compile_body(node.body)

        def print_body(render: Render) -> str:
            inner: list[Any] = []
            printed = render.output_length
            body(render, inner)
            render.output_length = printed
            return operators.join_texts(render.budget, inner)

        filtered: Evaluate = print_body
        for name, arguments, line in node.filters:
            filtered = self.expressions.compile_filter(filtered, name, arguments, line)
        if self.is_typed:
            return lambda render, out: out.append(filtered(render))

        def write(render: Render, out: list[Any]) -> None:
            text = to_text(render.budget, filtered(render))
            render.count_output(len(text))
            out.append(text)

        return write


def _list_loop_items(render: Render, value: Any) -> list[Any]:
    """Return what `for` goes over: the items of a list, or `{key, value}` of each entry of a map."""
    if isinstance(value, Mapping):
        items = [{"key": key, "value": item} for key, item in value.items()]
        render.budget.account(items)
        return items
    if is_list(value):
        return list(value)
    raise ExpressionError(Kind.BAD_INPUT, f'"for" needs a list or a map but got {describe_type(value)}.')


def _describe_loop(index: int, length: int) -> dict[str, Any]:
    last = length - 1
    return {"index": index, "length": length, "revindex": last - index, "first": index == 0, "last": index == last}
