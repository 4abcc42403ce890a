"""The filters of the language, one module a topic. Importing this package registers them."""

from flows.expressions.filters import dates, formats, hashing, numbers, sequences, text

__all__ = ["dates", "formats", "hashing", "numbers", "sequences", "text"]
