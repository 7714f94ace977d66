"""The process that lays out PDFs: `python -m threadhub.lib.pdf.worker <memory> <seconds> <folder>`.

For each line of standard input it reads the folder's file `said`, one JSON object a line, and
writes the PDF into `made`. On standard output it says how many threads it has laid out, and at the
end "made" or "failed". It has no Django, no network, no files but these and its fonts, and hard
limits on memory, time and output: what it lays out was written by strangers. The objects are
{"start": title of a thread}, {"html": markup to append} and at the end
{"finish": {"title", "contents", "page", "missing"}}.
"""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

_OUTPUT = 512 << 20  # bytes
_STYLE = """
@page { size: A4; margin: 1.6cm 1.6cm 1.8cm 1.6cm }
body { font-family: th-text; font-size: 9.5pt; line-height: 1.35 }
h1 { font-size: 15pt; margin: 0 0 6pt 0 } h3 { font-size: 11.5pt } h4, h5, h6 { font-size: 10pt }
p, li, td, th, h1, h3, h4, h5, h6, a, div { overflow-wrap: anywhere }
p { margin: 0 0 4pt 0 }
h1, h3, h4, h5, h6 { -pdf-outline: false }
p.next { page-break-before: always }
p.start { font-size: 1pt; line-height: 1; margin: 0; -pdf-outline: true; -pdf-level: 0 }
pre, code { font-family: th-code; font-size: 7.6pt }
pre { background-color: #f2f4f7; padding: 4pt; white-space: pre-wrap; overflow-wrap: anywhere }
table { margin: 2pt 0 6pt 0 }
td, th { border: 0.4pt solid #9ca3af; padding: 3pt 4pt; text-align: left }
th { background-color: #f2f4f7 }
table.facts td { border: none; padding: 0.5pt 4pt 0.5pt 0; font-size: 8.5pt }
td.label { color: #5b6472; width: 25mm }
table.contents td { border: none; border-bottom: 0.4pt solid #e5e7eb; padding: 3.5pt 0 }
td.page { width: 14mm; text-align: right }
blockquote { margin: 0 0 4pt 8pt; color: #374151 }
div.head { margin: 9pt 0 3pt 0; padding: 2.5pt 5pt; font-size: 8.5pt;
  border-left: 3pt solid #9ca3af; background-color: #f7f8fa; -pdf-keep-with-next: true }
div.user { border-left-color: #4f46e5 } div.assistant { border-left-color: #0f766e }
div.tool { border-left-color: #b45309 }
.quiet { color: #5b6472 }
"""
_FOOT = 420  # points of the title at the foot of a page, before its number
_PAGES_AT_ONCE_BYTES = 400_000  # of markup; some hundred messages


def _deny(*_: Any, **__: Any) -> NoReturn:
    raise OSError("The PDF worker has no network.")


def limit(memory_bytes: int, seconds: int) -> None:
    """Bound this process. Windows has no such limits; there the caller's time-out has to do."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 2))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_OUTPUT, _OUTPUT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def cut_off() -> None:
    import socket

    socket.socket.connect = _deny  # type: ignore[method-assign]
    socket.getaddrinfo = _deny
    socket.create_connection = _deny


@dataclass(slots=True)
class Document:
    """Pages so far, and where each thread begins."""

    writer: Any
    say: Callable[[str], None]
    starts: list[tuple[str, int]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)  # titles of threads that begin in `pending`
    pending: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, markup: str) -> None:
        self.pending.append(markup)
        self.size += len(markup)
        if self.size > _PAGES_AT_ONCE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Lay out what is pending: many threads at once, for each start of a layout takes 40 ms."""
        if self.pending:
            before = len(self.writer.pages)
            with self.counting():
                laid_out = self.laid_out("".join(self.pending))
            for title, entry in zip(self.waiting, laid_out.outline, strict=True):
                page = laid_out.get_destination_page_number(entry)
                self.starts.append((title, before + page))
            for page in laid_out.pages:
                self.writer.add_page(page)
        self.waiting, self.pending, self.size = [], [], 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Say when a thread begins how many came before it: those are laid out."""
        from reportlab.pdfgen.canvas import Canvas

        add_entry, done = Canvas.addOutlineEntry, len(self.starts)

        def counted(*args: Any, **kwargs: Any) -> None:
            nonlocal done
            add_entry(*args, **kwargs)
            self.say(str(done))
            done += 1

        Canvas.addOutlineEntry = counted
        try:
            yield
        finally:
            Canvas.addOutlineEntry = add_entry

    def start(self, title: str) -> None:
        # The outline of a layout tells on which pages these paragraphs are.
        next_page = " next" if self.pending else ""
        self.pending.append(f'<p class="start{next_page}">&nbsp;</p>')
        self.waiting.append(title)

    @staticmethod
    def laid_out(body: str) -> Any:
        """Return the pages of `body`."""
        from pypdf import PdfReader
        from xhtml2pdf import pisa
        from xhtml2pdf.config.resources import ResourceAccessPolicy

        target = io.BytesIO()
        status = pisa.CreatePDF(
            f"<html><head><style>{_STYLE}</style></head><body>{body}</body></html>",
            dest=target,
            encoding="utf-8",
            resource_policy=ResourceAccessPolicy.server(
                None, allow_remote=False, max_render_seconds=None
            ),
            link_callback=lambda _uri, _relative: "",
        )
        if status.err:
            raise RuntimeError(f"xhtml2pdf reported {status.err} errors")
        return PdfReader(target)


def _contents(document: Document, heading: str) -> list[Any]:
    """Return the pages of the table of contents; they move the numbers they show, so try twice."""
    length = 1
    while True:
        rows = [
            f'<tr><td>{escape(title)}</td><td class="page">{start + length + 1}</td></tr>'
            for title, start in document.starts
        ]
        tables = [
            f"<table class='contents'>{''.join(rows[begin : begin + 100])}</table>"
            for begin in range(0, len(rows), 100)
        ]
        pages = list(document.laid_out(f"<h1>{escape(heading)}</h1>{''.join(tables)}").pages)
        if len(pages) <= length:
            return pages
        length = len(pages)


def _stamp(writer: Any, fonts: Any, title: str, page_word: str) -> None:
    """Write title and page number at the foot of each page.

    Each foot becomes a drawing of its own that its page calls. pypdf's `merge_page` would compare
    and rename all that the two pages use, which took a fifth of the time of a whole document.
    """
    from pypdf import PdfReader
    from pypdf.generic import ArrayObject, DecodedStreamObject, DictionaryObject, NameObject
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    count = len(writer.pages)
    feet = io.BytesIO()
    canvas = Canvas(feet, pagesize=A4)
    runs = _fitting(title, fonts)
    for number in range(1, count + 1):
        canvas.setFillGray(0.4)
        x = 45.0
        for text, font in runs:
            canvas.setFont(font, 7.5)
            canvas.drawString(x, 26, text)
            x += canvas.stringWidth(text, font, 7.5)
        canvas.setFont("th-text", 7.5)
        canvas.drawRightString(A4[0] - 45, 26, page_word % {"page": number, "pages": count})
        canvas.showPage()
    canvas.save()
    before, after = DecodedStreamObject(), DecodedStreamObject()
    before.set_data(b"q ")
    after.set_data(b" Q q /Foot Do Q")
    before, after = writer._add_object(before), writer._add_object(after)
    drawn: Any = PdfReader(feet).pages
    fonts_of_feet = drawn[0]["/Resources"].clone(writer)["/Font"].indirect_reference
    for page, foot in zip(writer.pages, drawn, strict=True):
        drawing = DecodedStreamObject()
        drawing.set_data(foot.get_contents().get_data())
        drawing.update(
            {
                NameObject("/Type"): NameObject("/XObject"),
                NameObject("/Subtype"): NameObject("/Form"),
                NameObject("/BBox"): foot.mediabox,
                NameObject("/Resources"): DictionaryObject({NameObject("/Font"): fonts_of_feet}),
            }
        )
        resources = page["/Resources"].get_object()
        drawings = resources.setdefault(NameObject("/XObject"), DictionaryObject()).get_object()
        drawings[NameObject("/Foot")] = writer._add_object(drawing)
        page[NameObject("/Contents")] = ArrayObject([before, page.raw_get("/Contents"), after])


def _fitting(title: str, fonts: Any) -> list[tuple[str, str]]:
    """Return as much of `title` as the foot has room for, in runs with their fonts."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    for length in range(len(title), -1, -1):
        shown = title if length == len(title) else title[:length] + "…"
        runs: list[tuple[str, str]] = fonts.runs(shown, "th-text")
        if sum(stringWidth(text, font, 7.5) for text, font in runs) <= _FOOT:
            return runs
    return []


def prepare() -> Any:
    """Load all that any document needs, and return the fonts."""
    # Not needed for text and pictures: drawings in SVG, and locked files. Both libraries do
    # without, start a sixth sooner, and what is not there cannot be attacked.
    sys.modules.update({"svglib": None, "cryptography": None})  # type: ignore[dict-item]
    import pypdf  # noqa: F401
    import reportlab.pdfgen.canvas  # noqa: F401
    from reportlab import rl_config
    from xhtml2pdf import pisa  # noqa: F401

    from threadhub.lib.pdf import lines as paragraph_lines
    from threadhub.lib.pdf.fonts import Fonts

    rl_config.useA85 = 0  # letters for bytes, which only mail of the last century needed
    paragraph_lines.install()
    fonts = Fonts()
    fonts.install()
    return fonts


def run(lines: Any, target: BinaryIO, fonts: Any, say: Callable[[str], None]) -> None:
    """Lay out what `lines` say and write the PDF to `target`."""
    from pypdf import PdfWriter

    fonts.missing.clear()
    document = Document(writer=PdfWriter(), say=say)
    for line in lines:
        said = json.loads(line)
        if "start" in said:
            document.start(said["start"])
        elif "html" in said:
            document.add(said["html"])
        else:
            finish = said["finish"]
            break
    else:
        raise RuntimeError("The input ended too early.")
    document.flush()
    missing = sum(fonts.missing.values())
    if missing:
        document.add(f'<p class="quiet">{escape(finish["missing"] % {"count": missing})}</p>')
    document.flush()
    writer = document.writer
    shift = 0
    if len(document.starts) > 1:
        contents = _contents(document, finish["contents"])
        shift = len(contents)
        for index, page in enumerate(contents):
            writer.insert_page(page, index)
    _stamp(writer, fonts, finish["title"], finish["page"])
    for title, start in document.starts:
        writer.add_outline_item(title=title, page_number=start + shift)
    writer.add_metadata({"/Title": finish["title"], "/Producer": "ThreadHub"})
    writer.write(target)


def _say(event: str) -> None:
    sys.stdout.write(f"{event}\n")
    sys.stdout.flush()


def _one(folder: Path, fonts: Any) -> bool:
    """Lay out the document that lies in `folder`; False when it could not be."""
    try:
        with (folder / "said").open("rb") as said, (folder / "made").open("wb") as made:
            run(said, made, fonts, _say)
    except Exception:  # noqa: BLE001 - whatever it is, the last line says what
        traceback.print_exc()
        return False
    return True


def _one_apart(folder: Path, fonts: Any) -> bool:
    """Do so in a process of its own: the limits begin anew, and all it has done ends with it."""
    if not hasattr(os, "fork"):
        return _one(folder, fonts)
    child = os.fork()
    if child == 0:
        is_made = False
        try:
            is_made = _one(folder, fonts)
            sys.stderr.flush()
        finally:
            os._exit(0 if is_made else 1)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        sys.stderr.write(f"ended by signal {os.WTERMSIG(status)}\n")
        sys.stderr.flush()
    return status == 0


def main() -> None:
    memory_bytes, seconds, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    logging.disable(logging.CRITICAL)  # texts of strangers; xhtml2pdf puts them into warnings
    limit(memory_bytes, seconds)
    cut_off()
    fonts = prepare()
    for number, _ in enumerate(sys.stdin):
        if number == 1:  # there are several: each would load them anew
            fonts.load_all()
        _say("made" if _one_apart(folder, fonts) else "failed")
    # Nobody asks any more. Whoever asked removes the folder, unless they were killed.
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
