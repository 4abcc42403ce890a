"""Templates: segments into a tree of text, prints and tags."""

from __future__ import annotations

from collections.abc import Callable

from flows.expressions import nodes
from flows.expressions.lexer import CONSTANTS, Segment, Source, split_template
from flows.expressions.limits import MAX_DEPTH, MAX_TEMPLATE_CHARACTERS, limit_error
from flows.expressions.parser import ExpressionParser


def parse_template(text: str) -> nodes.Body:
    """
    Return the tree of a template.

    Raises:
        ExpressionError: kind syntax with line and column, or kind limit for more than 1 MiB of text.

    Source: expressions, 2.1 and 2.4.
    """
    if len(text) > MAX_TEMPLATE_CHARACTERS:
        raise limit_error("A template", f"{MAX_TEMPLATE_CHARACTERS} characters")
    source = Source(text)
    parser = TemplateParser(source, split_template(source))
    return parser.read_template()


class TemplateParser:
    """Reads segments one after the other; a tag that opens something reads on until its closing tag."""

    def __init__(self, source: Source, segments: list[Segment]) -> None:
        self.source = source
        self.segments = segments
        self.position = 0
        self._depth = 0
        self._tags: dict[str, Callable[[ExpressionParser, Segment], nodes.Node]] = {
            "if": self._read_if,
            "for": self._read_for,
            "set": self._read_set,
            "block": self._read_block,
            "macro": self._read_macro,
            "filter": self._read_filter_block,
        }

    def read_template(self) -> nodes.Body:
        """Return the tree of all segments."""
        body, _ = self._read_body(None, ())
        return body

    def _read_body(self, opening: Segment | None, ends: tuple[str, ...]) -> tuple[nodes.Body, ExpressionParser]:
        """Read until a tag named in `ends`, and return its parser standing behind the tag's name."""
        statements: list[nodes.Node] = []
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.source.error(f"Tags nest deeper than {MAX_DEPTH} levels.", opening.offset if opening else 0)
        while self.position < len(self.segments):
            segment = self.segments[self.position]
            self.position += 1
            if segment.kind in ("text", "raw"):
                kind = nodes.Text if segment.kind == "text" else nodes.Raw
                statements.append(kind(0, segment.text))
                continue
            parser = ExpressionParser(self.source, segment.tokens)
            if segment.kind == "print":
                expression = parser.read_expression()
                parser.expect_end()
                statements.append(nodes.Print(self.source.line_at(segment.offset), expression))
                continue
            token = parser.current
            name = parser.read_name("the name of a tag")
            if name in ends:
                self._depth -= 1
                return self._body(statements), parser
            if name not in self._tags:
                raise self.source.error(f'Unexpected tag name "{name}".', token.offset)
            statements.append(self._tags[name](parser, segment))
        if opening is not None:
            raise self.source.error(f'This tag is not closed: "{{% {ends[-1]} %}}" is missing.', opening.offset)
        self._depth -= 1
        return self._body(statements), ExpressionParser(self.source, ())

    def _body(self, statements: list[nodes.Node]) -> nodes.Body:
        return nodes.Body(statements[0].line if statements else 0, tuple(statements))

    def _read_if(self, parser: ExpressionParser, segment: Segment) -> nodes.Node:
        branches: list[tuple[nodes.Node, nodes.Body]] = []
        otherwise: nodes.Body | None = None
        condition = parser.read_expression()
        parser.expect_end()
        while True:
            body, end = self._read_body(segment, ("elseif", "else", "endif"))
            branches.append((condition, body))
            word = end.tokens[0].text
            if word == "elseif":
                condition = end.read_expression()
                end.expect_end()
                continue
            end.expect_end()
            if word == "else":
                otherwise, end = self._read_body(segment, ("endif",))
                end.expect_end()
            return nodes.If(self.source.line_at(segment.offset), tuple(branches), otherwise)

    def _read_for(self, parser: ExpressionParser, segment: Segment) -> nodes.Node:
        variable = parser.read_name("the name of the loop variable")
        if parser.current.kind != "name" or parser.current.text != "in":
            raise parser.fail('Expected "in" after the loop variable.')
        parser.advance()
        iterable = parser.read_expression()
        parser.expect_end()
        body, end = self._read_body(segment, ("else", "endfor"))
        otherwise: nodes.Body | None = None
        end.expect_end()
        if end.tokens[0].text == "else":
            otherwise, end = self._read_body(segment, ("endfor",))
            end.expect_end()
        return nodes.For(self.source.line_at(segment.offset), variable, iterable, body, otherwise)

    def _read_set(self, parser: ExpressionParser, segment: Segment) -> nodes.Node:
        if parser.current.text in CONSTANTS:
            raise parser.fail(f'"{parser.current.text}" is a value and cannot be the name of a variable.')
        variable = parser.read_name("the name of a variable")
        parser.expect("=")
        value = parser.read_expression()
        parser.expect_end()
        return nodes.Set(self.source.line_at(segment.offset), variable, value)

    def _read_block(self, parser: ExpressionParser, segment: Segment) -> nodes.Node:
        token = parser.advance()
        if token.kind == "name":
            name = token.text
        elif token.kind == "value" and isinstance(token.value, str):
            name = token.value
        else:
            raise parser.fail("Expected the name of the block.", token)
        parser.expect_end()
        body, end = self._read_body(segment, ("endblock",))
        self._skip_repeated_name(end)
        return nodes.Block(self.source.line_at(segment.offset), name, body)

    def _read_macro(self, parser: ExpressionParser, segment: Segment) -> nodes.Node:
        name = parser.read_name("the name of the macro")
        parameters: list[tuple[str, nodes.Node | None]] = []
        parser.expect("(")
        if not parser.accept(")"):
            while True:
                parameter = parser.read_name("the name of a parameter")
                default = parser.read_expression() if parser.accept("=") else None
                parameters.append((parameter, default))
                if not parser.accept(","):
                    parser.expect(")")
                    break
        parser.expect_end()
        body, end = self._read_body(segment, ("endmacro",))
        self._skip_repeated_name(end)
        return nodes.Macro(self.source.line_at(segment.offset), name, tuple(parameters), body)

    def _read_filter_block(self, parser: ExpressionParser, segment: Segment) -> nodes.Node:
        line = self.source.line_at(segment.offset)
        filters: list[tuple[str, nodes.Arguments, int]] = []
        while True:
            filters.append((*parser.read_filter(), line))
            if not parser.accept("|"):
                break
        parser.expect_end()
        body, end = self._read_body(segment, ("endfilter",))
        end.expect_end()
        return nodes.FilterBlock(line, tuple(filters), body)

    def _skip_repeated_name(self, parser: ExpressionParser) -> None:
        # `{% endblock post %}` and `{% endmacro hi %}` may repeat the name.
        if parser.current.kind in ("name", "value"):
            parser.advance()
        parser.expect_end()
