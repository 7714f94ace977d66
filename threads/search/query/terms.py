"""Reads what stands between the operators: words, phrases, patterns, filters and their values."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace

from threads.search.query.fields import FIELDS, SYNONYMS, Field
from threads.search.query.letters import (
    QUOTES,
    has_cjk,
    has_letters,
    is_letter,
    is_word,
    quote,
    trim,
)
from threads.search.query.notices import MAX_TERMS, MAX_VALUES, MIN_PREFIX
from threads.search.query.regex import fault_of
from threads.search.query.scanner import Scanner
from threads.search.query.times import Clock, Unreadable, date_range, number_range
from threads.search.query.tree import (
    Filter,
    Node,
    Phrase,
    Prefix,
    Regex,
    Substring,
    Token,
    Word,
)

OPERATOR = re.compile(r'(OR|AND|NOT)(?=[\s()"“”„}]|$)')
FIELD = re.compile(
    r"""(?P<name>[A-Za-z][A-Za-z0-9_]*)
        (?:\.(?:"(?P<quoted>(?:[^"\\]|\\.)+)"|(?P<key>[^\s:："(){},]+)))?[:：]""",
    re.VERBOSE,
)


class TermReader(Scanner):
    """Counts the terms, and keeps in `options` how the results are to be shown."""

    def __init__(self, text: str, clock: Clock) -> None:
        super().__init__(text)
        self.clock = clock
        self.term_count = 0
        self.options: dict[str, str] = {}

    def word(self, start: int) -> Node | None:
        raw = self.bare(stops="")
        # foo:"two words" with a filter that does not exist: the whole of it is text.
        is_named = raw[-1:] in {":", "："} and has_letters(raw)
        if is_named and self.rest()[:1] in {*QUOTES}:
            return self.term(Phrase(" ".join((raw + self.quoted()).split())), start)
        body, tail = trim(raw)
        if not has_letters(body):
            self._tell_no_letters(raw, start)
            return None
        field = FIELD.match(body)
        if OPERATOR.match(body) or (field and known_field(field)):
            return self.term(Phrase(body), start)  # punctuation before it made it text
        if not is_word(body):
            return self.term(Token(body), start)
        if not tail.startswith("*"):
            return self.term(Word(body), start)
        if len(body) < MIN_PREFIX and not has_cjk(body):
            self.notices.add("short_prefix", start, len(raw), limit=str(MIN_PREFIX))
            return None
        return self.term(Prefix(body), start)

    def term(self, node: Node, start: int) -> Node | None:
        """Return `node` with its place in the text, unless it is one too many or empty."""
        if isinstance(node, Phrase) and not has_letters(node.text):
            self._tell_no_letters(node.text, start)
            return None
        self.term_count += 1
        if self.term_count > MAX_TERMS:
            if self.term_count == MAX_TERMS + 1:
                length = len(self.text) - start
                self.notices.add("too_many_terms", start, length, limit=str(MAX_TERMS))
            return None
        return replace(node, span=(start, self.at))

    def regex(self, pattern: str, start: int) -> Node | None:
        if fault := fault_of(pattern):
            self.notices.add("bad_regex", start, self.at - start, reason=fault)
            return None
        return self.term(Regex(pattern), start)

    # Filters.

    def filter(self, field: Field, key: str, start: int, *, is_negated: bool) -> Node | None:
        if field.takes == "scan":
            return self.scan(start)
        values_at = self.at
        values = self.values()
        if not values:
            self.notices.add("empty_filter", start, self.at - start, field=field.name)
            return None
        length = self.at - values_at
        if len(values) > MAX_VALUES:
            self.notices.add(
                "too_many_values", values_at, length, field=field.name, limit=str(MAX_VALUES)
            )
            return None
        if field.takes == "choice":
            values = [value.lower() for value in values]
            if not self._are_known(field, values, values_at):
                return None
        if field.level == "query":
            self.option(field, values, start, is_negated=is_negated)
            return None
        if field.takes in {"choice", "text"}:
            unique = tuple(dict.fromkeys(values))
            return self.term(Filter(field.name, unique, key), start)
        if len(values) > 1:
            self.notices.add("one_value", values_at, length, field=field.name)
            return None
        return self.range(field, values[0], start, values_at)

    def range(self, field: Field, value: str, start: int, values_at: int) -> Node | None:
        node: Node
        try:
            if field.takes in {"number", "amount"}:
                node = number_range(field.name, value, is_whole=field.takes == "number")
            else:
                node = date_range(field.name, value, self.clock)
        except Unreadable as problem:
            self.notices.add(
                problem.code, values_at, self.at - values_at, field=field.name, value=problem.text
            )
            return None
        return self.term(node, start)

    def option(self, field: Field, values: list[str], start: int, *, is_negated: bool) -> None:
        length = self.at - start
        if len(values) > 1:
            self.notices.add("one_value", start, length, field=field.name)
            return
        if is_negated:
            self.notices.add("not_negatable", start, length, field=field.name)
        if field.name in self.options:
            self.notices.add("repeated", start, length, field=field.name)
        self.options[field.name] = values[0]

    def scan(self, start: int) -> Node | None:
        is_substring = self.here("~")
        self.at += is_substring
        values_at = self.at
        is_quoted = self.rest()[:1] in {*QUOTES}
        value = self.quoted() if is_quoted else self.bare(stops="")
        if not value.strip():
            self.notices.add("empty_filter", start, self.at - start, field="text")
            return None
        if is_substring:
            return self.term(Substring(value), start)
        self.notices.add("text_as_words", start, values_at - start)
        return self.term(Phrase(" ".join(value.split())), start)

    def values(self) -> list[str]:
        """Read the values of a filter: separated by commas, or by space and OR in brackets."""
        found: list[str] = []
        is_bracketed = self.here("(")
        opened_at = self.at
        self.at += is_bracketed
        while self.at < len(self.text):
            if is_bracketed:
                self.skip_space()
                if match := OPERATOR.match(self.text, self.at):
                    self.at = match.end()
                    continue
                if self.here(")"):
                    self.at += 1
                    return found
            if self.rest()[:1] in {*QUOTES}:
                value = " ".join(self.quoted().split())
            else:
                value = self.bare(stops=",")
            if value:
                found.append(value)
            if self.here(","):
                self.at += 1
            elif not is_bracketed or not self.rest() or (not value and not self.here(")")):
                break
        if is_bracketed:
            self.notices.add("unclosed_bracket", opened_at, 1)
        return found

    def _are_known(self, field: Field, values: list[str], position: int) -> bool:
        unknown = next((value for value in values if value not in field.values), None)
        if unknown is None:
            return True
        near = difflib.get_close_matches(unknown, field.values, n=1)
        place = self.text.lower().find(unknown, position)
        self.notices.add(
            "unknown_value",
            position if place < 0 else place,
            len(unknown),
            suggestion=near[0] if near else "",
            field=field.name,
            value=unknown,
            values=", ".join(field.values),
        )
        return False

    # What is told.

    def _tell_no_letters(self, text: str, start: int) -> None:
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        self.notices.add(
            "no_letters", start, self.at - start, suggestion=f"text:~{quote(text)}", text=shown
        )

    def _tell_unknown(self, match: re.Match[str]) -> None:
        """Tell of a filter that does not exist, unless it looks like a URL, path, time or code."""
        following = self.text[match.end() : match.end() + 1]
        if not (following and (is_letter(following) or following in QUOTES or following in "<>=*")):
            return
        name = match["name"].lower()
        near = difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.7)
        suggestion = SYNONYMS.get(name) or (near[0] if near and near[0] != name else "")
        if not suggestion and following.isdigit():
            return  # such as localhost:8000
        self.notices.add(
            "unknown_filter",
            match.start(),
            match.end() - 1 - match.start(),
            suggestion=suggestion,
            name=match["name"],
        )


def known_field(match: re.Match[str]) -> Field | None:
    """Return the filter that is meant; only `meta` has a key after a dot, and needs one."""
    field = FIELDS.get(match["name"].lower())
    has_key = bool(match["key"] or match["quoted"])
    return field if field and has_key == (field.name == "meta") else None
