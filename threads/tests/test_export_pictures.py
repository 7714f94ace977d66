"""Images in documents: ours alone, decoded and written anew."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import html5lib
import pytest
from PIL import Image
from pypdf import PdfReader
from pytest_django import Settings

from threads.attachments import keep_file
from threads.exports import html, pdf, pictures
from threads.exports.base import Options, Write
from threads.exports.records import records
from threads.models import MessageSource, Thread
from threads.sources.embedded import embedded_id
from threads.tests.factories import make_message, make_thread

pytestmark = pytest.mark.django_db

SECRET = b"a comment that must not leave"


@pytest.fixture(autouse=True)
def _own_folder(settings: Settings, tmp_path: Path) -> None:
    settings.THREADHUB_DATA_DIR = tmp_path


def image_of(form: str = "JPEG", size: tuple[int, int] = (40, 30), **saved: Any) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, (10, 200, 30)).save(target, form, **saved)
    return target.getvalue()


def make_pictured(*parts: dict[str, Any], raw: str = "", text: str = "see") -> Thread:
    thread = make_thread()
    message = make_message(thread, text)
    MessageSource.objects.create(message=message, parts=list(parts), raw=raw)
    return thread


def made(write: Write, thread: Thread, **options: Any) -> bytes:
    target = io.BytesIO()
    write(records([thread.pk], with_source=True), target, Options(**options))
    return target.getvalue()


def images_in(page: bytes) -> list[dict[str, str]]:
    tree = html5lib.parse(page, namespaceHTMLElements=False)
    return [dict(element.attrib) for element in tree.iter("img")]


def test_it_shows_an_image_that_is_kept_here() -> None:
    thread = make_pictured({"kind": "image", "file_id": "file-1", "text": "A parcel"})
    keep_file(thread.project, "file-1", image_of(comment=SECRET))

    (image,) = images_in(made(html.write, thread))
    (page, *_) = PdfReader(io.BytesIO(made(pdf.write, thread))).pages

    head, _, body = image["src"].partition(",")
    content = base64.b64decode(body)
    assert (head, image["alt"]) == ("data:image/jpeg;base64", "[image: A parcel]")
    assert SECRET not in content
    assert Image.open(io.BytesIO(content)).size == (40, 30)
    assert [found.image.size for found in page.images if found.image] == [(40, 30)]


def test_it_shows_an_image_that_stands_in_the_message() -> None:
    address = "data:image/png;base64," + base64.b64encode(image_of("PNG", (90, 90))).decode()
    identity = embedded_id(address)
    raw = json.dumps({"content": [{"image_url": {"url": address}}]})
    thread = make_pictured({"kind": "image", "file_id": identity}, raw=raw)

    (image,) = images_in(made(html.write, thread))

    assert (image["width"], image["alt"]) == ("90", "[image]")


@pytest.mark.parametrize(
    "part",
    [
        {"kind": "image", "url": "http://127.0.0.1:9/a.png"},
        {"kind": "image", "file_id": "file-unknown"},
        {"kind": "image", "file_id": "../../canary"},
        {"kind": "file", "file_id": "file-1"},
    ],
)
def test_it_names_what_it_does_not_have(part: dict[str, Any]) -> None:
    thread = make_pictured(part)

    page = made(html.write, thread)

    assert images_in(page) == []
    assert (part.get("url") or part["file_id"]) in page.decode()


def test_it_shows_no_image_that_a_text_asks_for() -> None:
    address = "data:image/png;base64," + base64.b64encode(image_of("PNG")).decode()
    thread = make_pictured(text=f'![a]({address}) <img src="{address}">')

    assert images_in(made(html.write, thread)) == []
    assert list(PdfReader(io.BytesIO(made(pdf.write, thread))).pages[0].images) == []


def test_it_hides_addresses_in_names_when_asked() -> None:
    thread = make_pictured({"kind": "file", "text": "for me@example.org.pdf"})

    assert b"me@example.org" not in made(html.write, thread, masked=True)


def test_it_makes_large_images_small_and_drops_what_is_none() -> None:
    large = pictures.rewritten(image_of(size=(4_000, 1_000)))

    assert large is not None
    assert (large.width, large.height) == (1_200, 300)
    assert pictures.rewritten(b"\x89PNG\r\n\x1a\nnothing") is None
    assert pictures.rewritten(b"<svg xmlns='http://www.w3.org/2000/svg'/>") is None
    assert pictures.rewritten(image_of("BMP")) is None


def test_it_does_not_decode_a_bomb() -> None:
    # The head of a PNG of 60,000 by 60,000 pixels: gigabytes, were it decoded.
    small = bytearray(image_of("PNG"))
    small[16:24] = (60_000).to_bytes(4, "big") * 2

    assert pictures.rewritten(bytes(small)) is None


def test_it_stops_at_its_share_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_MOST_WRITTEN_BYTES", 1_000)
    part = {"kind": "image", "file_id": "file-1"}
    thread = make_pictured(part, part, part)
    keep_file(thread.project, "file-1", image_of())

    page = made(html.write, thread)

    assert len(images_in(page)) == 1
    assert page.count(b"<p>[image: file-1]</p>") == 2
