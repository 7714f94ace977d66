"""The allow-list that all HTML made here passes, so that a mistake elsewhere does no harm."""

from __future__ import annotations

import nh3
from pygments.token import STANDARD_TYPES

from threads.content.code import LANGUAGES

_TAGS = {"p", "br", "hr", "strong", "em", "s", "a", "code", "pre", "blockquote", "div", "span"}
_TAGS |= {"h3", "h4", "h5", "h6", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"}
_TAGS |= {"sup"}
_CLASSES = {
    "code": {f"language-{name}" for name in LANGUAGES} | {"math"},
    "div": {"code", "code-head", "scroll"},
    "span": {name for name in STANDARD_TYPES.values() if name} | {"image"},
    "sup": {"cite"},
    "td": {"end", "center"},
    "th": {"end", "center"},
}
SANITISER = nh3.Cleaner(
    tags=_TAGS,
    attributes={"a": {"href", "title"}, "ol": {"start"}},
    allowed_classes=_CLASSES,
    url_schemes={"http", "https", "mailto"},
    link_rel="nofollow noopener noreferrer",
    strip_comments=True,
)
