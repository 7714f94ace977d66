"""Text to tree. Any text parses; what cannot be understood is left out and told."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, tzinfo

from threads.search.query.letters import QUOTES, is_word, unquote
from threads.search.query.notices import MAX_DEPTH, MAX_LENGTH
from threads.search.query.terms import FIELD, OPERATOR, TermReader, known_field
from threads.search.query.times import Clock
from threads.search.query.tree import And, Node, Not, Or, Phrase, Query, ThreadGroup

# A database refuses NUL, and no encoding has lone surrogates; positions stay what they were.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_REGEX = re.compile(r"/(?P<pattern>(?:[^\s/\\]|\\.)(?:[^/\\]|\\.)*)(?<!\s)/(?=[\s)}]|$)", re.DOTALL)


def parse(text: str, *, now: datetime, zone: tzinfo) -> Query:
    """Read `text` as typed by a person whose clock shows `now` (aware) in `zone`.

    Never raises: what is wrong with the text is in the query's notices.
    """
    return _Parser(text, Clock(now=now, zone=zone)).query()


class _Parser(TermReader):
    def __init__(self, text: str, clock: Clock) -> None:
        super().__init__(_UNSTORABLE.sub("\ufffd", text[:MAX_LENGTH]), clock)
        self.given = text
        if len(text) > MAX_LENGTH:
            self.notices.add(
                "too_long", MAX_LENGTH, len(text) - MAX_LENGTH, limit=f"{MAX_LENGTH:,}"
            )
        self.depth = 0

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
            if match := OPERATOR.match(self.text, self.at):
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
        match = OPERATOR.match(rest)
        return bool(rest) and rest[0] not in ")}" and (not match or match[1] == "NOT")

    # Operands: one word, phrase, filter or bracket, with what negates it.

    def operand(self) -> Node | None:
        start, is_negated = self.at, False
        while True:
            match = OPERATOR.match(self.text, self.at)
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
        if match := FIELD.match(self.text, start):
            if field := known_field(match):
                self.at = match.end()
                if field.takes == "group":
                    return self.thread_group(start)
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

    def _stray(self, text: str, position: int) -> None:
        self.notices.add("stray_operator", position, len(text), text=text)


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
