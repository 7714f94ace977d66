"""The question as a picture: every sign is turned and moved, and lines run through them."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from threadhub import lib

_FONT = Path(next(iter(lib.__path__))) / "pdf" / "typefaces" / "DejaVuSans.ttf"
_MARGIN = 18  # px
_LINE = 62  # px from one line to the next
_SIZE = 32  # px of a sign, before it is varied
_MOST_TURN = 14  # degrees
_INKS = ((16, 42, 87), (92, 23, 61), (18, 71, 52), (70, 45, 8))  # all 7:1 and more on the paper
_PAPER = (247, 246, 240)


def draw(lines: Sequence[str], rng: random.Random) -> bytes:
    """Return a PNG of the lines; about 10 ms."""
    rows = [_signs(line, rng) for line in lines]
    width = max(sum(sign.width for sign in row) for row in rows) + 2 * _MARGIN
    height = len(rows) * _LINE + 2 * _MARGIN
    picture = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(picture)
    _scratch(pen, rng, width, height, colour=(205, 203, 190), count=9, thickness=2)
    for number, row in enumerate(rows):
        left, top = _MARGIN, _MARGIN + number * _LINE
        for sign in row:
            colour = rng.choice(_INKS)
            shift = rng.randint(-4, 4)
            picture.paste(colour, (left, top + (_LINE - sign.height) // 2 + shift), sign)
            left += sign.width
    _scratch(pen, rng, width, height, colour=rng.choice(_INKS), count=2 + len(rows), thickness=1)
    for _ in range(width * height // 90):
        pen.point((rng.randrange(width), rng.randrange(height)), fill=rng.choice(_INKS))
    with io.BytesIO() as file:
        picture.quantize(32).save(file, "PNG", optimize=True)
        return file.getvalue()


def _signs(line: str, rng: random.Random) -> list[Image.Image]:
    """Return a mask for each sign, turned and sized by chance."""
    signs = []
    for sign in line:
        font = _font(_SIZE + rng.randint(-2, 3))
        advance = max(6, round(font.getlength(sign)))
        mask = Image.new("L", (advance + 4, _LINE), 0)
        # Drawn where the whole line would have it: a raised 2 stays raised.
        ImageDraw.Draw(mask).text((2, _LINE * 0.72), sign, fill=255, font=font, anchor="ls")
        turn = rng.uniform(-_MOST_TURN, _MOST_TURN)
        signs.append(mask.rotate(turn, resample=Image.Resampling.BICUBIC))
    return signs


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_FONT), size)


def _scratch(
    pen: ImageDraw.ImageDraw,
    rng: random.Random,
    width: int,
    height: int,
    *,
    colour: tuple[int, int, int],
    count: int,
    thickness: int,
) -> None:
    """Draw waves from edge to edge."""
    for _ in range(count):
        middle, swing = rng.uniform(0.15, 0.85) * height, rng.uniform(4, 18)
        length, start = rng.uniform(60, 220), rng.uniform(0, math.tau)
        points = [
            (x, middle + swing * math.sin(start + x / length * math.tau))
            for x in range(0, width + 6, 6)
        ]
        pen.line(points, fill=colour, width=thickness)
