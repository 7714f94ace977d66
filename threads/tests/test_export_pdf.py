"""PDF files: every sign that went in can be read, and nothing in a message is obeyed."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus.paraparser import ParaFrag
from xhtml2pdf.reportlab_paragraph import Paragraph

from threadhub.lib import pdf as layout
from threadhub.lib.pdf import lines
from threadhub.lib.pdf.blocks import blocks, code
from threads.exports import pdf
from threads.exports.base import ExportCancelled, ExportError, Options
from threads.exports.records import records
from threads.models import MessageSource, Thread
from threads.tests.factories import make_conversation

pytestmark = pytest.mark.django_db


def make_sourced(*texts: str, **fields: Any) -> Thread:
    thread = make_conversation(*texts, **fields)
    for message in thread.messages.all():
        MessageSource.objects.create(message=message)
    return thread


def made(*threads: Thread, **options: Any) -> PdfReader:
    target = io.BytesIO()
    found = records([thread.pk for thread in threads], with_source=True)
    pdf.write(found, target, Options(**options))
    return PdfReader(target)


def signs(text: str) -> str:
    return re.sub(r"\s", "", text)


def text_of(document: PdfReader) -> str:
    return signs("".join(page.extract_text() for page in document.pages))


# Each PDF costs a process, so one document holds what several tests could have asked about.
def test_it_shows_every_script() -> None:
    texts = [
        "Straße, Zoë, ¿qué?, łódź, naïve – “quotes” … €",
        "Привет, мир. Ελληνικά.",
        "我想直接退款可以嗎？訂單 A-58213，「配送中」。",
        "注文番号がわかりません。カタカナと漢字。",
        "안녕하세요 환불해 주세요",
        "service 🙂 ok 👍",
        "`Ǥǆ˥ in code` and **𝖠 in bold**",
        "`error-401` and **bold** and *soft* → x ≤ y",
    ]

    shown = text_of(made(make_sourced(*texts, title="Scripts")))

    for text in texts:
        assert signs(text.replace("`", "").replace("*", "")) in shown


def test_it_shows_long_chinese_paragraphs_across_pages() -> None:
    text = "客戶要求退款 refund 請處理，" * 400

    document = made(make_sourced(text))

    assert len(document.pages) > 2
    assert text_of(document).count("客戶要求退款refund請處理") >= 395  # a page's foot cuts some


def test_it_loses_nothing_of_what_is_hard_to_lay_out() -> None:
    hard = {
        "Ω": ("Ω" * 20_000, 20_000),
        "Ψ": ("```\n" + "Ψ" * 5_000 + "\n```", 5_000),
        "Φ": ("|a|b|\n|-|-|\n" + "|Φ|Φ|\n" * 300, 600),
        "Ξ": ("|" + "Ξ|" * 40 + "\n|" + "-|" * 40 + "\n|" + "Ξ|" * 40, 80),
        "Λ": ("> " * 15 + "Λ", 1),
        "Σ": ("- Σ\n" * 500, 500),
        "Θ": ("**Θ** " * 1_000, 1_000),
        "Δ": ("Δ  \n" * 500, 500),
    }

    shown = text_of(made(make_sourced(*(text for text, _ in hard.values()), title="Hard")))

    lost = {
        sign: shown.count(sign) for sign, (_, count) in hard.items() if shown.count(sign) < count
    }
    assert lost == {}


def test_it_says_how_many_signs_it_cannot_show() -> None:
    document = made(make_sourced("ok \u0904\u0905"))

    assert "2charactershavenosigninthefonts" in text_of(document)


def test_it_lists_several_threads_and_numbers_the_pages() -> None:
    first, second = make_sourced("one", title="First"), make_sourced("two", title="第二")

    document = made(first, second, title="Two threads")

    contents = document.pages[0].extract_text()
    assert signs(contents).startswith("ContentsFirst2第二3")
    assert "3 of 3" in document.pages[2].extract_text()
    assert [entry.title for entry in document.outline] == ["First", "第二"]  # type: ignore[union-attr]
    assert document.metadata is not None
    assert document.metadata.title == "Two threads"


def test_it_finds_the_page_where_each_thread_begins() -> None:
    long = ["word " * 3_000] * 3
    titles = ["Long", "Longer", "Short", "\u200b", "Last"]
    threads = [make_sourced(*long, title=title) for title in titles[:2]]
    threads += [make_sourced("# One", title=title) for title in titles[2:]]

    document = made(*threads)

    for entry, title in zip(document.outline, titles, strict=True):
        page = document.pages[document.get_destination_page_number(entry) or 0]  # type: ignore[arg-type]
        assert signs(page.extract_text()).startswith(f"{title}Thread")


def test_it_masks_when_asked() -> None:
    document = made(make_sourced("me@example.org"), masked=True)

    assert "[e-mail]" in text_of(document)
    assert "me@example.org" not in text_of(document)


def test_it_says_when_it_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    little = partial(layout.Layouts, seconds=1, memory_bytes=64 << 20)
    monkeypatch.setattr(layout, "Layouts", little)

    with pytest.raises(ExportError, match="Choose fewer threads"):
        made(make_sourced("one"))


def test_it_stops_laying_out_when_nobody_wants_it_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A fast machine would be ready before it is asked a second time.
    monkeypatch.setattr(layout, "_ASK_EVERY", 0.01)
    thread = make_sourced("word " * 100_000)
    asked: list[int] = []

    def progress(done: int) -> bool:
        asked.append(done)
        return len(asked) < 2

    with pytest.raises(ExportCancelled):
        made(thread, progress=progress)

    assert asked == [0, 0]


def test_it_says_how_many_threads_are_laid_out() -> None:
    long = "word " * 18_000  # with its markup a quarter of what is laid out at once
    told: list[int] = []

    def progress(done: int) -> bool:
        told.append(done)
        return True

    made(*(make_sourced(long) for _ in range(9)), progress=progress)

    assert list(dict.fromkeys(told)) == list(range(9))  # the ninth with the file


def lines_of(text: str) -> list[dict[str, Any]]:
    finish = {"title": "t", "contents": "c", "page": "%(page)d", "missing": "%(count)d"}
    return [{"start": text}, {"html": f"<p>{text}</p>"}, {"finish": finish}]


def test_it_lays_out_several_documents_in_one_process_as_each_alone() -> None:
    texts = ["one ◌\U000e1234", "二 🙂", "three"]
    together, alone = [], []
    with layout.Layouts() as layouts:
        for text in texts:
            target = io.BytesIO()
            layouts.lay_out(lines_of(text), target)
            together.append(text_of(PdfReader(target)))

    for text in texts:
        target = io.BytesIO()
        layout.lay_out(lines_of(text), target)
        alone.append(text_of(PdfReader(target)))

    assert together == alone
    assert "three" in together[2]


def test_it_starts_one_process_for_several_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    real = subprocess.Popen

    def counting(*args: Any, **kwargs: Any) -> Any:
        started.append(real(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", counting)

    with pdf.opened() as write:
        for text in ("one", "two", "three"):
            found = records([make_sourced(text).pk], with_source=True)
            write(found, io.BytesIO(), Options())

    assert len(started) == 1
    assert started[0].returncode is not None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each document's own limits need fork")
def test_it_gives_each_document_limits_of_its_own() -> None:
    with layout.Layouts(seconds=1) as layouts:
        for _ in range(20):  # a tenth of a second each
            layouts.lay_out(lines_of("word " * 5_000), io.BytesIO())
        with pytest.raises(layout.LayoutError):
            layouts.lay_out(lines_of("word " * 90_000), io.BytesIO())
        target = io.BytesIO()
        layouts.lay_out(lines_of("after"), target)

    assert "after" in text_of(PdfReader(target))


def test_it_leaves_no_process_and_no_file_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(layout, "_ASK_EVERY", 0.01)

    with pytest.raises(layout.LayoutStopped):
        layout.lay_out(lines_of("word " * 90_000), io.BytesIO(), progress=lambda _done: False)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "plain words " * 60,
        "one",
        " leading, trailing and   many   spaces " * 20,
        "a\u00a0b solid\u00a0spaces stay " * 30,
    ],
)
def test_it_breaks_lines_where_xhtml2pdf_does(text: str) -> None:
    def broken(by: Any) -> list[tuple[float, int, str]]:
        style = ParagraphStyle("text", fontName="Helvetica", fontSize=9.5)
        found = by(paragraph_of(text, style), [300.0, 290.0])
        return [
            (round(line.extraSpace, 6), line.wordCount, "".join(word.text for word in line.words))
            for line in found.lines
        ]

    assert broken(lines.break_lines) == broken(lines.by_xhtml2pdf)


@pytest.mark.parametrize(
    "text",
    [
        "客戶要求退款 refund 請處理，「訂單」。" * 40,
        "（退款）、退款！" * 60,
        "注文番号がわかりません。カタカナと漢字。" * 30,
        "🙂👍" * 300,
    ],
)
def test_it_breaks_between_signs_but_not_inside_words(text: str) -> None:
    found = lines.break_lines(paragraph_of(text, ParagraphStyle("text", fontSize=10)), [300.0])

    made = ["".join(word.text for word in line.words) for line in found.lines]
    assert len(made) > 3
    assert signs("".join(made)) == signs(text)
    assert not [line for line in made if line[0] in "，。、！」）" or line[-1] in "「（"]
    assert sum(line.count("refund") for line in made) == text.count("refund")
    assert all(line.extraSpace > -0.01 for line in found.lines)


def test_it_cuts_a_word_that_is_longer_than_a_line() -> None:
    text = "short " + "W" * 300 + " tail"

    found = lines.break_lines(paragraph_of(text, ParagraphStyle("text", fontSize=10)), [300.0])

    made = ["".join(word.text for word in line.words) for line in found.lines]
    assert signs("".join(made)) == signs(text)
    assert made[-1].endswith(" tail")
    assert all(line.extraSpace > -0.01 for line in found.lines)


def paragraph_of(text: str, style: Any) -> Paragraph:
    """As xhtml2pdf makes them: with an empty fragment at the end."""
    kept = {name: getattr(style, name) for name in ("fontName", "fontSize", "textColor")}
    frags = [ParaFrag(text=part, splitLongWords=True, **kept) for part in (text, "")]
    paragraph = Paragraph(None, style, frags=frags)
    paragraph.width = 0  # as `wrap` leaves it before it breaks
    return paragraph


def test_it_cuts_markup_into_blocks_with_the_same_text() -> None:
    markup = "a<p>b</p><ul><li>c<p>d</p></li></ul>e<pre>f\n  g</pre><b>h</b>"

    made_blocks = blocks(markup, source="")

    assert re.sub(r"<[^>]*>|\s", "", made_blocks) == "abcdefgh"


def test_it_shows_thousands_of_elements_as_they_were_written() -> None:
    source = "\n".join(f"- item **{number}**" for number in range(2_500))
    items = "".join(f"<li>item <b>{number}</b></li>" for number in range(2_500))

    made_blocks = blocks(f"<ul>{items}</ul>", source=source)

    assert "<li>" not in made_blocks
    assert "-\u00a0item\u00a0**2499**" in made_blocks
    assert made_blocks.count("item") == 2_500


def test_it_runs_the_lines_of_endless_code_together() -> None:
    made_blocks = "".join(code("a\n" * 60_000))

    assert made_blocks.count("a") == 60_000
    assert made_blocks.count("\n") < 3_000
    assert "a⏎\u00a0a⏎" in made_blocks


def test_it_colours_no_code_and_counts_no_colours() -> None:
    coloured = "<span class='k'>x</span> " * 5_000

    assert "y" not in blocks(f"<pre>{coloured}</pre>", source="y")


def test_it_takes_off_what_says_how_large_something_is() -> None:
    markup = "<p style='font-size:99999pt'><a href='b' width='9e9'>a</a></p>"

    assert blocks(markup, source="") == '<p><a href="b">a</a></p>'


@pytest.mark.parametrize("tag", ["p", "h3"])
def test_it_writes_from_right_to_left_what_begins_so(tag: str) -> None:
    arabic, mixed = f"<{tag}>1. \u0633\u0644\u0627\u0645</{tag}>", f"<{tag}>a \u05e9\u05dc</{tag}>"

    assert blocks(arabic, source="") == f'<div dir="rtl">{arabic}</div>'
    assert blocks(mixed, source="") == mixed


def test_it_writes_items_and_cells_from_right_to_left() -> None:
    made_blocks = blocks(
        "<ul><li><b>\u0633</b></li></ul><table><tr><td>\u05e9</td><td>a</td></tr></table>",
        source="",
    )

    assert '<li><div dir="rtl"><b>\u0633</b></div></li>' in made_blocks
    assert '<td><div dir="rtl">\u05e9</div></td><td>a</td>' in made_blocks


def test_it_joins_arabic_letters_in_code() -> None:
    document = made(make_sourced("```\n\u0633\u0644\u0627\u0645\n```"))

    shown = text_of(document)
    assert "\u0633" not in shown  # the letter alone
    assert "\ufeb3" in shown  # the letter that begins a word
