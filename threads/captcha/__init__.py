"""A question that people answer more easily than programs do: asked once, answered once.

A speed bump, not a wall: programs read pictures, too. What protects a project is the limit of
its calls and the limit of requests; this makes the first thousand tries cost something.
"""

from __future__ import annotations

from threads.captcha.problems import Mode
from threads.captcha.tokens import LIFETIME, Question, Verdict, ask, check

__all__ = ["LIFETIME", "Mode", "Question", "Verdict", "ask", "check"]
