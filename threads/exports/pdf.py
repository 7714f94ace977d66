"""PDF: every thread begins a page, with a head for each message; several have a contents page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO

from django.utils.html import escape
from django.utils.translation import gettext as _

from projects.models import Project
from threadhub.lib import pdf
from threadhub.lib.pdf.blocks import blocks, code, heading, paragraphs
from threads import content
from threads.exports import headings
from threads.exports.base import ExportCancelled, Options, Write, Written, too_much
from threads.exports.masking import mask
from threads.exports.pictures import Attached, Pictures
from threads.exports.records import ThreadRecord
from threads.models import Message

# Points: an image fills half a page at most, and is not blown up.
_WIDEST, _TALLEST, _POINTS_A_PIXEL = 480, 360, 0.75
_LONGEST_FACT = 600  # characters in a cell, which must fit on a page


def _attached(found: Attached) -> str:
    line = escape(content.visible(found.line))
    if found.picture is None:
        return f'<p class="quiet">{line}</p>'
    scale = min(_POINTS_A_PIXEL, _WIDEST / found.picture.width, _TALLEST / found.picture.height)
    size = (
        f"width: {found.picture.width * scale:.0f}pt; height: {found.picture.height * scale:.0f}pt"
    )
    return f'<p><img src="{found.picture.address}" alt="{line}" style="{size}"/></p>'


def _message(message: Message, project: Project, options: Options, pictures: Pictures) -> str:
    who = _one_line(headings.speaker(message))
    when = headings.moment(message.created_at, options.zone)
    place = f"{message.position} · {when}" if when else str(message.position)
    place = f'<span class="quiet">{escape(place)}</span>'
    made = [f'<div class="head {message.role}"><b>{who}</b> {place}</div>']
    made += [f"<p><i>{escape(note)}</i></p>" for note in headings.notes(message, options.zone)]
    text = mask(message.text) if options.masked else message.text
    if len(text) <= content.MAX_MARKDOWN and message.kind == Message.Kind.MESSAGE:
        made.append(blocks(content.markdown(text), source=content.visible(text)))
    else:
        made.extend(code(content.visible(text)))
    found = pictures.of(project, message, masked=options.masked)
    made += [_attached(each) for each in found]
    return "".join(made)


def _one_line(text: str) -> str:
    return escape(" ".join(content.visible(text).split()))


def _facts(record: ThreadRecord, options: Options) -> Iterator[str]:
    """Yield a table of what is known of a thread, and below it what is long, such as a remark."""
    facts = headings.facts(record, masked=options.masked, zone=options.zone)
    is_long = [len(value) > _LONGEST_FACT or "\n" in value.strip() for _label, value in facts]
    rows = (
        f'<tr><td class="label">{escape(label)}</td><td>{_one_line(value)}</td></tr>'
        for (label, value), apart in zip(facts, is_long, strict=True)
        if not apart
    )
    yield f'<table class="facts">{"".join(rows)}</table>'
    for (label, value), apart in zip(facts, is_long, strict=True):
        if apart:
            yield f'<p class="quiet">{escape(label)}</p>'
            yield from paragraphs(content.visible(value))


def _thread(record: ThreadRecord, options: Options, pictures: Pictures) -> Iterator[dict[str, Any]]:
    title = " ".join(content.visible(headings.title(record, masked=options.masked)).split())
    yield {"start": title}
    yield {"html": f"{heading(title)}{''.join(_facts(record, options))}"}
    for message in record.messages:
        yield {"html": _message(message, record.thread.project, options, pictures)}


def _lines(
    records: Iterable[ThreadRecord], options: Options, written: Written
) -> Iterator[dict[str, Any]]:
    pictures = Pictures()
    for record in records:
        yield from _thread(record, options, pictures)
        written.threads += 1
        written.messages += len(record.messages)
    yield {
        "finish": {
            "title": options.title,
            "contents": _("Contents"),
            "page": _("%(page)d of %(pages)d"),
            "missing": _("%(count)d characters have no sign in the fonts and are shown as ▯."),
        }
    }


def _write(
    layouts: pdf.Layouts, records: Iterable[ThreadRecord], target: BinaryIO, options: Options
) -> Written:
    written = Written()
    try:
        layouts.lay_out(_lines(records, options, written), target, progress=options.progress)
    except pdf.LayoutStopped as stop:
        raise ExportCancelled from stop
    except pdf.LayoutError as error:
        raise too_much(str(error)) from error
    written.rows = written.messages
    return written


@contextmanager
def opened() -> Iterator[Write]:
    """Give a `write` for many PDFs, which start the process of the layout once."""
    with pdf.Layouts() as layouts:
        yield partial(_write, layouts)


def write(records: Iterable[ThreadRecord], target: BinaryIO, options: Options) -> Written:
    """Write one PDF. Not for a request: a long thread takes seconds.

    :raises ExportError: when it is too much for the limits of the layout.
    """
    with opened() as write_one:
        return write_one(records, target, options)
