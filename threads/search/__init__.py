"""Full-text search over the archive."""

from __future__ import annotations
