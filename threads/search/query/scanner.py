"""Walks through the text of a query: spaces, bare words, quoted texts."""

from __future__ import annotations

import re

from threads.search.query.letters import QUOTES, unquote
from threads.search.query.notices import Notices

_QUOTED = re.compile(r'(?:[^"\\]|\\.)*', re.DOTALL)
# Typographic quotes, which some keyboards make, close each other.
_CLOSING = {'"': '"', "“": '“”"', "”": '“”"', "„": '“”"'}


class Scanner:
    """Stands at `at` in `text`; inside thread:{…} a closing brace ends words, too."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.is_in_thread = False
        self.notices = Notices()

    def rest(self) -> str:
        return self.text[self.at : self.at + 2]

    def here(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def skip_space(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def quoted(self) -> str:
        """Read what is in the quotes; without an end it is all the rest."""
        start = self.at
        closing = _CLOSING[self.text[start]]
        pattern = _QUOTED if closing == '"' else re.compile(f"[^{closing}]*")
        match = pattern.match(self.text, start + 1)
        end = match.end() if match else start + 1
        self.at = min(end + 1, len(self.text))
        if end >= len(self.text) or self.text[end] not in closing:
            self.notices.add("unclosed_quote", start, 1)
            end = self.at = len(self.text)
        return unquote(self.text[start + 1 : end])

    def bare(self, *, stops: str) -> str:
        """Read up to a space, a quote, one of `stops` or a bracket that was opened before it."""
        start = self.at
        round_depth = brace_depth = 0
        while self.at < len(self.text):
            here = self.text[self.at]
            if here.isspace() or here in QUOTES or here in stops:
                break
            if here == ")" and not round_depth:
                break
            if here == "}" and not brace_depth and self.is_in_thread:
                break
            round_depth += (here == "(") - (here == ")")
            brace_depth += (here == "{") - (here == "}" and brace_depth > 0)
            self.at += 1
        return self.text[start : self.at]
