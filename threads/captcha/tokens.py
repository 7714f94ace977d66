"""Which question was asked, to whom, until when: in a token that does not hold the answer."""

from __future__ import annotations

import base64
import random
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.core.cache import cache
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from threads.captcha import picture, problems, sound
from threads.captcha.problems import Mode

LIFETIME = timedelta(minutes=10)  # nobody is to be hurried
_VERSION = "1"
_LONGEST_TOKEN = 200


class Verdict(StrEnum):
    OK = "ok"
    WRONG = "wrong"
    USED = "used"
    EXPIRED = "expired"
    MALFORMED = "malformed"

    @property
    def message(self) -> str:
        """A sentence for whoever answered; "" when it was right."""
        return {
            Verdict.OK: "",
            Verdict.WRONG: _("That was not the answer. Here is another question."),
            Verdict.USED: _("This question was answered before. Here is another one."),
            Verdict.EXPIRED: _("This question has expired. Here is another one."),
            Verdict.MALFORMED: _("Please answer the question."),
        }[self]

    @property
    def is_offence(self) -> bool:
        """Tell whether it is held against who answered: a try, not a slip or a long pause."""
        return self in {Verdict.WRONG, Verdict.USED}


@dataclass(frozen=True, slots=True)
class Question:
    """What is shown or played, and the token that comes back with the answer."""

    token: str
    mode: Mode
    content: bytes
    expires_at: datetime

    @property
    def content_type(self) -> str:
        return "audio/wav" if self.mode is Mode.SOUND else "image/png"

    @property
    def address(self) -> str:
        """The picture or sound as a data: address."""
        return f"data:{self.content_type};base64,{base64.b64encode(self.content).decode()}"


def ask(
    *,
    purpose: str,
    binding: str,
    mode: Mode,
    now: datetime,
    rng: random.Random | None = None,
) -> Question:
    """Make a question whose answer counts once, for `purpose`, from whoever has `binding`.

    :param binding: a session, an account or an address: where the answer has to come from.
    """
    rng = rng or random.SystemRandom()
    problem = problems.make(mode, rng)
    expires_at = now + LIFETIME
    stem = f"{_VERSION}.{int(expires_at.timestamp())}.{secrets.token_urlsafe(12)}"
    if mode is Mode.SOUND:
        content = sound.play(problem.lines[0], rng)
    else:
        content = picture.draw(problem.lines, rng)
    token = f"{stem}.{_seal(stem, problem.answer, purpose, binding)}"
    return Question(token, mode, content, expires_at)


def check(token: str, answer: str, *, purpose: str, binding: str, now: datetime) -> Verdict:
    """Judge an answer. Every attempt spends the token, right or wrong, in all processes at once."""
    parts = token.split(".") if len(token) <= _LONGEST_TOKEN else []
    if len(parts) != 4 or parts[0] != _VERSION or not (parts[1].isascii() and parts[1].isdigit()):
        return Verdict.MALFORMED
    stem, seal = ".".join(parts[:3]), parts[3]
    seconds_left = int(parts[1]) - now.timestamp()
    if seconds_left <= 0:
        return Verdict.EXPIRED
    if seconds_left > LIFETIME.total_seconds() + 1 or not seal.isascii():
        return Verdict.MALFORMED
    if not cache.add(f"captcha:{salted_hmac('threads.captcha.nonce', stem).hexdigest()}", 1, 3600):
        return Verdict.USED
    given = problems.normal(answer)
    expected = _seal(stem, given, purpose, binding)
    return Verdict.OK if constant_time_compare(seal, expected) and given else Verdict.WRONG


def _seal(stem: str, answer: str, purpose: str, binding: str) -> str:
    value = "\0".join((stem, answer, purpose, binding))
    digest = salted_hmac("threads.captcha", value, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest[:24]).decode()
