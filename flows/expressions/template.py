"""Compiled templates: cache, rendering to text or value, what they refer to; deep and recursive rendering."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from threading import Lock
from typing import Any

from flows.expressions import nodes
from flows.expressions.environment import Environment, StaticEnvironment
from flows.expressions.errors import ExpressionError, Kind
from flows.expressions.expression_compiler import Execute, Unit
from flows.expressions.limits import MAX_DEPTH, MAX_PASSES, limit_error
from flows.expressions.scope import Render
from flows.expressions.statement_compiler import StatementCompiler
from flows.expressions.statements import parse_template
from flows.expressions.values import describe_type, to_plain, to_text

CACHED_TEMPLATES = 4096
MAX_CACHED_CHARACTERS = 16 * 1024

# Functions through which a template may use variables that its own text does not name.
_REFLECTIVE = frozenset({"render", "renderOnce", "printContext", "fetchContext", "parentOutput", "iterationOutput"})
_RAW = re.compile(r"\{%-?\s*raw\s*-?%\}(.*?)\{%-?\s*endraw\s*-?%\}", re.DOTALL)
_NO_ENVIRONMENT = StaticEnvironment()


class Template:
    """
    A compiled template, safe to render from several threads at once.

    Attributes:
        text: the template as written.
        references: names of the root variables that its expressions name; names that its own tags assign may be among them.
        output_references: ids of the tasks whose outputs it uses as `outputs.<id>` or `outputs['<id>']`; None when the use is
            dynamic (`outputs[x]`, `outputs` as a whole, `render(...)` of other texts), so that any output may be needed.
    """

    __slots__ = (
        "_is_plain",
        "_lock",
        "_run",
        "_run_typed",
        "_tree",
        "_typed_unit",
        "_unit",
        "output_references",
        "references",
        "text",
    )

    def __init__(self, text: str) -> None:
        self.text = text
        self._tree = parse_template(text)
        self._lock = Lock()
        self._unit = _make_unit(text, self._tree)
        self._run = StatementCompiler(self._unit).compile_body(self._tree)
        self._typed_unit = self._unit
        self._run_typed: Execute | None = None
        self.references, self.output_references = find_references(self._tree)

    def render(self, variables: Mapping[str, Any], environment: Environment | None = None) -> str:
        """
        Return the text of one pass.

        Raises ExpressionError, and whatever a lazy variable or the environment raises for reasons of its own.
        """
        render = Render(variables, environment or _NO_ENVIRONMENT, render_nested)
        return evaluate_text(self, render)

    def render_typed(self, variables: Mapping[str, Any], environment: Environment | None = None) -> Any:
        """
        Return the value of a template that is exactly one expression, or the text of one that gives only texts.

        White space around the expression does not count. Raises ExpressionError of kind bad_operand when a value that is no
        text stands beside something else.
        """
        render = Render(variables, environment or _NO_ENVIRONMENT, render_nested)
        return evaluate_typed(self, render)

    def execute(self, render: Render, out: list[Any], *, is_typed: bool = False) -> None:
        """Append the pieces of the output; used while a render is under way."""
        if not is_typed:
            render.blocks = self._unit.blocks
            self._run(render, out)
            return
        run = self._run_typed
        if run is None:
            with self._lock:
                self._typed_unit = _make_unit(self.text, self._tree)
                run = self._run_typed = StatementCompiler(self._typed_unit, is_typed=True).compile_body(self._tree)
        render.blocks = self._typed_unit.blocks
        run(render, out)


def compile_template(text: str) -> Template:
    """
    Return the compiled template; the last 4096 small ones are kept by their text.

    Raises ExpressionError: kind syntax with line and column, or limit for a template that is too large or too deep.
    """
    if len(text) > MAX_CACHED_CHARACTERS:
        return _compile(text)
    return _compile_cached(text)


def _compile(text: str) -> Template:
    try:
        return Template(text)
    except RecursionError as error:
        raise limit_error("The nesting of this template", f"{MAX_DEPTH} levels") from error


_compile_cached = lru_cache(maxsize=CACHED_TEMPLATES)(_compile)


def _make_unit(text: str, tree: nodes.Body) -> Unit:
    local_names: set[str] = set()
    macro_names: set[str] = set()
    for node in nodes.walk(tree):
        if isinstance(node, nodes.Set):
            local_names.add(node.variable)
        elif isinstance(node, nodes.For):
            local_names.update((node.variable, "loop"))
        elif isinstance(node, nodes.Macro):
            macro_names.add(node.name)
    return Unit(text, frozenset(local_names), frozenset(macro_names))


def find_references(tree: nodes.Node) -> tuple[frozenset[str], frozenset[str] | None]:
    """Return the root variables that a tree names, and the ids under `outputs` that it names or None for dynamic use."""
    names: set[str] = set()
    outputs: set[str] | None = set()
    for node in nodes.walk(tree):
        if isinstance(node, nodes.Name):
            names.add(node.name)
        elif isinstance(node, nodes.Call) and node.name in _REFLECTIVE:
            outputs = None
    if outputs is not None:
        outputs = _find_outputs(tree)
    return frozenset(names), None if outputs is None else frozenset(outputs)


def _find_outputs(tree: nodes.Node) -> set[str] | None:
    found: set[str] = set()
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, nodes.Item) and isinstance(node.target, nodes.Name) and node.target.name == "outputs":
            if not isinstance(node.key, nodes.Literal) or not isinstance(node.key.value, str):
                return None
            found.add(node.key.value)
            continue
        if isinstance(node, nodes.Name) and node.name == "outputs":
            return None
        pending.extend(nodes.list_children(node))
    return found


def evaluate_text(template: Template, render: Render) -> str:
    """Return the text of a template within a render that is under way or just begins."""
    out: list[Any] = []
    _guarded(template, render, out, is_typed=False)
    text = out[0] if len(out) == 1 else "".join(out)
    return text if text.isascii() else _replace_surrogates(text)


def evaluate_typed(template: Template, render: Render) -> Any:
    """Return the value of a template; see `Template.render_typed`."""
    out: list[Any] = []
    _guarded(template, render, out, is_typed=True)
    pieces = [piece for piece in out if type(piece) is not str or not piece.isspace()] if len(out) > 1 else out
    if len(pieces) == 1:
        value = to_plain(pieces[0])
        if isinstance(value, str):
            render.count_output(len(value))
        return value
    if all(isinstance(piece, str) for piece in pieces):
        text = "".join(out)
        render.count_output(len(text))
        return text
    odd = next(piece for piece in pieces if not isinstance(piece, str))
    raise ExpressionError(
        Kind.BAD_OPERAND,
        f"Tried to add {describe_type(odd)} to other output: a typed template must be exactly one expression. "
        "Remove the text around it, or join texts with ~.",
    ).place(template.text, 1)


def _guarded(template: Template, render: Render, out: list[Any], *, is_typed: bool) -> None:
    try:
        template.execute(render, out, is_typed=is_typed)
    except ExpressionError:
        raise
    except (RecursionError, MemoryError) as error:
        raise limit_error("The nesting or size of a value", f"{MAX_DEPTH} levels").place(template.text, 1) from error
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ExpressionError(Kind.BAD_INPUT, f"The expression cannot be computed: {str(error)[:200]}.").place(
            template.text, 1
        ) from error


def _replace_surrogates(text: str) -> str:
    # Half of a surrogate pair cannot be stored or sent; Java writes "?" for it as well.
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def render_nested(render: Render, text: str, recursive: bool) -> str:
    """
    Render a text inside a render that is under way, with its global variables and its budget.

    Raises ExpressionError of kind recursion when the text is not stable after 100 passes.
    """
    outer = (render.scopes, render.blocks, render.output_length, render.keep_raw)
    render.budget.enter()
    try:
        if recursive:
            return render_until_stable(render, text)
        render.keep_raw = False
        return _render_pass(render, text)
    finally:
        render.budget.leave()
        render.scopes, render.blocks, render.output_length, render.keep_raw = outer


def _render_pass(render: Render, text: str) -> str:
    if "{" not in text:
        return text
    render.budget.step()
    render.scopes, render.output_length = [{}], 0
    return evaluate_text(compile_template(text), render)


def render_until_stable(render: Render, text: str) -> str:
    """Render a text again and again until it no longer changes; bodies of `raw` are taken out last."""
    render.keep_raw = True
    for _ in range(MAX_PASSES):
        rendered = _render_pass(render, text)
        if rendered == text:
            return _RAW.sub(r"\1", rendered) if "{%" in rendered else rendered
        text = rendered
    raise ExpressionError(
        Kind.RECURSION,
        "Too many rendering attempts: the text still changes after 100 passes. Look for texts that name each other.",
    )


def render(
    template: Any,
    variables: Mapping[str, Any],
    *,
    typed: bool = False,
    recursive: bool = False,
    environment: Environment | None = None,
) -> Any:
    """
    Render a text, or every text inside a map or list.

    Args:
        template: a text; or a map or list, whose texts and keys are rendered and whose other leaves stay as they are. When two
            keys become equal, the first wins.
        variables: root variables by name. A mapping inside may be lazy: it is only iterated when all of it is needed.
        typed: a text that is exactly one expression gives its value instead of a text.
        recursive: render the result again until it no longer changes (at most 100 passes); the environment may ask for it too.
        environment: what functions may use from outside; without one, secrets, files and the like are unavailable.

    Returns:
        A text, a value when typed, or a new map or list of the same shape.

    Raises:
        ExpressionError: with kind and line. Nothing else comes from the template itself.

    Source: expressions, 5.
    """
    if type(template) is str and "{" not in template:
        return template
    environment = environment or _NO_ENVIRONMENT
    is_recursive = recursive or environment.recursive
    if type(template) is str and not is_recursive:
        compiled = compile_template(template)
        return compiled.render_typed(variables, environment) if typed else compiled.render(variables, environment)
    deep = DeepRender(Render(variables, environment, render_nested), typed, is_recursive)
    return deep.render_value(template, 0)


class DeepRender:
    """Renders the texts inside maps and lists, one after the other with the same clock."""

    def __init__(self, render: Render, typed: bool, recursive: bool) -> None:
        self._render = render
        self._typed = typed
        self._recursive = recursive

    def render_value(self, template: Any, depth: int) -> Any:
        """Return the rendered form of a value of any kind; raises `limit` below 100 levels."""
        if depth > MAX_DEPTH:
            raise limit_error("The nesting of the value to render", f"{MAX_DEPTH} levels")
        if isinstance(template, str):
            return self._render_leaf(template, self._typed)
        if isinstance(template, Mapping):
            rendered: dict[Any, Any] = {}
            for key, value in template.items():
                name = self._render_leaf(key, False) if isinstance(key, str) else key
                if name not in rendered:
                    rendered[name] = self.render_value(value, depth + 1)
            return rendered
        if isinstance(template, (list, tuple)):
            return [self.render_value(item, depth + 1) for item in template]
        return template

    def _render_leaf(self, text: str, typed: bool) -> Any:
        if "{" not in text:
            return text
        render = self._render
        render.scopes, render.output_length, render.keep_raw = [{}], 0, False
        render.budget.start_leaf()
        if not typed:
            return render_until_stable(render, text) if self._recursive else evaluate_text(compile_template(text), render)
        value = evaluate_typed(compile_template(text), render)
        if self._recursive and isinstance(value, str):
            return render_until_stable(render, value)
        return value


def is_truthy(value: Any) -> bool:
    """
    Return whether a rendered condition holds: null, "", "false", "0" and "-0" do not, every other text does.

    A typed value counts as its text, so false and 0 do not hold but 0.0 and an empty list do. Source: flow language, 1.2.
    """
    if value is None:
        return False
    if not isinstance(value, str):
        value = to_text(Render({}, _NO_ENVIRONMENT, render_nested).budget, value)
    return value not in ("", "false", "0", "-0")
