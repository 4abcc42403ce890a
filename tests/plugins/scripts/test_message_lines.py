"""What a script may say by its `::{...}::` lines, and how long a line may get."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flows.plugin_api.testing import FakeContext, MetricEntry
from plugins.scripts.lines import LineSplitter
from plugins.scripts.protocol import ScriptMessages


@pytest.fixture
def context() -> Iterator[FakeContext]:
    with FakeContext() as made:
        yield made


@pytest.fixture
def messages(context: FakeContext) -> ScriptMessages:
    return ScriptMessages(context)


def test_outputs_are_merged_by_key_and_the_last_line_wins(messages: ScriptMessages) -> None:
    messages.take_line('::{"outputs": {"a": {"x": 1}, "b": [1]}}::', is_error=False)
    messages.take_line('::{"outputs": {"a": {"y": 2}}}::', is_error=True)

    assert messages.vars == {"a": {"y": 2}, "b": [1]}


def test_metrics_of_all_types_are_taken(messages: ScriptMessages, context: FakeContext) -> None:
    messages.take_line(
        '::{"metrics": [{"name": "c", "type": "counter", "value": 2, "tags": {"t": "x"}}, {"name": "d", "type": "timer", '
        '"value": "PT1.5S"}, {"name": "e", "type": "timer", "value": -0.2}, {"name": "g", "type": "gauge", "value": 0.5}]}::',
        is_error=False,
    )

    assert context.metrics.entries == [
        MetricEntry("counter", "c", 2, {"t": "x"}),
        MetricEntry("timer", "d", 1.5),
        MetricEntry("timer", "e", -0.2),
        MetricEntry("gauge", "g", 0.5),
    ]


def test_logs_keep_their_level(messages: ScriptMessages, context: FakeContext) -> None:
    messages.take_line('::{"logs": [{"level": "WARN", "message": "w"}, {"message": "i"}]}::', is_error=True)

    assert (context.log.messages("WARN"), context.log.messages("INFO")) == (["w"], ["i"])


def test_encrypted_outputs_are_encrypted_and_masked(messages: ScriptMessages, context: FakeContext) -> None:
    messages.take_line('::{"encryptedOutputs": {"token": "s3cret"}}::', is_error=False)
    messages.take_line("the token is s3cret", is_error=False)

    assert messages.vars["token"]["type"] == "io.kestra.datatype:aes_encrypted"
    assert context.log.messages("INFO") == ["the token is ******"]


@pytest.mark.parametrize(
    "line",
    [
        "::{not json}::",
        '::{"surprise": 1}::',
        '::{"outputs": [1]}::',
        '::{"metrics": [{"name": "m", "type": "speed", "value": 1}]}::',
        '::{"metrics": [{"name": "m", "type": "counter", "value": "many"}]}::',
        '::{"metrics": [{"name": "m", "type": "counter", "value": 1, "tags": {"name": "x"}}]}::',
        '::{"logs": [{"level": "LOUD", "message": "x"}]}::',
        '::{"outputs": {"kept": 1}, "logs": "x"}::',
    ],
)
def test_a_broken_message_is_dropped_with_a_warning(messages: ScriptMessages, context: FakeContext, line: str) -> None:
    messages.take_line(line, is_error=False)

    assert len(context.log.messages("WARN")) == len(context.log.lines) == 1
    assert messages.vars == {}


@pytest.mark.parametrize("line", ['  ::{"outputs": {}}::', 'x ::{"outputs": {}}::', "::", "::[1]::", "plain"])
def test_anything_else_is_a_log_line(messages: ScriptMessages, context: FakeContext, line: str) -> None:
    messages.take_line(line, is_error=False)
    messages.take_line(line, is_error=True)

    assert (context.log.messages("INFO"), context.log.messages("ERROR")) == ([line], [line])


def test_lines_are_put_together_from_pieces() -> None:
    splitter = LineSplitter()

    lines = [*splitter.feed(b"a\nb"), *splitter.feed(b"c\r\n\xc3"), *splitter.feed(b"\xa4\0\xff"), *splitter.finish()]

    assert lines == ["a", "bc", "ä\ufffd\ufffd"]


def test_a_long_line_is_cut_once_and_the_next_one_is_whole() -> None:
    splitter = LineSplitter(limit=4)

    lines = [*splitter.feed(b"abcdef"), *splitter.feed(b"ghijklmnop"), *splitter.feed(b"q\nnext\n"), *splitter.finish()]

    assert lines == ["abcd [line cut after 4 bytes]", "next"]
