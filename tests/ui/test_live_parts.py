"""What a stream of a page sends: the parts and elements that differ from what it sent before, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flows.ui.live_parts import BODY, Change, SentParts, find_changes
from flows.ui.painters.painting import Painting

ELEMENTS = st.lists(st.sampled_from([f"<i>{number}</i>" for number in range(8)]), max_size=12)


def _paint(*elements: str, shape: str = "", spots: dict[str, str] | None = None) -> Painting:
    return Painting("<g>", elements, "</g>", shape=shape, spots=spots or {})


def _send(sent: SentParts, painting: Painting, **parts: str) -> tuple[set[str], list[Change]]:
    news = sent.compare({**parts, BODY: str(painting)}, "around", painting)
    return set(news.parts), list(news.changes)


def _apply(shown: list[str], changes: list[tuple[int, int, int, int]], wanted: list[str]) -> list[str]:
    for first, last, begin, end in reversed(changes):
        shown[first:last] = wanted[begin:end]
    return shown


@given(ELEMENTS, ELEMENTS)
def test_changes_applied_from_the_last_to_the_first_give_the_new_list(before: list[str], after: list[str]) -> None:
    assert _apply([*before], find_changes(before, after), after) == after


@given(ELEMENTS)
def test_equal_lists_have_no_changes(elements: list[str]) -> None:
    assert find_changes(elements, [*elements]) == []


def test_the_first_time_everything_is_sent_and_then_only_what_differs() -> None:
    sent = SentParts()

    first = _send(sent, _paint("<i>a</i>", "<i>b</i>", "<i>c</i>"), head="<p>1</p>", acts="<p>x</p>")
    second = _send(sent, _paint("<i>a</i>", "<i>B</i>", "<i>c</i>"), head="<p>2</p>", acts="<p>x</p>")

    assert first == ({"head", "acts", BODY}, [])
    assert second == ({"head"}, [(1, 1, "<i>B</i>")])


def test_new_elements_come_in_between_without_those_around_them() -> None:
    sent = SentParts()
    _send(sent, _paint("<i>a</i>", "<i>b</i>"))

    _, changes = _send(sent, _paint("<i>A</i>", "<i>b</i>", "<i>c</i>", "<i>d</i>"))

    assert changes == [(0, 1, "<i>A</i>"), (2, 0, "<i>c</i><i>d</i>")]


def test_another_shape_sends_the_whole_body() -> None:
    sent = SentParts()
    _send(sent, _paint("<i>a</i>", shape="8 s"))

    assert _send(sent, _paint("<i>a</i>", shape="10 s")) == ({BODY}, [])


def test_what_stands_around_a_list_is_sent_by_itself() -> None:
    sent = SentParts()
    _send(sent, _paint("<i>a</i>", spots={"count": "1 row"}))

    found = _send(sent, _paint("<i>a</i>", "<i>b</i>", spots={"count": "2 rows"}))

    assert found == ({"count"}, [(1, 0, "<i>b</i>")])


def test_elements_with_marks_are_compared_by_them() -> None:
    sent = SentParts()
    late, later = (Painting("", [f"<i>{text}</i>"], "", marks=["the same"]) for text in ("1 s", "2 s"))
    sent.compare({BODY: str(late)}, "", late)

    assert sent.compare({BODY: str(later)}, "", later).changes == []


def test_the_passing_of_time_and_masked_tokens_are_no_change() -> None:
    sent = SentParts()
    texts = [
        f'<b data-ticks-from="2031">{seconds} s</b><time class="age" datetime="2031">{seconds} s ago</time>'
        f'<input name="csrfmiddlewaretoken" value="{token}">'
        for seconds, token in ((1, "abc"), (2, "def"))
    ]
    sent.compare({"head": texts[0]})

    assert sent.compare({"head": texts[1]}).parts == {}


def test_an_element_that_only_grew_older_is_no_change() -> None:
    sent = SentParts()
    younger, older = (f'<text data-ticks-from="2031">{seconds} s</text>' for seconds in (1, 2))
    _send(sent, _paint(younger))

    assert _send(sent, _paint(older)) == (set(), [])


def test_a_tab_without_a_painting_sends_its_body_when_it_differs() -> None:
    sent = SentParts()

    found = [set(sent.compare({BODY: text}).parts) for text in ("<p>a</p>", "<p>a</p>", "<p>b</p>")]

    assert found == [{BODY}, set(), {BODY}]
