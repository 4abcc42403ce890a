"""Expressions: tokens into a tree by precedence climbing. Statements are read by `statements`."""

from __future__ import annotations

from flows.expressions import nodes
from flows.expressions.errors import ExpressionError
from flows.expressions.lexer import Source, Token
from flows.expressions.limits import MAX_DEPTH
from flows.expressions.values import Long

# Source: expressions, 2.2. A filter (100) and a test (20) are read like operators with a name on their right.
PRECEDENCE = {
    "or": 10,
    "and": 15,
    "is": 20,
    "contains": 20,
    "in": 20,
    "not in": 20,
    "==": 30,
    "equals": 30,
    "!=": 30,
    ">": 30,
    "<": 30,
    ">=": 30,
    "<=": 30,
    "+": 40,
    "-": 40,
    "*": 60,
    "/": 60,
    "%": 60,
    "|": 100,
    "~": 110,
    "??": 120,
    "???": 120,
    "..": 120,
}
UNARY = frozenset({"not", "-", "+"})


class ExpressionParser:
    """Reads expressions from the tokens of one tag. `depth` guards against trees that are too deep to evaluate."""

    def __init__(self, source: Source, tokens: tuple[Token, ...]) -> None:
        self.source = source
        self.tokens = tokens
        self.position = 0
        self._depth = 0
        self._chain = 0

    @property
    def current(self) -> Token:
        """The token that is read next."""
        return self.tokens[self.position]

    def advance(self) -> Token:
        """Return the next token and go past it."""
        token = self.tokens[self.position]
        if token.kind != "end":
            self.position += 1
        return token

    def line(self, token: Token) -> int:
        """Return the line on which a token stands."""
        return self.source.line_at(token.offset)

    def fail(self, message: str, token: Token | None = None) -> ExpressionError:
        """Return a syntax error at a token, by default the next one."""
        return self.source.error(message, (token or self.current).offset)

    def is_operator(self, text: str) -> bool:
        """Return whether the next token is this operator or punctuation mark."""
        token = self.current
        return token.kind == "operator" and token.text == text

    def accept(self, text: str) -> bool:
        """Go past this operator or mark if it is next, and say whether it was."""
        if self.is_operator(text):
            self.position += 1
            return True
        return False

    def expect(self, text: str) -> Token:
        """Go past this operator or mark. Raises a syntax error when something else is next."""
        if not self.is_operator(text):
            raise self.fail(f'Expected "{text}" but found {describe(self.current)}.')
        return self.advance()

    def read_name(self, what: str) -> str:
        """Return the name that is next; `what` says what it names, for the error."""
        if self.current.kind != "name":
            raise self.fail(f"Expected {what} but found {describe(self.current)}.")
        return self.advance().text

    def expect_end(self) -> None:
        """Raise a syntax error when tokens are left."""
        if self.current.kind != "end":
            raise self.fail(f"Expected the end of the tag but found {describe(self.current)}.")

    def read_expression(self, min_precedence: int = 0) -> nodes.Node:
        """Return the expression that is next, whose binary operators bind at least as tightly as `min_precedence`."""
        self._enter()
        chain_before = self._chain
        left = self._read_unary()
        while (operator := self._next_operator()) is not None and PRECEDENCE[operator] >= min_precedence:
            self._chain += 1
            if self._chain > MAX_DEPTH:
                raise self.fail(f"The expression chains more than {MAX_DEPTH} operators. Split it with set.")
            left = self._read_operation(operator, left)
        self._chain = chain_before
        if min_precedence == 0 and self.is_operator("?"):
            left = self._read_conditional(left)
        self._depth -= 1
        return left

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.fail(f"The expression nests deeper than {MAX_DEPTH} levels. Split it with set.")

    def _read_conditional(self, condition: nodes.Node) -> nodes.Node:
        line = self.line(self.advance())
        yes = self.read_expression()
        self.expect(":")
        return nodes.Conditional(line, condition, yes, self.read_expression())

    def _next_operator(self) -> str | None:
        token = self.current
        if token.kind == "name":
            return "in" if token.text == "in" else None
        if token.kind != "operator":
            return None
        if token.text == "not":
            following = self.tokens[self.position + 1]
            return "not in" if following.kind == "name" and following.text == "in" else None
        return token.text if token.text in PRECEDENCE else None

    def _read_operation(self, operator: str, left: nodes.Node) -> nodes.Node:
        line = self.line(self.advance())
        if operator == "|":
            name, arguments = self.read_filter()
            return nodes.Filter(line, left, name, arguments)
        if operator == "is":
            negated = self.accept("not")
            name = self.read_name("the name of a test") if self.current.text != "null" else self.advance().text
            arguments = self.read_arguments() if self.is_operator("(") else nodes.Arguments(line)
            return nodes.Test(line, left, name, arguments, negated)
        if operator == "not in":
            self.advance()
        right = self.read_expression(PRECEDENCE[operator] + 1)
        if operator == "~":
            # A chain of ~ is one node: long ones are usual, and would nest too deeply otherwise.
            self._chain -= 1
            parts = left.parts if isinstance(left, nodes.Concatenation) else (left,)
            return nodes.Concatenation(line, (*parts, right))
        return nodes.Binary(line, "==" if operator == "equals" else operator, left, right)

    def read_filter(self) -> tuple[str, nodes.Arguments]:
        """Return name and arguments of a filter, as they follow `|` or the tag `filter`."""
        line = self.line(self.current)
        name = self.read_name("the name of a filter")
        return name, self.read_arguments() if self.is_operator("(") else nodes.Arguments(line)

    def _read_unary(self) -> nodes.Node:
        token = self.current
        if token.kind == "operator" and token.text in UNARY:
            self._enter()
            self.advance()
            node = nodes.Unary(self.line(token), token.text, self._read_unary())
            self._depth -= 1
            return node
        return self._read_postfix(self._read_operand())

    def _read_operand(self) -> nodes.Node:
        token = self.advance()
        line = self.line(token)
        if token.kind == "value":
            value = Long(token.value) if type(token.value) is int else token.value
            return nodes.Literal(line, value)
        if token.kind == "text":
            return self._read_interpolation(token)
        if token.kind == "name":
            if self.is_operator("("):
                return nodes.Call(line, token.text, self.read_arguments())
            return nodes.Name(line, token.text)
        if token.text == "(":
            inner = self.read_expression()
            self.expect(")")
            return inner
        if token.text == "[":
            return nodes.ListLiteral(line, self._read_items())
        if token.text == "{":
            return nodes.MapLiteral(line, self._read_entries())
        raise self.fail(f"Expected a value but found {describe(token)}.", token)

    def _read_interpolation(self, token: Token) -> nodes.Node:
        line = self.line(token)
        parts: list[nodes.Node] = []
        for part in token.value:
            if isinstance(part, str):
                parts.append(nodes.Literal(line, part))
                continue
            inner = ExpressionParser(self.source, part)
            inner._depth = self._depth + 1
            parts.append(inner.read_expression())
            inner.expect_end()
        return nodes.Interpolation(line, tuple(parts))

    def _read_items(self) -> tuple[nodes.Node, ...]:
        items: list[nodes.Node] = []
        if not self.accept("]"):
            items.append(self.read_expression())
            while self.accept(","):
                items.append(self.read_expression())
            self.expect("]")
        return tuple(items)

    def _read_entries(self) -> tuple[tuple[nodes.Node, nodes.Node], ...]:
        entries: list[tuple[nodes.Node, nodes.Node]] = []
        if self.accept("}"):
            return ()
        while True:
            key = self.read_expression()
            self.expect(":")
            entries.append((key, self.read_expression()))
            if not self.accept(","):
                self.expect("}")
                return tuple(entries)

    def _read_postfix(self, target: nodes.Node) -> nodes.Node:
        length = 0
        while self.current.kind == "operator" and self.current.text in (".", "["):
            length += 1
            if length > MAX_DEPTH:
                raise self.fail(f"The path has more than {MAX_DEPTH} steps.")
            token = self.advance()
            line = self.line(token)
            if token.text == "[":
                key = self.read_expression()
                self.expect("]")
                target = nodes.Item(line, target, key)
                continue
            name = self._read_attribute()
            if self.is_operator("("):
                target = nodes.MethodCall(line, target, name, self.read_arguments())
            else:
                target = nodes.Item(line, target, nodes.Literal(line, name))
        return target

    def _read_attribute(self) -> str:
        token = self.current
        if token.kind == "name" or (token.kind == "value" and token.text.isalpha()):
            return self.advance().text
        # Words that are operators stay so after a dot; only the method contains(...) is let through.
        following = self.tokens[self.position + 1] if token.kind != "end" else token
        if token.text == "contains" and following.text == "(":
            return self.advance().text
        raise self.fail(f"Expected the name of a field after the dot but found {describe(token)}.")

    def read_arguments(self) -> nodes.Arguments:
        """Return the arguments in parentheses that are next."""
        line = self.line(self.expect("("))
        positional: list[nodes.Node] = []
        named: list[tuple[str, nodes.Node]] = []
        if not self.accept(")"):
            while True:
                token, following = self.current, self.tokens[min(self.position + 1, len(self.tokens) - 1)]
                if token.kind == "name" and following.kind == "operator" and following.text == "=":
                    self.position += 2
                    named.append((token.text, self.read_expression()))
                elif named:
                    raise self.fail("An argument without a name cannot follow one with a name.")
                else:
                    positional.append(self.read_expression())
                if not self.accept(","):
                    self.expect(")")
                    break
        return nodes.Arguments(line, tuple(positional), tuple(named))


def describe(token: Token) -> str:
    """Return a token as error messages show it."""
    if token.kind == "end":
        return "the end"
    return f'"{token.text if len(token.text) <= 40 else token.text[:40] + "..."}"'
