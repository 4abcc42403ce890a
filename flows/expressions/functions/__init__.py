"""The functions of the language, one module a topic. Importing this package registers them."""

from flows.expressions.functions import crypto, dates, identifiers, iterations, parsing, platform, rendering

__all__ = ["crypto", "dates", "identifiers", "iterations", "parsing", "platform", "rendering"]
