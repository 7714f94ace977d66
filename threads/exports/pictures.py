"""Images of messages for documents: from our disk, decoded here, small, and written anew.

Only what Pillow can decode comes along, as a JPEG or PNG that we encoded: nothing that hides in a
stranger's file reaches the reader's programs. There is no network: what is not kept here is named.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from projects.models import Project
from threads.attachments import cached_file
from threads.exports.masking import mask
from threads.models import Message
from threads.sources import embedded

LONGEST_SIDE = 1_200  # pixels; sharp on half a page of paper
_MOST_PIXELS = 40_000_000  # of the source: a telephone's photograph has 12 to 50 million
_MOST_BYTES = 30_000_000  # of the source
# Of one document, written: a browser opens it, and a PDF's process has a gigabyte.
_MOST_WRITTEN_BYTES = 60_000_000
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")


@dataclass(frozen=True, slots=True)
class Picture:
    """An image in the form it is written in; sizes in pixels."""

    content_type: str
    content: bytes
    width: int
    height: int

    @property
    def address(self) -> str:
        return f"data:{self.content_type};base64,{base64.b64encode(self.content).decode()}"


@dataclass(frozen=True, slots=True)
class Attached:
    """What a message refers to: its line in words, and its picture where there is one."""

    line: str
    picture: Picture | None = None


class Pictures:
    """Finds and prepares the images of one document, and keeps count of their bytes."""

    def __init__(self) -> None:
        self._left = _MOST_WRITTEN_BYTES

    def of(self, project: Project, message: Message, *, masked: bool) -> Iterator[Attached]:
        """Yield each image, file and sound that a message refers to."""
        for part in _attached(message):
            picture = self._picture(project, message, part) if part["kind"] == "image" else None
            yield Attached(_line(part, masked=masked), picture)

    def _picture(
        self, project: Project, message: Message, part: Mapping[str, Any]
    ) -> Picture | None:
        file_id = str(part.get("file_id") or "")
        path = cached_file(project, file_id) if file_id and self._left > 0 else None
        if path is not None:
            found = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else None
        elif self._left > 0 and embedded.is_embedded(file_id):
            found = embedded.embedded_file(message.source.raw, file_id)
        else:
            found = None
        picture = rewritten(found) if found else None
        if picture is None or len(picture.content) > self._left:
            return None
        self._left -= len(picture.content)
        return picture


def lines(message: Message, *, masked: bool) -> list[str]:
    """Return a line in words for each image, file and sound that a message refers to."""
    return [_line(part, masked=masked) for part in _attached(message)]


def _attached(message: Message) -> Iterator[Mapping[str, Any]]:
    for part in message.source.parts:
        if isinstance(part, dict) and part.get("kind") in {"image", "file", "audio"}:
            yield part


def _line(part: Mapping[str, Any], *, masked: bool) -> str:
    file_id = str(part.get("file_id") or "")
    named = "" if embedded.is_embedded(file_id) else file_id
    where = part.get("text") or named or part.get("url") or part.get("mime") or ""
    where = " ".join(str(where).split())
    line = f"[{part['kind']}: {where}]" if where else f"[{part['kind']}]"
    return mask(line) if masked else line


def rewritten(content: bytes) -> Picture | None:
    """Return an image as we write it; None for what is none, broken, or too large to decode."""
    from PIL import Image, ImageOps

    if len(content) > _MOST_BYTES:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about sizes, which are checked below
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                if image.width * image.height > _MOST_PIXELS:
                    return None
                image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
                shown = ImageOps.exif_transpose(image)
                shown.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
                return _encoded(shown)
    except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError):
        return None


def _encoded(image: Any) -> Picture:
    """Encode as JPEG, or as PNG where a drawing's sharp edges or its background would suffer."""
    target = io.BytesIO()
    has_alpha = "A" in image.mode or "transparency" in image.info
    is_drawing = has_alpha or image.mode in {"1", "L", "P"}
    plain = image.convert("RGBA" if has_alpha else "RGB")
    plain.info.clear()  # comments, places and cameras
    plain.save(target, "PNG" if is_drawing else "JPEG", **({} if is_drawing else {"quality": 82}))
    kind = "image/png" if is_drawing else "image/jpeg"
    return Picture(kind, target.getvalue(), image.width, image.height)
