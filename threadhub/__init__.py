"""ThreadHub keeps, searches, exports and governs the conversations of OpenAI-based assistants."""

from __future__ import annotations

__version__ = "0.1.0"
