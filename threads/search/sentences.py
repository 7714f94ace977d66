"""Says in the reader's language what was searched, and what was wrong with what they typed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from threads.search.query import (
    And,
    DateRange,
    Filter,
    Node,
    Not,
    Notice,
    NumberRange,
    Or,
    Phrase,
    Prefix,
    Query,
    Regex,
    Substring,
    ThreadGroup,
    Token,
    Word,
    walk,
)
from threads.search.query.notices import sentence_for


def localised(notice: Notice) -> Notice:
    """Return `notice` with its sentence in the language that is active now."""
    sentence = sentence_for(notice.code, has_suggestion=bool(notice.suggestion))
    if not sentence:
        return notice
    return replace(notice, message=_(sentence).format(**dict(notice.parameters)))


def explain(query: Query) -> str:
    """Return one sentence that tells what `query` searches, with times made absolute."""
    if any(isinstance(node, DateRange) for node in walk(query.expression)):
        return _explained.__wrapped__(query, "")  # equal times may be told in different zones
    # Twenty looks into the catalogue take longer than a short search.
    return _explained(query, get_language() or "")


@lru_cache(maxsize=500)
def _explained(query: Query, _language: str) -> str:
    if query.grouping == "message":
        everything, some = _("All messages"), _("Messages: {conditions}")
    else:
        everything, some = _("All threads"), _("Threads: {conditions}")
    what = everything
    if query.expression:
        what = some.format(conditions=_say_all(query.expression))
    return _("{what}; {order}.").format(what=what, order=_order(query.order))


def _say_all(expression: Node) -> str:
    """List what must hold: first the words, which belong into one message, then the rest."""
    parts = expression.children if isinstance(expression, And) else (expression,)
    words = [part for part in parts if _is_about_words(part)]
    said = [_say(part) for part in parts if part not in words]
    if words:
        sentence = _("{words} in one message") if len(words) > 1 else "{words}"
        said.insert(0, sentence.format(words=_all_of(words)))
    return ", ".join(said)


def _is_about_words(node: Node) -> bool:
    if isinstance(node, Or):
        return all(map(_is_about_words, node.children))
    return isinstance(node, (Word, Phrase, Prefix, Token, Regex, Substring))


def _order(order: str) -> str:
    return {
        "relevance": _("best match first"),
        "newest": _("newest first"),
        "oldest": _("oldest first"),
        "longest": _("longest first"),
        "tokens": _("most tokens first"),
    }[order]


def _say(node: Node) -> str:
    match node:
        case And(children):
            return _all_of(children)
        case Or(children):
            return _(" or ").join(_aside(child, And) for child in children)
        case Not(child) if _is_about_words(child):
            return _("without {condition}").format(condition=_aside(child, Or))
        case Not(child):
            return _("not {condition}").format(condition=_aside(child, (And, Or)))
        case ThreadGroup(child):
            return _("the thread has a message with [{conditions}]").format(conditions=_say(child))
    return _say_one(node)


def _all_of(nodes: Iterable[Node]) -> str:
    return _(" and ").join(_aside(node, Or) for node in nodes)


def _aside(node: Node, kinds: type[Node] | tuple[type[Node], ...]) -> str:
    return f"({_say(node)})" if isinstance(node, kinds) else _say(node)


def _say_one(node: Node) -> str:
    match node:
        case Filter():
            return _filter(node)
        case NumberRange():
            return _numbers(node)
        case DateRange():
            return _dates(node)
    return _term(node)


def _term(node: Node) -> str:
    match node:
        case Word(text) | Token(text):
            return _("“{text}”").format(text=text)
        case Phrase(text):
            return _("exactly “{text}”").format(text=text)
        case Prefix(text):
            return _("a word beginning with “{text}”").format(text=text)
        case Regex(pattern):
            return _("text matching /{pattern}/").format(pattern=pattern)
        case Substring(text):
            return _("the characters “{text}”").format(text=text)
    raise TypeError(node)


def _filter(node: Filter) -> str:
    values = _(" or ").join(node.values)
    if node.key:
        return _("{key} in the metadata: {values}").format(key=node.key, values=values)
    return f"{_label(node.field)} {values}"


def _label(field: str) -> str:
    return {
        "project": _("project"),
        "tag": _("tag"),
        "source": _("source"),
        "status": _("status"),
        "id": _("id"),
        "role": _("role"),
        "assistant": _("assistant"),
        "model": _("model"),
        "tool": _("tool"),
        "user": _("end user"),
        "in": _("words in"),
        "has": _("containing"),
        "is": _("being"),
        "messages": _("messages"),
        "tokens": _("tokens"),
        "cost": _("US dollars"),
        "created": _("thread created"),
    }.get(field, _("sent"))


def _numbers(node: NumberRange) -> str:
    label = _label(node.field)
    low, high = _number(node.low), _number(node.high)
    if node.low == node.high:
        return _("exactly {number} {things}").format(number=low, things=label)
    if node.high is None:
        sentence = (
            _("more than {number} {things}")
            if node.low_is_open
            else _("at least {number} {things}")
        )
        return sentence.format(number=low, things=label)
    if node.low is None:
        sentence = (
            _("fewer than {number} {things}")
            if node.high_is_open
            else _("at most {number} {things}")
        )
        return sentence.format(number=high, things=label)
    return _("{low} to {high} {things}").format(low=low, high=high, things=label)


def _number(value: Decimal | None) -> str:
    return "" if value is None else format(value.normalize(), ",f")


def _dates(node: DateRange) -> str:
    label = _label(node.field)
    if node.start and node.end:
        return _("{what} from {start} to before {end}").format(
            what=label, start=_moment(node.start), end=_moment(node.end)
        )
    if node.start:
        return _("{what} since {start}").format(what=label, start=_moment(node.start))
    return _("{what} before {end}").format(what=label, end=_moment(node.end) if node.end else "?")


def _moment(moment: datetime) -> str:
    """Write the time with its zone, because that is what the reader must be able to check."""
    return f"{moment:%Y-%m-%d %H:%M} {moment.tzinfo}"
