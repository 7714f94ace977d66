"""JSON Lines, Markdown and HTML files of threads."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import html5lib
import pytest

from threads.exports import html, jsonl, markdown
from threads.exports.base import Options, Write
from threads.exports.records import records
from threads.models import Message, MessageSource, Thread
from threads.tests.factories import make_conversation, make_message, make_thread

pytestmark = pytest.mark.django_db


def add_source(
    message: Message, *, raw: str = "", parts: list[dict[str, object]] | None = None
) -> None:
    MessageSource.objects.create(message=message, raw=raw, parts=parts or [])


def make_sourced(*texts: str, **fields: object) -> Thread:
    thread = make_conversation(*texts, **fields)  # type: ignore[arg-type]
    for message in thread.messages.all():
        add_source(message)
    return thread


def text_of(write: Write, *threads: Thread, **options: object) -> str:
    target = io.BytesIO()
    found = records([thread.pk for thread in threads], with_source=True)
    write(found, target, Options(**options))  # type: ignore[arg-type]
    return target.getvalue().decode()


def test_it_writes_the_interchange_format() -> None:
    thread = make_sourced(
        "Bonjour\n=1+1", "退款", external_id="conv_1", title="Refund", remark="late"
    )

    line = json.loads(text_of(jsonl.write, thread))

    assert (line["id"], line["title"], line["remark"]) == ("conv_1", "Refund", "late")
    assert [(row["role"], row["content"]) for row in line["messages"]] == [
        ("user", "Bonjour\n=1+1"),
        ("assistant", "退款"),
    ]
    assert "usage" not in line["messages"][0]


def test_it_gives_back_what_a_file_brought_as_the_file_said_it() -> None:
    thread = make_thread(external_id="conv_1")
    call = {"role": "assistant", "content": "", "tool_calls": [{"id": "c", "function": {}}]}
    add_source(make_message(thread, "search({})", remote_id="m1"), raw=json.dumps(call))

    line = json.loads(text_of(jsonl.write, thread))

    sent = "2026-03-01T12:01:00+00:00"
    assert line["messages"] == [{"id": "m1", **call, "created_at": sent}]


def test_it_keeps_attachments_and_annotations_as_parts() -> None:
    thread = make_thread()
    note = {"type": "url_citation", "url": "https://example.org"}
    parts: list[dict[str, object]] = [
        {"kind": "text", "text": "see", "annotations": [note]},
        {"kind": "image", "file_id": "file-1"},
    ]
    add_source(make_message(thread, "see"), parts=parts)

    line = json.loads(text_of(jsonl.write, thread))

    assert line["messages"][0]["content"] == [
        {"type": "text", "text": "see", "annotations": [note]},
        {"type": "image", "file_id": "file-1"},
    ]


def test_it_masks_texts_and_leaves_ids() -> None:
    thread = make_sourced("mail me@example.org", external_id="+49 30 901820")

    line = json.loads(text_of(jsonl.write, thread, masked=True))

    assert line["messages"][0]["content"] == "mail [e-mail]"
    assert line["id"] == "+49 30 901820"


def test_it_writes_markdown_with_the_texts_unchanged() -> None:
    thread = make_sourced("# not a title\n\n| a |\n|---|", "*ok*", title="Re\nfund | x")

    text = text_of(markdown.write, thread)

    assert text.startswith("# Re fund | x\n")
    assert "\n# not a title\n\n| a |\n|---|\n" in text
    assert "## 2. Assistant — 2026-03-01 12:02 UTC" in text


def test_it_says_what_was_removed_and_what_is_attached() -> None:
    thread = make_thread()
    removed = datetime(2026, 4, 1, 8, 0, tzinfo=UTC)
    message = make_message(thread, "gone", removed_at=removed)
    add_source(message, parts=[{"kind": "image", "file_id": "file-1"}])

    text = text_of(markdown.write, thread)

    assert "*Removed at the source, seen 2026-04-01 08:00 UTC*" in text
    assert "[image: file-1]" in text


def test_it_writes_a_page_that_asks_nobody_for_anything() -> None:
    hostile = (
        "<script>x()</script> ![a](https://example.org/?leak)"
        " <img src=x onerror=y> [b](javascript:z) [c](https://example.org/)"
    )
    thread = make_sourced(hostile, title='"><script>t()</script>', remark="<b>")

    page = text_of(html.write, thread, title="</title><script>")

    tree = html5lib.parse(page, namespaceHTMLElements=False)
    tags = {element.tag for element in tree.iter()}
    assert not tags & {"script", "img", "iframe", "link", "object", "form"}
    assert "default-src 'none'" in page
    links = [element.get("href") for element in tree.iter("a")]
    assert links == ["https://example.org/"]


def test_it_writes_calls_and_very_long_messages_whole_and_as_they_are() -> None:
    thread = make_thread()
    call, long = '{"a": "*b* <i>"}', "word " * 60_000 + "end"
    add_source(make_message(thread, call, kind=Message.Kind.TOOL_CALL))
    add_source(make_message(thread, long, position=2))

    page = text_of(html.write, thread)

    tree = html5lib.parse(page, namespaceHTMLElements=False)
    assert [element.text for element in tree.iter("pre")] == [call, long]


def test_it_writes_several_threads_into_one_page() -> None:
    page = text_of(html.write, make_sourced("one"), make_sourced("two"))

    tree = html5lib.parse(page, namespaceHTMLElements=False)
    assert len(list(tree.iter("section"))) == 2
