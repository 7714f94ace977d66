"""Text to tree. Any text parses; what cannot be understood is left out and told."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from datetime import datetime, tzinfo

from threads.search.query.fields import FIELDS, SYNONYMS, Field
from threads.search.query.letters import (
    QUOTES,
    has_cjk,
    has_letters,
    is_letter,
    is_word,
    quote,
    trim,
    unquote,
)
from threads.search.query.notices import (
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_TERMS,
    MAX_VALUES,
    MIN_PREFIX,
)
from threads.search.query.regex import fault_of
from threads.search.query.scanner import Scanner
from threads.search.query.times import Clock, Unreadable, date_range, number_range
from threads.search.query.tree import (
    And,
    Filter,
    Node,
    Not,
    Or,
    Phrase,
    Prefix,
    Query,
    Regex,
    Substring,
    ThreadGroup,
    Token,
    Word,
)

# A database refuses NUL, and no encoding has lone surrogates; positions stay what they were.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_OPERATOR = re.compile(r'(OR|AND|NOT)(?=[\s()"“”„}]|$)')
_FIELD = re.compile(
    r"""(?P<name>[A-Za-z][A-Za-z0-9_]*)
        (?:\.(?:"(?P<quoted>(?:[^"\\]|\\.)+)"|(?P<key>[^\s:："(){},]+)))?[:：]""",
    re.VERBOSE,
)
_REGEX = re.compile(r"/(?P<pattern>(?:[^\s/\\]|\\.)(?:[^/\\]|\\.)*)(?<!\s)/(?=[\s)}]|$)", re.DOTALL)


def parse(text: str, *, now: datetime, zone: tzinfo) -> Query:
    """Read `text` as typed by a person whose clock shows `now` (aware) in `zone`.

    Never raises: what is wrong with the text is in the query's notices.
    """
    return _Parser(text, Clock(now=now, zone=zone)).query()


class _Parser(Scanner):
    def __init__(self, text: str, clock: Clock) -> None:
        super().__init__(_UNSTORABLE.sub("\ufffd", text[:MAX_LENGTH]))
        self.given = text
        if len(text) > MAX_LENGTH:
            self.notices.add(
                "too_long", MAX_LENGTH, len(text) - MAX_LENGTH, limit=f"{MAX_LENGTH:,}"
            )
        self.clock = clock
        self.depth = 0
        self.term_count = 0
        self.options: dict[str, str] = {}

    def query(self) -> Query:
        expression = self.sequence(closer="")
        return Query(
            expression=expression,
            sort=self.options.get("sort"),
            group=self.options.get("group"),
            text=self.given,
            notices=self.notices.found(),
        )

    # Sequences: what stands side by side, up to the end or a closing bracket.

    def sequence(self, *, closer: str, opened_at: int = 0) -> Node | None:
        """Read up to `closer` and past it. OR binds its two neighbours, before all else."""
        # None holds the place of a clause that was left out, so that OR knows its neighbour.
        found: list[Node | None] = []
        is_or = False
        while not self._is_closed(closer, opened_at):
            if match := _OPERATOR.match(self.text, self.at):
                if match[1] == "NOT":
                    node = self.operand()
                else:
                    self.at = match.end()
                    if not found or is_or or not self._operand_follows():
                        self._stray(match[1], match.start())
                    else:
                        is_or = match[1] == "OR"
                    continue
            else:
                node = self.operand()
            if is_or:
                node = _join(Or, [found.pop(), node])
            is_or = False
            found.append(node)
        return _join(And, found)

    def _is_closed(self, closer: str, opened_at: int) -> bool:
        """Whether the sequence ends here; stray closing brackets are told and skipped."""
        while True:
            self.skip_space()
            if self.at >= len(self.text):
                if closer:
                    self.notices.add("unclosed_bracket", opened_at, 1)
                return True
            here = self.text[self.at]
            if here == closer:
                self.at += 1
                return True
            if here == "}" and self.is_in_thread:
                self.notices.add("unclosed_bracket", opened_at, 1)
                return True
            if here != ")":
                return False
            self.notices.add("stray_bracket", self.at, 1)
            self.at += 1

    def _operand_follows(self) -> bool:
        self.skip_space()
        rest = self.text[self.at :]
        match = _OPERATOR.match(rest)
        return bool(rest) and rest[0] not in ")}" and (not match or match[1] == "NOT")

    # Operands: one word, phrase, filter or bracket, with what negates it.

    def operand(self) -> Node | None:
        start, is_negated = self.at, False
        while True:
            match = _OPERATOR.match(self.text, self.at)
            if match and match[1] == "NOT":
                self.at = match.end()
                if not self._operand_follows():
                    self._stray("NOT", match.start())
                    return None
            elif self.here("-") and not self.here("--"):
                self.at += 1
                if not self.rest() or self.rest()[0].isspace() or self.rest()[0] in ")}":
                    self._stray("-", self.at - 1)
                    return None
            else:
                break
            is_negated = not is_negated
        node = self.positive(is_negated=is_negated)
        if node is None or not is_negated:
            return node
        if isinstance(node, Not):
            return node.child
        return Not(node, span=(start, self.at))

    def positive(self, *, is_negated: bool) -> Node | None:
        start = self.at
        here = self.text[start]
        if here == "(":
            return self.bracket()
        if here in QUOTES:
            return self.term(Phrase(" ".join(self.quoted().split())), start)
        if here == "/" and (match := _REGEX.match(self.text, start)):
            self.at = match.end()
            return self.regex(match["pattern"], start)
        if match := _FIELD.match(self.text, start):
            if field := _known_field(match):
                self.at = match.end()
                key = match["key"] or unquote(match["quoted"] or "")
                return self.filter(field, key, start, is_negated=is_negated)
            self._tell_unknown(match)
        return self.word(start)

    def bracket(self) -> Node | None:
        start = self.at
        self.at += 1
        if self.depth >= MAX_DEPTH:
            self.notices.add("too_deep", start, 1, limit=str(MAX_DEPTH))
            return None
        self.depth += 1
        noticed = len(self.notices.found())
        node = self.sequence(closer=")", opened_at=start)
        self.depth -= 1
        if node is None and len(self.notices.found()) == noticed:
            self.notices.add("empty_brackets", start, self.at - start)
        return replace(node, span=(start, self.at)) if node else None

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
        field = _FIELD.match(body)
        if _OPERATOR.match(body) or (field and _known_field(field)):
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
        return _placed(node, start, self.at)

    def regex(self, pattern: str, start: int) -> Node | None:
        if fault := fault_of(pattern):
            self.notices.add("bad_regex", start, self.at - start, reason=fault)
            return None
        return self.term(Regex(pattern), start)

    # Filters.

    def filter(self, field: Field, key: str, start: int, *, is_negated: bool) -> Node | None:
        if field.takes in {"group", "scan"}:
            return self.thread_group(start) if field.takes == "group" else self.scan(start)
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

    def thread_group(self, start: int) -> Node | None:
        if not self.here("{"):
            value = self.bare(stops="")
            suggestion = f"id:{value}" if is_word(value.replace("_", "")) else ""
            self.notices.add("bad_group", start, self.at - start, suggestion=suggestion)
            return None
        self.at += 1
        if self.is_in_thread or self.depth >= MAX_DEPTH:
            # Its brace counts for nothing: what it holds belongs to what is around it.
            code = "nested_group" if self.is_in_thread else "too_deep"
            self.notices.add(code, start, self.at - start, limit=str(MAX_DEPTH))
            return None
        self.is_in_thread = True
        self.depth += 1
        noticed = len(self.notices.found())
        node = self.sequence(closer="}", opened_at=start)
        self.depth -= 1
        self.is_in_thread = False
        if node is not None:
            return ThreadGroup(node, span=(start, self.at))
        if len(self.notices.found()) == noticed:
            self.notices.add("empty_filter", start, self.at - start, field="thread")
        return None

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
                if match := _OPERATOR.match(self.text, self.at):
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

    def _stray(self, text: str, position: int) -> None:
        self.notices.add("stray_operator", position, len(text), text=text)

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


def _known_field(match: re.Match[str]) -> Field | None:
    """Return the filter that is meant; only `meta` has a key after a dot, and needs one."""
    field = FIELDS.get(match["name"].lower())
    has_key = bool(match["key"] or match["quoted"])
    return field if field and has_key == (field.name == "meta") else None


def _placed(node: Node, start: int, end: int) -> Node:
    return replace(node, span=(start, end))


def _join(kind: type[And] | type[Or], found: list[Node | None]) -> Node | None:
    """Make one node of several, without those left out and without a level that says nothing."""
    children: list[Node] = []
    for node in found:
        if isinstance(node, kind):
            children.extend(node.children)
        elif node is not None:
            children.append(node)
    if len(children) < 2:
        return children[0] if children else None
    spans = [child.span for child in children if child.span]
    span = (min(start for start, _ in spans), max(end for _, end in spans)) if spans else None
    return kind(tuple(children), span=span)
