"""What the parser says about a query: one sentence per code, in English.

The sentences are marked for translation here and translated where they are shown
(`threads.search.sentences.localised`).
"""

from __future__ import annotations

from threads.search.query.fields import gettext_noop
from threads.search.query.tree import Notice

MAX_LENGTH = 2_000  # characters: a page of text; the slowest that was found parses in 13 ms
MAX_TERMS = 64  # words and filters: each is a condition that the database has to answer
MAX_VALUES = 200  # in one comma list: a page of ids pasted from a spreadsheet
MAX_DEPTH = 12  # brackets inside brackets
MIN_PREFIX = 2  # letters: what begins with one letter is no search
_MAX_OF_A_KIND = 5  # the sixth notice of the same kind tells nothing new

MESSAGES = {
    "too_long": gettext_noop("The query is longer than {limit} characters; the rest was left out."),
    "too_many_terms": gettext_noop(
        "The query has more than {limit} words and filters; the rest was left out."
    ),
    "too_many_values": gettext_noop("{field}: takes at most {limit} values."),
    "too_deep": gettext_noop("Brackets are nested more than {limit} deep."),
    "short_prefix": gettext_noop("A prefix needs at least {limit} letters before the *."),
    "unclosed_quote": gettext_noop("The quote was not closed; it was read to the end."),
    "unclosed_bracket": gettext_noop("The bracket was not closed; it was closed at the end."),
    "stray_bracket": gettext_noop("A closing bracket without an opening one was ignored."),
    "empty_brackets": gettext_noop("There is nothing in these brackets; they were ignored."),
    "stray_operator": gettext_noop("“{text}” has nothing to join here and was ignored."),
    "no_letters": gettext_noop(
        "“{text}” has no letter or digit and was ignored; {suggestion} finds it, slowly."
    ),
    "unknown_filter": gettext_noop("There is no filter “{name}:”; it was searched as text."),
    "unknown_filter_like": gettext_noop(
        "There is no filter “{name}:”; it was searched as text. Did you mean “{suggestion}:”?"
    ),
    "empty_filter": gettext_noop("“{field}:” has no value and was ignored."),
    "unknown_value": gettext_noop("{field}: cannot be “{value}”; it is one of {values}."),
    "unknown_value_like": gettext_noop(
        "{field}: cannot be “{value}”. Did you mean “{suggestion}”?"
    ),
    "one_value": gettext_noop("{field}: takes one value."),
    "repeated": gettext_noop("{field}: was given more than once; the last one counts."),
    "not_negatable": gettext_noop("{field}: cannot be excluded; the minus was ignored."),
    "bad_number": gettext_noop(
        "“{value}” is not a number for {field}:; write 50, >50, <=2k or 10..50."
    ),
    "bad_date": gettext_noop(
        "“{value}” is not a date for {field}:; write 2026-01-31, 2026-01, 2026, today, "
        "yesterday, 7d, 2w, 3mo or 1y."
    ),
    "empty_range": gettext_noop("“{value}” ends before it begins."),
    "bad_regex": gettext_noop("The regular expression cannot be used: {reason}."),
    "bad_group": gettext_noop("“thread:” takes conditions in braces: thread:{{role:user refund}}."),
    "nested_group": gettext_noop("“thread:{{…}}” cannot stand inside another one."),
    "text_as_words": gettext_noop(
        '“text:” was searched as words; text:~"…" finds characters inside words.'
    ),
}
_ERRORS = frozenset(
    {
        "too_long",
        "too_many_terms",
        "too_many_values",
        "too_deep",
        "short_prefix",
        "unknown_value",
        "one_value",
        "bad_number",
        "bad_date",
        "empty_range",
        "bad_regex",
        "bad_group",
        "nested_group",
    }
)


def sentence_for(code: str, *, has_suggestion: bool) -> str:
    """Return the English sentence, not filled in; "" for a code that is not the parser's."""
    sentence = MESSAGES.get(code, "")
    return MESSAGES.get(f"{code}_like", sentence) if has_suggestion else sentence


def make_notice(
    code: str, position: int, length: int, *, suggestion: str = "", **parameters: str
) -> Notice:
    """Build the notice; with a suggestion, codes that have a sentence for one use it."""
    if suggestion:
        parameters["suggestion"] = suggestion
    return Notice(
        code=code,
        message=sentence_for(code, has_suggestion=bool(suggestion)).format(**parameters),
        position=position,
        length=length,
        suggestion=suggestion,
        is_error=code in _ERRORS,
        parameters=tuple(parameters.items()),
    )


class Notices:
    """Collects notices in the order found, not too many of a kind."""

    def __init__(self) -> None:
        self._found: list[Notice] = []

    def add(
        self, code: str, position: int, length: int, *, suggestion: str = "", **parameters: str
    ) -> None:
        if sum(notice.code == code for notice in self._found) < _MAX_OF_A_KIND:
            notice = make_notice(code, position, length, suggestion=suggestion, **parameters)
            self._found.append(notice)

    def found(self) -> tuple[Notice, ...]:
        return tuple(self._found)
