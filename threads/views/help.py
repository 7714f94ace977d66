"""The help page: what the search field understands, from the parser's own tables."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from threads.search.query import FIELDS


@dataclass(frozen=True, slots=True)
class Explained:
    """One filter, in the reader's language."""

    name: str
    description: str
    values: tuple[str, ...]
    example: str


@require_GET
def search_help(request: HttpRequest) -> HttpResponse:
    """Explain the query language."""
    groups = [
        (_("About the message"), "message"),
        (_("About its thread"), "thread"),
        (_("About the list of results"), "query"),
    ]
    filters = [
        (
            title,
            [
                Explained(field.name, _(field.description), field.values, field.example)
                for field in FIELDS.values()
                if field.level == level
            ],
        )
        for title, level in groups
    ]
    context = {"section": "help", "filters": filters, "words": _words(), "values": _values()}
    return render(request, "threads/search_help.html", context)


def _words() -> list[tuple[str, str]]:
    return [
        (
            "refund invoice",
            _("both words, in any order, in one message or in the title; also other forms of them"),
        ),
        ('"late delivery"', _("exactly these words in this order")),
        ("refun*", _("words that begin so")),
        ("refund OR chargeback", _("either of them; OR in capital letters")),
        ("refund -bounced", _("without this word; NOT bounced is the same")),
        ("(refund OR chargeback) invoice", _("brackets keep together what belongs together")),
        ("退款", _("Chinese, Japanese and Korean as typed, also inside longer runs")),
        ("error-401", _("punctuation inside a word: its parts in this order")),
        ("jane@example.org", _("addresses, ids, links, versions and file names in the same way")),
        (
            r"/err(or)?-\d{3}/",
            _(
                "a regular expression, looked up in the texts themselves:"
                " slow, for signed-in people"
            ),
        ),
    ]


def _values() -> list[tuple[str, str]]:
    return [
        ("role:user,tool", _("any of these")),
        ('tag:"to check"', _("quotes around what has a space")),
        ("-role:tool", _("none of these")),
        ("messages:>50", _("more than; also <, >= and <=")),
        ("tokens:1000..5000", _("from one to the other; a star for an open end: 1000..*")),
        ("after:2026-01-31", _("a day; a month, 2026-01, or a year, 2026, works as well")),
        ("before:7d", _("seven days ago; h, d, w, mo and y are hours to years")),
        ("on:yesterday", _("today and yesterday, in your time zone")),
    ]
