#!/usr/bin/env python3
"""Whether texts that were made to break a PDF's layout end in time, small, and whole.

    python benchmarks/pdf_bombs.py [name …]

Lays out each text as an export does, in processes of its own, and takes the text out again with
pdftotext (poppler-utils). Prints CPU seconds of both processes, the peak of their resident memory
in MiB, pages, and how many characters are missing. Exits with 1 when one needs more than 15
seconds or the layout more than 1 GiB of addresses, or when a character is lost.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PDFTOTEXT = shutil.which("pdftotext") or "pdftotext"
SECONDS = 15
MEGABYTE = 1_000_000
WORDS = "The parcel was late, so the customer asks for a refund of the second invoice today. "
CHINESE = "客戶要求退款，請處理第二張發票；包裹今天還沒到。"
MIXED = "a\u4e2dб\ud55c\u0639\u05d0🙂"  # each sign from another font or writing direction


def filled(text: str, size: int) -> str:
    return (text * (size // len(text) + 1))[:size]


def table(rows: int, columns: int, cell: str) -> str:
    row = "|" + f"{cell}|" * columns
    return "\n".join([row, "|" + "-|" * columns, *[row] * rows])


def nested_list(depth: int) -> str:
    return "\n".join(f"{'  ' * level}- level {level}" for level in range(depth))


def is_plain(sign: str) -> bool:
    """Whether a sign is read out as itself: not a joined form, and not of a mirrored pair."""
    return unicodedata.normalize("NFKC", sign) == sign and not unicodedata.mirrored(sign)


def every_sign() -> str:
    found = (chr(code) for code in range(0x21, 0x20000))
    shown = [sign for sign in found if unicodedata.category(sign)[0] in "LNPS" and is_plain(sign)]
    return "\n".join("".join(shown[at : at + 60]) for at in range(0, len(shown), 60))


# What a message says. Up to 100,000 characters it is Markdown.
MESSAGES: dict[str, Callable[[], str]] = {
    "a paragraph of 1 MB": lambda: filled(WORDS, MEGABYTE),
    "a paragraph of 99 kB": lambda: filled(WORDS, 99_000),
    "a Chinese paragraph of 1 million": lambda: filled(CHINESE, MEGABYTE),
    "a Chinese paragraph of 99,000": lambda: filled(CHINESE, 99_000),
    "a word of 1 MB": lambda: filled("W", MEGABYTE),
    "a word of 99 kB": lambda: filled("W", 99_000),
    "99,000 emoji": lambda: filled("🙂👍🚀", 99_000),
    "an Arabic paragraph": lambda: filled("تأخر الطرد ويطلب العميل استرداد المبلغ. ", 99_000),
    "another font for each sign": lambda: filled(MIXED, 99_000),
    "every sign there is": every_sign,
    "100,000 accents on a letter": lambda: "a" + "\u0301" * 99_000,
    "zero-width and direction marks": lambda: filled("a\u200b\u200d\u202e\u2067", 99_000),
    "controls and half surrogates": lambda: filled("a\x00\x1b\ud800\ufffe", 99_000),
    "a megabyte of spaces": lambda: "a" + " " * MEGABYTE + "b",
    "99,000 spaces and tabs": lambda: "a" + " \t" * 49_000 + "b",
    "code of 10,000 lines": lambda: "```python\n" + "x = [1, 2]  # a line\n" * 10_000 + "```",
    "code of 4,000 lines, coloured": lambda: "```python\n" + "x = [1, 'b']  # c\n" * 4_000 + "```",
    "a line of code of 1 MB": lambda: "```\n" + filled("x = f(1) + ", MEGABYTE) + "\n```",
    "a line of code of 99 kB": lambda: "```\n" + filled("x = f(1) + ", 98_000) + "\n```",
    "2,000 blocks of code": lambda: "```\nx = 1\n```\n\n" * 2_000,
    "20,000 tiny paragraphs": lambda: "a\n\n" * 20_000,
    "20,000 tiny paragraphs, bold": lambda: "**a**\n\n" * 12_000,
    "49,000 line breaks": lambda: "a\n" * 49_000,
    "500,000 line breaks": lambda: "a\n" * 500_000,
    "16,000 bold words": lambda: "**a** " * 16_000,
    "20,000 code words": lambda: "`a` " * 20_000,
    "emphasis in emphasis": lambda: "*a **b " * 14_000,
    "30,000 stars": lambda: "*" * 30_000 + "a" + "*" * 30_000,
    "90,000 brackets": lambda: "[" * 90_000,
    "5,000 links": lambda: "[a](https://example.org/b) " * 3_700,
    "a link of 50 kB": lambda: f"[a](https://example.org/{'b' * 50_000})",
    "3,000 images by address": lambda: "![a](https://example.org/b.png) " * 3_000,
    "10,000 quotes in quotes": lambda: ">" * 10_000 + " a",
    "15 quotes in quotes, 500 times": lambda: (">" * 15 + " a\n\nb\n\n") * 500,
    "20,000 quotes": lambda: "> a\n\nb\n\n" * 10_000,
    "lists 300 deep": lambda: nested_list(300),
    "lists 15 deep, 200 times": lambda: "\n\ntext\n\n".join([nested_list(15)] * 200),
    "a list of 24,000": lambda: "- a\n" * 24_000,
    "a list of 1,900": lambda: "- a word\n" * 1_900,
    "15 lists of 1,900": lambda: "\n\ntext\n\n".join(["- a\n" * 1_500] * 15),
    "a list from 999,999,999 on": lambda: "\n".join(
        f"{number}. a" for number in range(999_990_000, 999_998_000)
    ),
    "16,000 headings": lambda: "# a\n\n" * 16_000,
    "16,000 rules": lambda: "a\n\n***\n\n" * 11_000,
    "a table of 1,000 columns": lambda: table(20, 1_000, "a"),
    "a table of 14 columns, 2,500 rows": lambda: table(2_500, 14, "ab"),
    "a table of 16,000 rows": lambda: table(16_000, 1, "abc"),
    "a table of 24 kB cells": lambda: table(1, 2, filled(WORDS, 24_000).strip()),
    "a table of 590-character cells": lambda: table(10, 14, filled(WORDS, 590).strip()),
    "1,500 tables": lambda: "\n\ntext\n\n".join([table(1, 3, "abc")] * 1_500),
    "formulas": lambda: "$$" + filled(r"\frac{a_1}{b} ", 1_900) + "$$ " + r"\(x_1\) " * 9_000,
    "entities": lambda: "&amp;&#x1F600;&lt; " * 5_000,
    "tags as text": lambda: "<b><i style='font-size:99999pt'>" * 3_000,
}

# What no message becomes, as if the sanitiser had let it through.
MARKUP: dict[str, Callable[[], str]] = {
    "colspan=100000000": lambda: "<table><tr><td colspan='100000000'>a</td><td>b</td></tr></table>",
    "rowspan=100000000": lambda: "<table><tr><td rowspan='100000000'>a</td><td>b</td></tr></table>",
    "font-size:99999pt": lambda: "<p style='font-size:99999pt'>a</p><p>b</p>",
    "sizes in attributes": lambda: "<table width='9e9' cellpadding='99999999'><tr><td>a</table>",
    "boxes 20,000 deep": lambda: "<div>" * 20_000 + "a",
    "bold 20,000 deep": lambda: "<p>" + "<b>" * 20_000 + "a",
    "tables 500 deep": lambda: "<table><tr><td>a" * 500,
    "50,000 spans": lambda: "<p>" + "<span>a</span>" * 50_000,
    "code of 20,000 spans": lambda: "<pre>" + "<span class='k'>a</span> " * 20_000,
    "20,000 page breaks": lambda: "<p style='page-break-before:always'>a</p>" * 2_000,
    "a picture that is none": lambda: "<img src='data:image/svg+xml,<svg width=\"0\">'/><p>a</p>",
    "a colour to compute": lambda: f"<p style='color:rgb({'1' * 50_000})'>a</p>",
}


def record(text: str, **fields: Any) -> Any:
    """Return a thread of one message that no database knows."""
    from projects.models import Project
    from threads.exports.records import ThreadRecord
    from threads.models import Message, MessageSource, Thread

    tags = fields.pop("tags", ())
    parts = fields.pop("parts", [])
    name = fields.pop("name", "")
    thread = Thread(external_id="thread", **fields)
    thread.project = Project(name="Bombs")
    message = Message(position=1, role="user", text=text, name=name)
    message.source = MessageSource(message=message, parts=parts)
    return ThreadRecord(thread=thread, tags=tuple(tags), messages=[message])


def picture() -> str:
    """Return an image that is no two times the same, as an address of data."""
    import base64

    from PIL import Image

    target = io.BytesIO()
    Image.frombytes("RGB", (64, 64), os.urandom(12_288)).save(target, "PNG")
    return f"data:image/png;base64,{base64.b64encode(target.getvalue()).decode()}"


# What threads say beside their messages.
THREADS: dict[str, Callable[[], list[Any]]] = {
    "a title of 20 kB": lambda: [record("a", title=filled(WORDS, 20_000))],
    "a remark of 1 MB": lambda: [record("a", remark=filled(WORDS, MEGABYTE))],
    "a remark of 500,000 lines": lambda: [record("a", remark="a\n" * 500_000)],
    "a name of 20 kB": lambda: [record("a", name=filled("W", 20_000))],
    "20,000 tags": lambda: [record("a", tags=[f"tag{number}" for number in range(20_000)])],
    "500 threads": lambda: [record("a", title=f"Thread {number}") for number in range(500)],
    "10,000 files": lambda: [record("a", parts=[{"kind": "file", "text": "b.txt"}] * 10_000)],
    "3,000 pictures": lambda: [record("a")],
}


def signs(text: str) -> Counter[str]:
    """Count what a reader sees: no spaces, no marks without a width, ligatures as letters."""
    flat = unicodedata.normalize("NFKC", text)
    return Counter(sign for sign in flat if unicodedata.category(sign)[0] in "LNPS")


def said(found: list[Any]) -> str:
    """Return what of these threads a reader must find beside the messages' texts."""
    return "".join(
        "".join([each.thread.title, each.thread.remark, *each.tags, each.messages[0].name])
        for each in found
    )


def put_in(name: str) -> tuple[Iterable[dict[str, Any]], str]:
    """Return the lines for the layout, and the text that must be found again."""
    from lxml import html

    from threadhub.lib.pdf.blocks import blocks
    from threads import content
    from threads.exports import pdf
    from threads.exports.base import Options, Written

    end = {"finish": {"title": "Bombs", "contents": "", "page": "", "missing": "%(count)d"}}
    if name in MARKUP:
        markup = MARKUP[name]()
        parser = html.HTMLParser(huge_tree=True)
        text = "".join(html.fragment_fromstring(markup, "div", parser=parser).itertext())
        return [{"start": ""}, {"html": blocks(markup, source=text)}, end], text
    if name == "3,000 pictures":
        shown = f'<p><img src="{picture()}" style="width: 48pt; height: 48pt"/></p>'
        return [{"start": ""}, *({"html": shown} for _ in range(3_000)), end], ""
    if name in THREADS:
        found = THREADS[name]()
        return list(pdf._lines(found, Options(), Written())), said(found)
    message = MESSAGES[name]()
    safe = content.markdown(message)
    text = "".join(html.fragment_fromstring(str(safe), "div").itertext())
    if len(message) > content.MAX_MARKDOWN:
        text = message
    return list(pdf._lines([record(message)], Options(), Written())), text


def bomb(name: str, answer: Any) -> None:
    """Run one and send what it took."""
    from threadhub.lib import pdf

    def used(who: int) -> float:
        usage = resource.getrusage(who)
        return usage.ru_utime + usage.ru_stime

    began = used(resource.RUSAGE_SELF)
    error = ""
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        lines, text = put_in(name)
        try:
            pdf.lay_out(lines, file)  # type: ignore[arg-type]
        except pdf.LayoutError as problem:
            error = str(problem)
        layout = used(resource.RUSAGE_CHILDREN)
        cpu = used(resource.RUSAGE_SELF) - began + layout
        own, child = (
            resource.getrusage(who).ru_maxrss // 1024
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        pages, lost, examples = 0, 0, ""
        if not error:
            file.flush()
            command = [PDFTOTEXT, "-raw", file.name, "-"]
            found = subprocess.run(command, capture_output=True, check=True).stdout.decode()
            pages = found.count("\f")
            missing = signs(text) - signs(found)
            lost = max(0, missing.total() - found.count("\u25af"))
            examples = "".join(sign for sign, _ in missing.most_common(20)) if lost else ""
    answer.send((cpu, layout, own, child, pages, lost, error or examples))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="all of them when none is given")
    chosen = parser.parse_args().names or [*MESSAGES, *MARKUP, *THREADS]
    os.environ.setdefault("THREADHUB_DATA_DIR", tempfile.gettempdir())
    os.environ["DJANGO_SETTINGS_MODULE"] = "threadhub.settings"
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()
    import_module("threads.exports.pdf")  # so that no bomb pays for it

    print(f"{'':38}{'CPU s':>7}{'layout':>7}{'MiB':>5}{'MiB':>5}{'pages':>7}{'lost':>8}")
    failed = 0
    forks = multiprocessing.get_context("fork")
    for name in chosen:
        receiver, sender = forks.Pipe(duplex=False)
        process = forks.Process(target=bomb, args=(name, sender))
        process.start()
        sender.close()
        try:
            cpu, layout, own, child, pages, lost, error = receiver.recv()
        except EOFError:
            cpu, layout, own, child, pages, lost, error = 0, 0, 0, 0, 0, 0, "died"
        process.join()
        is_bad = cpu > SECONDS or lost or error
        failed += bool(is_bad)
        print(
            f"{name:38}{cpu:7.1f}{layout:7.1f}{own:5}{child:5}{pages:7,}{lost:8,}"
            f"{'  FAILED ' + error if is_bad else ''}",
            flush=True,
        )
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
