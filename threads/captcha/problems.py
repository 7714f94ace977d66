"""What is asked: letters, sums, derivatives, beeps. Pure.

The answer is drawn first, evenly from a range, and the one free number of the question is chosen
so that it comes out. So no answer is likelier than another: a blind guess is right in 1.7 % of
the cases at most.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

LETTERS = "ACDEFGHJKLMNPQRTUVWXY34679"  # none that is easily taken for another
LETTER_COUNT = 5
BEEP_GROUPS = 4
MOST_BEEPS = 6
_SLOPES = range(-30, 31)
_SUMS = range(2, 62)
_LARGEST = 20  # of a number that stands in a question of maths

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_POINTS = ("0", "π/2", "π", "3π/2")
_SINE = (0, 1, 0, -1)  # at those points
_COSINE = (1, 0, -1, 0)
_MINUSES = str.maketrans(dict.fromkeys("−–—﹣－", "-"))
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}\Z")
_LONGEST_ANSWER = 40


class Mode(StrEnum):
    TEXT = "text"
    MATHS = "maths"
    ARITHMETIC = "arithmetic"
    SOUND = "sound"


@dataclass(frozen=True, slots=True)
class Problem:
    """A question and its answer; `lines` are drawn one below the other.

    For `Mode.SOUND` there is one line: how many beeps each group has, as digits.
    """

    mode: Mode
    lines: tuple[str, ...]
    answer: str


def make(mode: Mode, rng: random.Random) -> Problem:
    """Return a new question of that mode."""
    match mode:
        case Mode.TEXT:
            text = "".join(rng.choice(LETTERS) for _ in range(LETTER_COUNT))
            return Problem(mode, (text,), normal(text))
        case Mode.SOUND:
            beeps = "".join(str(rng.randint(1, MOST_BEEPS)) for _ in range(BEEP_GROUPS))
            return Problem(mode, (beeps,), normal(beeps))
        case Mode.ARITHMETIC:
            answer = rng.choice(_SUMS)
            return Problem(mode, (f"{_sum(answer, rng)} = ?",), str(answer))
        case Mode.MATHS:
            answer = rng.choice(_SLOPES)
            kind = rng.choice((_polynomial, _waves, _power, _inner_polynomial, _squared_wave))
            function, point = kind(answer, rng)
            return Problem(mode, (f"f(x) = {function}", f"f′({point}) = ?"), str(answer))


def normal(answer: str) -> str:
    """Return an answer as it is compared: any minus, digits of any script, no blanks; "" is none.

    A text that is too long to be one is none.
    """
    if len(answer) > _LONGEST_ANSWER:
        return ""
    folded = unicodedata.normalize("NFKC", answer).translate(_MINUSES)
    folded = "".join(folded.split()).casefold()
    return str(int(folded)) if _NUMBER.match(folded) else folded


def _sum(answer: int, rng: random.Random) -> str:
    while True:
        first, second = rng.randint(2, 9), rng.randint(2, 9)
        third = answer - first * second
        match rng.randrange(3):
            case 0 if answer > 2:
                part = rng.randint(1, answer - 1)
                return f"{part} + {answer - part}"
            case 1:
                part = rng.randint(2, 30)
                return f"{answer + part} − {part}"
            case 2 if 0 < abs(third) <= _LARGEST:
                return f"{first} × {second} {_signed(third)}"


def _polynomial(slope: int, rng: random.Random) -> tuple[str, str]:
    while True:
        x, cubic, square = rng.randint(-3, 3), _factor(rng, 3), rng.randint(-5, 5)
        linear = slope - 3 * cubic * x**2 - 2 * square * x
        if abs(linear) <= _LARGEST:
            terms = [(cubic, "x³"), (square, "x²"), (linear, "x"), (rng.randint(-9, 9), "")]
            return _terms(terms), _signless(x)


def _waves(slope: int, rng: random.Random) -> tuple[str, str]:
    while True:
        sine, fast = _factor(rng, 5), rng.randint(1, 4)
        cosine, slow = _factor(rng, 5), rng.randint(1, 4)
        point = rng.randrange(len(_POINTS))
        linear = slope - sine * fast * _COSINE[fast * point % 4]
        linear += cosine * slow * _SINE[slow * point % 4]
        if abs(linear) <= _LARGEST:
            terms = [
                (sine, f"sin({_terms([(fast, 'x')])})"),
                (cosine, f"cos({_terms([(slow, 'x')])})"),
                (linear, "x"),
            ]
            return _terms(terms), _POINTS[point]


def _power(slope: int, rng: random.Random) -> tuple[str, str]:
    while True:
        x, factor, constant = rng.randint(-3, 3), _factor(rng, 3), _factor(rng, 5)
        exponent = rng.randint(2, 3)
        linear = slope - exponent * factor * (factor * x + constant) ** (exponent - 1)
        if abs(linear) <= _LARGEST:
            inner = _terms([(factor, "x"), (constant, "")])
            raised = f"({inner}){str(exponent).translate(_SUPERSCRIPTS)}"
            return _terms([(1, raised), (linear, "x")]), _signless(x)


def _inner_polynomial(slope: int, rng: random.Random) -> tuple[str, str]:
    while True:
        outer, square, inner = _factor(rng, 4), _factor(rng, 5), _factor(rng, 5)
        linear = slope - outer * inner
        if abs(linear) <= _LARGEST:
            argument = _terms([(square, "x²"), (inner, "x")])
            return _terms([(outer, f"sin({argument})"), (linear, "x")]), "0"


def _squared_wave(slope: int, rng: random.Random) -> tuple[str, str]:
    while True:
        point, factor, constant = rng.randrange(len(_POINTS)), _factor(rng, 3), _factor(rng, 4)
        linear = slope - 2 * (factor * _SINE[point] + constant) * factor * _COSINE[point]
        if abs(linear) <= _LARGEST:
            inner = _terms([(factor, "sin(x)"), (constant, "")])
            return _terms([(1, f"({inner})²"), (linear, "x")]), _POINTS[point]


def _factor(rng: random.Random, most: int) -> int:
    """Return a number from -most to most, but not 0."""
    return rng.choice((-1, 1)) * rng.randint(1, most)


def _signed(number: int) -> str:
    return f"{'−' if number < 0 else '+'} {abs(number)}"


def _signless(number: int) -> str:
    return str(number).replace("-", "−")


def _terms(terms: Iterable[tuple[int, str]]) -> str:
    """Write a sum as people do: no 1 in front, no zeros, a sign between."""
    text = ""
    for factor, what in terms:
        if not factor:
            continue
        size = "" if abs(factor) == 1 and what else str(abs(factor))
        sign = "−" if factor < 0 else "+" if text else ""
        text += (f" {sign} " if text else sign) + size + what
    return text or "0"
