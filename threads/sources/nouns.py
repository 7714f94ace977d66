"""What each store calls its threads, for sentences."""

from __future__ import annotations

NOUNS = {
    "conversations": "conversations",
    "assistants": "Assistants threads",
    "chatkit": "ChatKit threads",
    "completions": "stored chat completions",
    "responses": "responses",
    "agents": "agent sessions",
}
