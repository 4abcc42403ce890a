"""How much one render may use. The budget is shared by every template that a render touches, also through `render()`."""

from __future__ import annotations

from time import thread_time

from flows.expressions.errors import ExpressionError, Kind

MAX_SECONDS = 2.0
MAX_OUTPUT_CHARACTERS = 1024 * 1024
MAX_TEMPLATE_CHARACTERS = 1024 * 1024
MAX_TEXT_CHARACTERS = 4 * 1024 * 1024
MAX_PRODUCED_BYTES = 64 * 1024 * 1024
MAX_LOOP_STEPS = 100_000
MAX_LIST_ITEMS = 100_000
MAX_DEPTH = 100
MAX_PASSES = 100
MAX_PARSED_VALUES = 500_000
MAX_TOKENS = 50_000

ITEM_BYTES = 64
TICKS_PER_CLOCK_READ = 200


def limit_error(what: str, allowed: str) -> ExpressionError:
    """Return the error for a passed limit, for instance `limit_error("The rendered text", "1 MiB")`."""
    return ExpressionError(
        Kind.LIMIT, f"{what} goes beyond what one render may use: the limit is {allowed}. Make the expression smaller."
    )


class Budget:
    """
    What is left for one render: processor time, loop steps, bytes produced, nesting.

    Processor time of the thread is counted and not wall time, so that a slow database behind a lazy variable, or a busy
    machine, does not fail a harmless template. The clock is first read after 200 ticks: small templates never read it.
    """

    __slots__ = ("_deadline", "_ticks", "depth", "loop_steps", "produced_bytes")

    def __init__(self) -> None:
        self._ticks = TICKS_PER_CLOCK_READ
        self._deadline = 0.0
        self.depth = 0
        self.loop_steps = 0
        self.produced_bytes = 0

    def tick(self) -> None:
        """Count one small step of work; raises `limit` once 2 s of processor time are used."""
        self._ticks -= 1
        if self._ticks <= 0:
            self._read_clock()

    def tick_many(self, count: int) -> None:
        """Count `count` small steps of work at once."""
        self._ticks -= count
        if self._ticks <= 0:
            self._read_clock()

    def check_clock(self) -> None:
        """Look at the time now; for single steps that can take long by themselves, such as a regular expression."""
        self._read_clock()

    def add_seconds(self, seconds: float) -> None:
        """Count time that another process spent for this render."""
        self._read_clock()
        self._deadline -= seconds
        self._read_clock()

    def _read_clock(self) -> None:
        self._ticks = TICKS_PER_CLOCK_READ
        now = thread_time()
        if not self._deadline:
            self._deadline = now + MAX_SECONDS
        elif now > self._deadline:
            raise limit_error("The time this expression takes", f"{MAX_SECONDS:g} seconds")

    def start_leaf(self) -> None:
        """Begin the next text of a map or list: loop steps and memory are counted anew, the time goes on."""
        self.loop_steps = 0
        self.produced_bytes = 0

    def step(self, count: int = 1) -> None:
        """Count one pass of a loop, macro or nested template, or as many as an outside call is worth."""
        self.loop_steps += count
        if self.loop_steps > MAX_LOOP_STEPS:
            raise limit_error("The number of loop steps", f"{MAX_LOOP_STEPS}")
        self.tick()

    def enter(self) -> None:
        """Go one level deeper into macros, blocks or nested templates."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise limit_error("The nesting of templates and macros", f"{MAX_DEPTH} levels")

    def leave(self) -> None:
        """Come back from a level that `enter` opened."""
        self.depth -= 1

    def spend(self, byte_count: int) -> None:
        """Count memory that an operator or filter is about to take; call it before building something large."""
        self.produced_bytes += byte_count
        if self.produced_bytes > MAX_PRODUCED_BYTES:
            raise limit_error("The data that this expression builds", f"{MAX_PRODUCED_BYTES // 1048576} MiB")

    def spend_text(self, length: int, *, is_ascii: bool = False) -> None:
        """Count a text of `length` characters that is about to be built."""
        if length > MAX_TEXT_CHARACTERS:
            raise limit_error("A text that this expression builds", f"{MAX_TEXT_CHARACTERS} characters")
        self.spend(length if is_ascii else 4 * length)

    def spend_items(self, count: int) -> None:
        """Count a list or map of `count` entries that is about to be built."""
        self.tick_many(count >> 4)
        self.spend(count * ITEM_BYTES)

    def account(self, value: object) -> None:
        """Count a text, list or map that was just built, when it is large enough to matter."""
        kind = type(value)
        if kind is str:
            length = len(value)  # type: ignore[arg-type]  # `kind` says what it is
            if length > 256:
                self.spend_text(length, is_ascii=value.isascii())  # type: ignore[attr-defined]  # a text
        elif kind is list or kind is dict:
            length = len(value)  # type: ignore[arg-type]  # `kind` says what it is
            if length > 256:
                self.spend_items(length)
