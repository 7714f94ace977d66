"""A web page that needs nothing else: styles inside, no script, no request, printable."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.utils.html import escape
from django.utils.translation import get_language

from threads import content
from threads.exports import headings
from threads.exports.base import Options, Written
from threads.exports.masking import mask
from threads.exports.pictures import Attached, Pictures
from threads.exports.records import ThreadRecord
from threads.models import Message


@lru_cache(maxsize=1)
def _style() -> str:
    own = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    code = Path(settings.BASE_DIR) / "static" / "threadhub" / "pygments.css"
    return own + code.read_text(encoding="utf-8")


def _head(title: str) -> str:
    # The page may be opened from a disk, where no server sends a policy: it brings its own.
    return (
        f'<!doctype html>\n<html lang="{escape(get_language() or "en")}"><head>'
        '<meta charset="utf-8"><meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{escape(title)}</title><style>{_style()}</style></head><body>\n"
    )


def _attached(found: Attached) -> str:
    line = escape(content.visible(found.line))
    if found.picture is None:
        return f"<p>{line}</p>"
    size = f'width="{found.picture.width}" height="{found.picture.height}"'
    return f'<p><img src="{found.picture.address}" alt="{line}" {size}></p>'


def _text(text: str, kind: str) -> str:
    """Return what a message says: Markdown as such; calls, outputs and what is very long as it is.

    A page of the archive cuts a long message, which would take a browser seconds; a file is whole.
    """
    if kind == Message.Kind.MESSAGE and len(text) <= content.MAX_MARKDOWN:
        return str(content.markdown(text))
    return f"<pre>{escape(content.visible(text))}</pre>"


def _thread(record: ThreadRecord, options: Options, pictures: Pictures) -> str:
    title = content.plain(headings.title(record, masked=options.masked))
    made = [f'<section id="t-{record.thread.pk}"><h1>{escape(title)}</h1><dl>']
    for label, value in headings.facts(record, masked=options.masked, zone=options.zone):
        made.append(f"<dt>{escape(label)}</dt><dd>{escape(content.visible(value))}</dd>")
    made.append("</dl>")
    for message in record.messages:
        text = mask(message.text) if options.masked else message.text
        when = headings.moment(message.created_at, options.zone)
        made.append(
            f'<article class="{message.role}" id="t-{record.thread.pk}-m-{message.position}">'
            f"<header><strong>{escape(content.plain(headings.speaker(message)))}</strong>"
            f"<span>{message.position}</span><time>{escape(when)}</time></header>"
        )
        made += [
            f"<p><em>{escape(note)}</em></p>" for note in headings.notes(message, options.zone)
        ]
        made.append(_text(text, message.kind))
        found = pictures.of(record.thread.project, message, masked=options.masked)
        made += [_attached(each) for each in found]
        made.append("</article>")
    made.append("</section>\n")
    return "".join(made)


def write(records: Iterable[ThreadRecord], target: BinaryIO, options: Options) -> Written:
    """Write one page that holds all threads."""
    written = Written()
    target.write(_head(options.title).encode())
    pictures = Pictures()
    for record in records:
        target.write(_thread(record, options, pictures).encode("utf-8", "replace"))
        written.threads += 1
        written.messages += len(record.messages)
    target.write(b"</body></html>\n")
    written.rows = written.messages
    return written
