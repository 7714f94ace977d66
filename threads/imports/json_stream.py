"""The elements of a JSON array, one at a time: files of hundreds of megabytes fit into memory.

Brackets and quotes are all that is looked at, so an element that is no JSON inside is handed on
like any other: its reader refuses it and the next one is read.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Generator, Iterator
from typing import Any, BinaryIO

LONGEST_ELEMENT = 32 * 1024 * 1024  # bytes; parsed it takes several times that in memory
_CHUNK = 256 * 1024
# Everything up to a sign that counts, whole strings included. Possessive: nothing is read twice.
_IN_ARRAY = re.compile(
    rb'[^"\[\]{},]*+(?:"(?:[^"\\]++|\\.)*+"[^"\[\]{},]*+)*+["\[\]{},]', re.DOTALL
)
_IN_ELEMENT = re.compile(rb'[^"\[\]{}]*+(?:"(?:[^"\\]++|\\.)*+"[^"\[\]{}]*+)*+["\[\]{}]', re.DOTALL)
_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_WHOLE_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
# What values take in memory beside their text, in bytes for each sign that brings one: an object
# with one name 480, and as a message twice that; measured with a million of them in a line.
_TAKEN = ((b"{", 800), (b"[", 80), (b",", 30))
_MOST_TAKEN = 96 * 1024 * 1024
_QUOTE, _COMMA, _BACKSLASH = b'",\\'
_OPENING = frozenset(b"[{")
_SPACE = b" \t\r\n"


class NotJSON(ValueError):
    """The text is no JSON. The message is a sentence."""


class TooLong(NotJSON):
    """An element is longer than LONGEST_ELEMENT; it was passed over."""


def parse(text: bytes) -> Any:
    """Return the JSON value in `text`, UTF-8.

    :raises NotJSON: when there is none, also for NaN, which is none, or when it would take a
        multiple of its length in memory.
    """
    check_values(text)
    try:
        return json.loads(text.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise NotJSON(f"It is not UTF-8 (byte {error.start + 1}).") from error
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at")
        raise NotJSON(f"It is not JSON: {what} at character {error.pos + 1}.") from error
    except NotJSON:
        raise
    except (RecursionError, ValueError) as error:
        raise NotJSON(
            "Its JSON is nested too deeply, or has a number of thousands of digits."
        ) from error


def check_values(text: bytes) -> None:
    """Refuse a text of a few megabytes that is hundreds of them once it is parsed.

    :raises NotJSON: when it has too many values.
    """
    taken = sum(text.count(sign) * size for sign, size in _TAKEN)
    if taken > _MOST_TAKEN:
        # Signs in strings bring no value. To look for them takes a second, so few texts come here.
        for match in _WHOLE_STRING.finditer(text):
            taken -= sum(text.count(sign, *match.span()) * size for sign, size in _TAKEN)
    if taken > _MOST_TAKEN:
        raise NotJSON("It holds too many values to be read at once.")


def _refuse_constant(name: str) -> None:
    raise NotJSON(f"It holds {name}, which is not JSON.")


def elements(file: BinaryIO) -> Iterator[bytes | NotJSON]:
    """Yield the text of each element of the array in `file`, and what is wrong in its place.

    A file that holds objects one after the other, without an array around them, is read like
    one. Never holds more than one element and one piece of the file. A file that breaks off
    yields what it can, then a NotJSON.
    """
    splitter = _Splitter()
    while chunk := file.read(_CHUNK):
        yield from splitter.feed(chunk)
        if splitter.is_done:
            return
    yield from splitter.end()


class _Splitter:
    """Cuts at the commas of depth 1. Bytes of an element are collected as they come."""

    def __init__(self) -> None:
        self.is_done = False
        self._depth = -1  # -1: nothing but space was seen yet
        self._is_single = False
        self._rest = b""  # an escape or a character order mark that a chunk cut in two
        self._in_string = False
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_first = True

    def feed(self, chunk: bytes) -> Iterator[bytes | NotJSON]:
        data, self._rest = self._rest + chunk, b""
        position = 0
        if self._depth < 0:
            position = self._begin(data)
            if position < 0:
                return
        while position < len(data) and not self.is_done:
            if self._in_string:
                position = self._string(data, position)
            elif self._depth == (0 if self._is_single else 1):
                position = yield from self._between(data, position)
            else:
                position = self._inside(data, position)
                if self._is_single and self._depth == 0:
                    yield from self._cut(is_last=True)

    def _between(self, data: bytes, position: int) -> Generator[bytes | NotJSON, None, int]:
        """Go on to the next sign outside of all elements; return where that ends."""
        match = (_IN_ELEMENT if self._is_single else _IN_ARRAY).match(data, position)
        if match is None:
            self._keep(data[position:])
            return len(data)
        end = match.end()
        sign = data[end - 1]
        if sign == _QUOTE or sign in _OPENING:
            self._keep(data[position:end])
            self._in_string = sign == _QUOTE
            self._depth += sign != _QUOTE
        elif sign == _COMMA:
            self._keep(data[position : end - 1])
            yield from self._cut()
        else:
            # The end of the array, or, without one, a bracket too many.
            self._keep(data[position : end if self._is_single else end - 1])
            yield from self._cut(is_last=True)
            self.is_done = not self._is_single
        return end

    def _inside(self, data: bytes, position: int) -> int:
        """Go on to the end of the element, or as far as `data` goes; return where that is."""
        depth, outside = self._depth, 0 if self._is_single else 1
        end, next_sign = position, _IN_ELEMENT.match  # not finditer: it would search the rest
        while (match := next_sign(data, end)) is not None:
            end = match.end()
            sign = data[end - 1]
            if sign == _QUOTE:
                self._in_string = True
                break
            depth += 1 if sign in _OPENING else -1
            if depth == outside:
                break
        else:
            end = len(data)
        self._depth = depth
        self._keep(data[position:end])
        return end

    def _begin(self, data: bytes) -> int:
        """Find the first sign; -1 when there is only space so far."""
        if len(data) < 3:
            self._rest = data
            return -1
        start = len(codecs.BOM_UTF8) if self._is_first and data.startswith(codecs.BOM_UTF8) else 0
        self._is_first = False
        while start < len(data) and data[start] in _SPACE:
            start += 1
        if start == len(data):
            return -1
        self._is_single = data[start : start + 1] != b"["
        self._depth = 0 if self._is_single else 1
        return start if self._is_single else start + 1

    def _string(self, data: bytes, position: int) -> int:
        match = _STRING.match(data, position)
        end = match.end() if match else position
        self._keep(data[position:end])
        if end >= len(data):
            return end
        if data[end] == _QUOTE:
            self._in_string = False
            self._keep(b'"')
            return end + 1
        self._rest = data[end:]  # a backslash whose letter is in the next chunk
        return len(data)

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._size += len(piece)
            if self._size <= LONGEST_ELEMENT:
                self._pieces.append(piece)
            else:
                self._pieces.clear()

    def _cut(self, *, is_last: bool = False) -> Iterator[bytes | NotJSON]:
        size, pieces = self._size, self._pieces
        self._size, self._pieces = 0, []
        if size > LONGEST_ELEMENT:
            yield TooLong(f"It is longer than {LONGEST_ELEMENT // 1024 // 1024} MB.")
            return
        text = b"".join(pieces).strip(_SPACE)
        if text:
            yield text
        elif not is_last:
            yield NotJSON("There is nothing between two commas.")

    def end(self) -> Iterator[bytes | NotJSON]:
        """Say that the file broke off, unless it held nothing at all."""
        if self._depth < 0:  # of two bytes at most
            text = self._rest.strip(_SPACE)
            if text != b"[]":
                yield text or NotJSON("The file is empty.")
            return
        if not self._is_single and self._depth == 1 and not self._in_string:
            yield from self._cut(is_last=True)
        if not self._is_single or self._depth > 0 or self._in_string:
            yield NotJSON("The file breaks off in the middle of this.")
        elif text := b"".join(self._pieces).strip(_SPACE):
            yield text
