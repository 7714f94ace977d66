"""The public pages: limit, validate, one call, answer."""

from __future__ import annotations
