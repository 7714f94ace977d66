"""What a file is, by its first bytes: what its name or its sender says is not believed.

Signatures: the formats' own specifications, as gathered in the WHATWG's MIME Sniffing standard.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

HEAD_BYTES = 64  # enough for every signature below


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file that is kept and handed out. Only `is_image` ones are shown in a page."""

    content_type: str
    extension: str
    is_image: bool = False


_BY_START: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", Kind("image/png", "png", is_image=True)),
    (b"\xff\xd8\xff", Kind("image/jpeg", "jpg", is_image=True)),
    (b"GIF87a", Kind("image/gif", "gif", is_image=True)),
    (b"GIF89a", Kind("image/gif", "gif", is_image=True)),
    (b"%PDF-", Kind("application/pdf", "pdf")),
    (b"PK\x03\x04", Kind("application/zip", "zip")),  # also what office programs write
    (b"OggS\x00", Kind("audio/ogg", "ogg")),
    (b"ID3", Kind("audio/mpeg", "mp3")),
    (b"\xff\xfb", Kind("audio/mpeg", "mp3")),
    (b"fLaC", Kind("audio/flac", "flac")),
)
_BY_FORM: dict[bytes, Kind] = {  # RIFF, four bytes of length, then the form
    b"WEBP": Kind("image/webp", "webp", is_image=True),
    b"WAVE": Kind("audio/wav", "wav"),
}
# HTML and SVG are text like any other, and never sent as anything else.
_TEXT = Kind("text/plain; charset=utf-8", "txt")
KINDS = {
    kind.extension: kind for kind in (*(kind for _, kind in _BY_START), *_BY_FORM.values(), _TEXT)
}
_CONTROLS = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27})  # no text has these


def _of_head(head: bytes) -> Kind | None:
    for start, kind in _BY_START:
        if head.startswith(start):
            return kind
    return _BY_FORM.get(head[8:12]) if head[:4] == b"RIFF" else None


class KindSniffer:
    """Tells the kind of a file that passes by in pieces; text is read to its last byte."""

    def __init__(self) -> None:
        self._head = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._may_be_text = True

    def feed(self, piece: bytes) -> None:
        self._head += piece[: HEAD_BYTES - len(self._head)]
        if not self._may_be_text:
            return
        try:
            self._decoder.decode(piece)
        except UnicodeDecodeError:
            self._may_be_text = False
        else:
            self._may_be_text = len(piece) == len(piece.translate(None, _CONTROLS))

    def kind(self) -> Kind | None:
        """Return what the pieces make; None when it is nothing that is handed out."""
        found = _of_head(self._head)
        if found is not None or not self._may_be_text or not self._head:
            return found
        try:
            self._decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return None
        return _TEXT


def kind_of(path: Path) -> Kind:
    """Return the kind of a file that lies in our folders, which its name tells."""
    return KINDS[path.suffix.removeprefix(".")]
