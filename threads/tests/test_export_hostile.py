"""What strangers write into messages asks nobody for anything and reads no file."""

from __future__ import annotations

import io
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import html5lib
import pytest
from pypdf import PdfReader

from threadhub.lib import pdf as layout
from threads.exports import html, markdown, pdf
from threads.exports.base import Options, Write
from threads.exports.records import records
from threads.models import MessageSource, Thread
from threads.tests.factories import make_conversation

pytestmark = pytest.mark.django_db

CANARY = "the canary that nobody may read"


class Listener:
    """A server on this machine that notes who connects."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                connection, peer = self._server.accept()
            except TimeoutError:
                continue
            self.asked.append(peer)
            connection.close()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._server.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    path = tmp_path / "canary.txt"
    path.write_text(CANARY)
    return path


def vectors(listener: Listener, canary: Path) -> list[str]:
    """Each way in which a page can load something, to each place that must not be asked."""
    places = [
        f"http://{listener.address}/a.png",
        f"//{listener.address}/a.png",
        f"http://localhost:{listener.address.rpartition(':')[2]}/",
        "http://169.254.169.254/latest/meta-data/",
        canary.as_uri(),
        str(canary),
        f"file://localhost{canary}",
        "data:text/css,p{}",
        "data:image/svg+xml,<svg/>",
        "manage.py",
        "../../etc/passwd",
    ]
    ways = [
        '<img src="{0}">',
        '<img srcset="{0} 2x">',
        '<link rel="stylesheet" href="{0}">',
        '<style>@import url("{0}");</style>',
        '<style>@font-face{{font-family:f;src:url("{0}")}} p{{font-family:f}}</style>',
        '<style>@page{{background-image:url("{0}")}}</style>',
        '<p style="background:url({0})">x</p>',
        '<iframe src="{0}"></iframe>',
        '<object data="{0}"></object>',
        '<embed src="{0}">',
        '<svg><image href="{0}"/><use xlink:href="{0}"/></svg>',
        '<input type="image" src="{0}">',
        '<video src="{0}" poster="{0}"></video>',
        '<body background="{0}">',
        '<table background="{0}"><tr><td background="{0}">x</td></tr></table>',
        '<pdf:font name="f" src="{0}"/>',
        '<pdf:template><pdf:frame background="{0}"/></pdf:template>',
        "![x]({0})",
        "[![x]({0})]({0})",
    ]
    return [way.format(place) for way in ways for place in places]


def make_hostile(*texts: str) -> Thread:
    thread = make_conversation(*texts, title=texts[0], remark=texts[-1])
    for number, message in enumerate(thread.messages.all()):
        parts = [{"kind": "image", "url": texts[number], "text": texts[number]}]
        MessageSource.objects.create(message=message, parts=parts)
    return thread


def written(write: Write, thread: Thread) -> bytes:
    target = io.BytesIO()
    write(records([thread.pk], with_source=True), target, Options())
    return target.getvalue()


def text_in(content: bytes) -> str:
    return "".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


def test_it_asks_nobody_when_a_message_of_a_pdf_wants_to(listener: Listener, canary: Path) -> None:
    thread = make_hostile(*vectors(listener, canary))

    text = text_in(written(pdf.write, thread))

    assert listener.asked == []
    assert CANARY not in text
    assert "meta-data" in re.sub(r"\s", "", text)  # shown as what was written


def test_it_asks_nobody_even_when_markup_comes_through(listener: Listener, canary: Path) -> None:
    # The layout alone, without the sanitiser before it: each wall must hold by itself.
    lines: list[dict[str, Any]] = [{"start": "Hostile"}, {"html": "<p>before</p>"}]
    known = ("<img", "<link", "<style>@import", "<style>@font-face", "<p ", "<iframe", "<object")
    given = [vector for vector in vectors(listener, canary) if vector.startswith(known)]
    lines += [{"html": vector} for vector in given if "svg" not in vector]
    finish = {"title": "t", "contents": "c", "page": "%(page)d", "missing": "%(count)d"}
    target = io.BytesIO()

    layout.lay_out([*lines, {"html": "<p>after</p>"}, {"finish": finish}], target)

    assert listener.asked == []
    text = text_in(target.getvalue())
    assert "before" in text
    assert CANARY not in text


def test_it_writes_pages_that_load_nothing(listener: Listener, canary: Path) -> None:
    page = written(html.write, make_hostile(*vectors(listener, canary)))

    tree = html5lib.parse(page, namespaceHTMLElements=False)
    assert listener.asked == []
    assert CANARY.encode() not in page
    loading = {"img", "link", "iframe", "object", "embed", "svg", "image", "use", "video", "input"}
    loading |= {"script", "base", "form", "audio", "source", "track", "frame", "portal"}
    assert {str(element.tag) for element in tree.iter()} & loading == set()
    asking = {"src", "srcset", "poster", "background", "style", "data", "action", "ping"}
    assert {name for element in tree.iter() for name in element.attrib} & asking == set()
    (style,) = tree.iter("style")
    assert not re.search(r"url\(|@import|@font-face", style.text or "")
    for link in tree.iter("a"):
        assert not link.get("href", "").startswith(("file:", "data:", "javascript:"))


def test_it_reads_no_file_for_markdown(listener: Listener, canary: Path) -> None:
    text = written(markdown.write, make_hostile(*vectors(listener, canary)))

    assert listener.asked == []
    assert CANARY.encode() not in text
