"""Hides what identifies people or opens doors in a text that leaves the house. Pure.

Masked are e-mail addresses, phone numbers, payment card numbers and API keys. A mask keeps the
shape that a reader needs (`[e-mail]`, `[card …4242]`) and nothing more. It is a courtesy for
ordinary texts, not proof that a text is anonymous.
"""

from __future__ import annotations

import re

_EMAIL = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._%+-]{0,63})@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}"
)
_KEY = re.compile(
    r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}"  # OpenAI and its kind
    r"|\bth_[A-Za-z0-9]{4,}_[A-Za-z0-9_-]{8,}"  # ours
    r"|\b(?:ghp|gho|ghs|github_pat)_[A-Za-z0-9_]{20,}"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}"  # signed web tokens
)
# 13 to 19 digits in groups, as on cards (ISO/IEC 7812); checked by Luhn's sum.
_CARD = re.compile(r"(?<![\dA-Za-z-])\d(?:[ -]?\d){12,18}(?![\dA-Za-z-])")
# A leading + or 0 and 8 to 15 digits (ITU E.164 allows 15), with the usual separators.
_PHONE = re.compile(r"(?<![\w.+-])(?:\+\d|0\d)(?:[ ./-]?(?:\(\d{1,4}\)|\d)){6,13}(?![\w-])")
_DATE = re.compile(r"\d{2}[./-]\d{2}[./-]\d{4}\Z")


def _passes_luhn(digits: str) -> bool:
    """Luhn's checksum over all digits (ISO/IEC 7812-1, annex B)."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _card(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match.group())
    is_card = _passes_luhn(digits) and len(set(digits)) > 1
    return f"[card …{digits[-4:]}]" if is_card else match.group()


def _phone(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match.group())
    is_none = _DATE.match(match.group()) or len(set(digits)) < 3 or not 8 <= len(digits) <= 15
    return match.group() if is_none else "[phone]"


def mask(text: str) -> str:
    """Return `text` with addresses, numbers and keys replaced by what they are."""
    if not text:
        return text
    text = _KEY.sub("[key]", text)
    if "@" in text:
        text = _EMAIL.sub("[e-mail]", text)
    return _PHONE.sub(_phone, _CARD.sub(_card, text))
