"""Messages as HTML: one card each, put together here because 200 of them are one page.

A template for each message took three quarters of the page's time: see benchmarks/reading.py.
Everything passes `content.fill`, which escapes what is not HTML already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from threads import content
from threads.content import fill, joined, stamp
from threads.models import Message
from threads.templatetags.pages import Clock, number
from threads.views.shown import Part, Row, Source, parts_of, preview

_ICON = '<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>'
_LINK = '<a href="{}" rel="nofollow noopener noreferrer">{}</a>'
_NOTHING = SafeString("")
_WHO = (
    '<h2 id="who-{n}" class="who role-{colour}">'
    '<svg class="icon" aria-hidden="true"><use href="#i-{icon}"/></svg>{role}</h2>'
)
_CARD = (
    '<article class="card msg {colour}{gone}" id="m-{n}" aria-labelledby="who-{n}">\n<header>'
    + _WHO
)
_FOLDED = (
    '<article class="card msg aside {colour}{gone}" id="m-{n}" aria-labelledby="who-{n}">\n'
    "<details{is_open}><summary>"
    '<svg class="arrow" aria-hidden="true"><use href="#i-arrow"/></svg>' + _WHO
)
_FOLDED_END = (
    '{name}<span class="preview" dir="auto">{preview}</span>'
    '<span class="number">#{position}</span></summary>\n'
    "<div><header>{marks}</header>{body}</div></details></article>\n"
)
_OWN_LINKS = (
    '<a class="knob" href="{base}{n}/" title="{source}">'
    '<svg class="icon" aria-hidden="true"><use href="#i-braces"/></svg>'
    '<span class="vh">{source}</span></a>'
    '<a class="number" href="{base}#m-{n}" data-link title="{link}">#{n}</a>'
)
_LINE = '<div class="msg-line" id="m-{}"><p class="event"><span dir="auto">{}</span></p></div>\n'
_JUMP = (
    '<a class="knob" href="{}" title="{title}">'
    '<svg class="icon" aria-hidden="true"><use href="#i-{icon}"/></svg>'
    '<span class="vh">{title}</span></a>'
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Messages of one branch in a row. Branch 0 is the conversation as it is shown."""

    branch: int
    html: SafeString
    count: int
    has_hit: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """How a page shows messages.

    `base` is the thread's address for links to messages and their sources; "" where nothing
    else may be reached, on paper and in shared views. `spans` finds the words to mark, `hits`
    are positions, in order; `address_of` makes the link to one. `names` are those of assistants.
    `is_unfolded` is for paper: nothing is folded, and times are exact.
    `address_of_file` says where a file is had here, by its id; "" where it is not. One that
    `may_be_had` does not know is named and not shown: its place would stay empty.
    """

    base: str = ""
    spans: content.Spans | None = None
    hits: tuple[int, ...] = ()
    address_of: Callable[[int], str] = "#m-{}".format
    thread_model: str = ""
    names: Mapping[int, str] = field(default_factory=dict)
    address_of_file: Callable[[str], str] = lambda _file_id: ""
    may_be_had: Callable[[str], bool] = lambda _file_id: True
    is_unfolded: bool = False


def stretches(rows: Iterable[Row], reading: Reading) -> list[Stretch]:
    """Render messages, those of other branches together so that they can be folded.

    One look into the cache for all of their texts.
    """
    read = [(row, *parts_of(row)) for row in rows if not row.is_line]
    pieces = [part.piece for _row, parts, _sources in read for part in parts if part.piece]
    rendered = iter(content.render_many(pieces))
    cards = _Cards(reading)
    bodies = {
        row.position: _body(parts, sources, rendered, reading, is_hit=row.position in cards.order)
        for row, parts, sources in read
    }
    made = []
    for branch, members in groupby(rows, key=lambda row: row.branch):
        group = list(members)
        html = joined(
            cards.line(row) if row.is_line else cards.card(row, bodies[row.position])
            for row in group
        )
        has_hit = any(row.position in cards.order for row in group)
        made.append(Stretch(branch, html, len(group), has_hit))
    return made


class _Cards:
    """Makes the cards of one page; what they repeat is made once, in the page's language."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.order = {position: index for index, position in enumerate(reading.hits)}
        self._looks = _looks()
        self._clock = Clock()
        self._beginnings: dict[tuple[str, ...], Callable[[int], SafeString]] = {}
        self._previous, self._next = _("Previous hit"), _("Next hit")
        self._tokens = _("Tokens in and out")
        self._times = dict(Message.TimeSource.choices)
        words = {"source": _("As it was received"), "link": _("Link to this message")}
        self._own_links = (
            stamp(_OWN_LINKS, base=reading.base, **words)
            if reading.base
            else stamp('<span class="number">#{n}</span>')
        )

    def line(self, row: Row) -> SafeString:
        """Return an event between messages."""
        if row.kind == Message.Kind.COMPACTION:
            words = _("Earlier messages were summed up here")
        else:
            said = preview(row)
            words = content.plain(row.type, 60) + (f": {said}" if said else "")
        return fill(_LINE, row.position, words)

    def card(self, row: Row, body: SafeString) -> SafeString:
        if row.is_aside:
            is_open = self._reading.is_unfolded or row.position in self.order
            name = fill("<code>{}</code>", content.plain(row.name, 60)) if row.name else ""
            return self._beginning(row, _FOLDED, " open" if is_open else "") + fill(
                _FOLDED_END,
                name=name,
                preview=preview(row),
                position=row.position,
                marks=self._marks(row),
                body=body,
            )
        speaker = self._reading.names.get(row.assistant_id or 0) or row.name
        said: SafeString | str = ""
        if speaker:
            said = fill('<span dir="auto">{}</span>', content.plain(speaker, 60))
        if not body:
            said = fill("{}<span>{}</span>", said, _("No text"))
        beginning = self._beginning(row, _CARD)
        return fill("{}{}{}</header>\n{}</article>\n", beginning, said, self._marks(row), body)

    def _beginning(self, row: Row, template: str, is_open: str = "") -> SafeString:
        """Return a card up to the role's name; rows that look alike share one."""
        looks = self._looks
        role, icon, colour = (
            looks.get(row.kind) or looks.get(row.role) or looks[Message.Role.UNKNOWN]
        )
        gone = " removed" if row.removed_at else ""
        key = (template, role, colour or row.role, gone, is_open)
        if key not in self._beginnings:
            self._beginnings[key] = stamp(
                template, role=role, icon=icon, colour=key[2], gone=gone, is_open=is_open
            )
        return self._beginnings[key](row.position)

    def _marks(self, row: Row) -> SafeString:
        """Return what stands at the right: badges, the time, links to hits and to the source."""
        when: SafeString | str = ""
        if row.created_at and self._reading.is_unfolded:  # paper does not know what "ago" is
            when = self._clock.exact(row.created_at)
        elif row.created_at:
            when = self._clock.moment(row.created_at, with_time=True)
        return fill(
            '<div class="marks">{}{}{}{}</div>',
            self._badges(row),
            when,
            self._jumps(row),
            self._own_links(row.position),
        )

    def _jumps(self, row: Row) -> SafeString:
        """Return links from a hit to the hits around it."""
        index = self.order.get(row.position)
        if index is None or not self._reading.base:
            return _NOTHING
        hits, address_of = self._reading.hits, self._reading.address_of
        made = _NOTHING
        if index:
            address = address_of(hits[index - 1])
            made = fill(_JUMP, address, title=self._previous, icon="arrow-up")
        if index + 1 < len(hits):
            address = address_of(hits[index + 1])
            made += fill(_JUMP, address, title=self._next, icon="arrow-down")
        return made

    def _badges(self, row: Row) -> SafeString:
        """Say what became of a message, its model and what it cost; most have little of it."""
        made = _NOTHING
        if row.removed_at:
            made += self._event(_("removed at the source %(when)s"), row.removed_at)
        if row.edited_at:
            made += self._event(_("changed %(when)s"), row.edited_at)
        if row.is_hidden:
            made += _badge(_("hidden by its system"))
        if not row.is_final:
            made += _badge(_("not finished"))
        if row.model and row.model != self._reading.thread_model:
            made += fill("<span>{}</span>", content.plain(row.model, 60))
        if row.input_tokens is not None or row.output_tokens is not None:
            made += fill(
                '<span title="{0}">{1} {2}<span class="vh"> {0}</span></span>',
                self._tokens,
                "" if row.input_tokens is None else f"↑{number(row.input_tokens)}",
                "" if row.output_tokens is None else f"↓{number(row.output_tokens)}",
            )
        if row.created_at and row.time_source != Message.TimeSource.GIVEN:
            made += fill("<span>{}</span>", self._times.get(row.time_source, ""))
        return made

    def _event(self, words: str, when: datetime) -> SafeString:
        """Return a badge with a time in the place of %(when)s."""
        before, _place, after = words.partition("%(when)s")
        exact = self._clock.exact(when)
        return fill('<span class="badge warn">{}{}{}</span>', before, exact, after)


def _badge(words: str) -> SafeString:
    return fill('<span class="badge">{}</span>', words)


def _looks() -> dict[str, tuple[str, str, str]]:
    """Return (name, icon, colour) by kind and by role; kinds count first, "" is the role's own."""
    return {
        Message.Kind.TOOL_CALL: (_("Tool call"), "wrench", "tool"),
        Message.Kind.TOOL_OUTPUT: (_("Tool output"), "terminal", "tool"),
        Message.Kind.REASONING: (_("Reasoning"), "brain", ""),
        Message.Role.USER: (_("User"), "user-round", "user"),
        Message.Role.ASSISTANT: (_("Assistant"), "bot", "assistant"),
        Message.Role.TOOL: (_("Tool"), "wrench", "tool"),
        Message.Role.SYSTEM: (_("System"), "settings-2", "system"),
        Message.Role.DEVELOPER: (_("Developer"), "braces", "developer"),
        Message.Role.UNKNOWN: (_("Unknown"), "message-square", "unknown"),
    }


def _body(
    parts: list[Part],
    sources: list[Source],
    rendered: Iterator[SafeString],
    reading: Reading,
    *,
    is_hit: bool,
) -> SafeString:
    made, spans = _NOTHING, reading.spans
    for part in parts:
        html = next(rendered) if part.piece else _NOTHING
        if spans is not None and part.piece and (is_hit or any(spans(part.piece[1]))):
            html, _count = content.highlight(html, spans)
        made += _part(part, html, reading)
    if parts:
        made = fill('<div class="prose" dir="auto">{}</div>\n', made)
    return made + _cited(sources, reading) if sources else made


def _part(part: Part, html: SafeString, reading: Reading) -> SafeString:
    if part.kind == "refusal":
        return fill(
            '<div class="refusal">'
            + _ICON.format("ban")
            + "<div><strong>{}</strong>{}</div></div>",
            _("Refused"),
            html,
        )
    if part.kind == "reasoning":
        return fill('<div class="thought">{}</div>', html)
    if part.kind in {"image", "file", "audio"}:
        return _file(part, reading) + html
    return html


def _file(part: Part, reading: Reading) -> SafeString:
    """Name a file. A picture that is kept here is shown small, once it comes into view."""
    names = {"image": _("Image"), "file": _("File"), "audio": _("Audio")}
    icons = {"image": "image", "file": "file", "audio": "volume-2"}
    kept = reading.address_of_file(part.file_id)
    if kept and part.kind == "image" and reading.may_be_had(part.file_id):
        # The size is fixed by the style sheet, so that nothing moves when the picture comes.
        return fill(
            '<figure class="picture"><a href="{0}"><img src="{0}" alt="{1}" loading="lazy"'
            ' decoding="async"></a><figcaption>{2}</figcaption></figure>',
            kept,
            part.name or names["image"],
            part.name,
        )
    name: SafeString | str = part.name or names[part.kind]
    if part.link:
        label = part.name or content.plain(part.link, 80)
        name = fill(_LINK, part.link, label)
    elif kept:
        name = fill('<a href="{}">{}</a>', kept, name)
    return fill(
        f'<p class="file">{_ICON.format(icons[part.kind])}<span>{{}}{{}}</span></p>',
        name,
        fill(" <small>{}</small>", part.detail) if part.detail else "",
    )


def _cited(sources: list[Source], reading: Reading) -> SafeString:
    lines = []
    for source in sources:
        link = source.link or reading.address_of_file(source.file_id)
        lines.append(
            fill(f'<li dir="auto">{_LINK}</li>', link, source.title)
            if link
            else fill('<li dir="auto">{}</li>', source.title)
        )
    return fill(
        '<section class="sources" aria-label="{0}"><h3>{0}</h3><ol>{1}</ol></section>\n',
        _("Sources"),
        joined(lines),
    )
