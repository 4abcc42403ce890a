"""The state of one render: variables, scopes that tags open, the environment and the budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flows.expressions.environment import Environment
from flows.expressions.errors import ExpressionError, Kind, shorten_template
from flows.expressions.limits import MAX_OUTPUT_CHARACTERS, Budget, limit_error


class Render:
    """
    One render of one template. Filters and functions get it as their first argument.

    `variables` are the global ones and never changed; `scopes` are dicts that `set`, `for` and macros fill, outermost first.
    `blocks` are the printable bodies of the current template. `keep_raw` is set while a result will be rendered again: bodies
    of `raw` then keep their tags.
    """

    __slots__ = ("blocks", "budget", "environment", "keep_raw", "output_length", "render_text", "scopes", "variables")

    def __init__(
        self,
        variables: Mapping[str, Any],
        environment: Environment,
        render_text: Callable[[Render, str, bool], str],
    ) -> None:
        self.variables = variables
        self.environment = environment
        self.render_text = render_text
        self.budget = Budget()
        self.scopes: list[dict[str, Any]] = [{}]
        self.blocks: Mapping[str, Callable[[Render, list[Any]], None]] = {}
        self.output_length = 0
        self.keep_raw = False

    def count_output(self, length: int) -> None:
        """Count printed text. Raises `limit` beyond 1 MiB."""
        self.output_length += length
        if self.output_length > MAX_OUTPUT_CHARACTERS:
            raise limit_error("The rendered text", f"{MAX_OUTPUT_CHARACTERS} characters")

    def assign(self, name: str, value: Any, *, sees_variables: bool) -> None:
        """
        Change the nearest variable of that name, else create it in the innermost scope.

        A global variable stays as it is: the outermost scope hides it for the rest of the template. Macros do not see the
        global ones (`sees_variables` false).
        """
        for scope in reversed(self.scopes):
            if name in scope:
                scope[name] = value
                return
        target = self.scopes[-1]
        if sees_variables and len(self.scopes) > 1:
            try:
                self.variables[name]
            except KeyError:
                pass
            else:
                target = self.scopes[0]
        target[name] = value


def undefined(name: str, template: str, line: int) -> ExpressionError:
    """Return the error for a name, key or index that does not exist. Source: expressions, 5 (strict variables)."""
    message = f"Unable to find `{name}` used in the expression `{shorten_template(template)}` at line {line}"
    return ExpressionError(Kind.UNDEFINED_VARIABLE, message, line=line)
