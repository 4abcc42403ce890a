"""The expression language: `{{ ... }}` and `{% ... %}` in flows. Text and variables in, text or value out."""

from flows.expressions import filters, functions, value_tests
from flows.expressions.environment import Environment, StaticEnvironment, pick_secret_field
from flows.expressions.errors import ExpressionError, Kind
from flows.expressions.library import Signature
from flows.expressions.syntax_check import check_syntax, list_filters, list_functions, list_tests
from flows.expressions.template import Template, compile_template, is_truthy, render

_REGISTERED = (filters, functions, value_tests)

__all__ = [
    "Environment",
    "ExpressionError",
    "Kind",
    "Signature",
    "StaticEnvironment",
    "Template",
    "check_syntax",
    "compile_template",
    "is_truthy",
    "list_filters",
    "list_functions",
    "list_tests",
    "pick_secret_field",
    "render",
]
