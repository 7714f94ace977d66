"""What a person may ask about their data: find it, hand it out, prove that it was deleted."""

from __future__ import annotations

from threads.subjects.finding import find
from threads.subjects.pack import PACKS_KEPT, pack_path, remove_old_packs, sha256_of, write_pack
from threads.subjects.receipt import receipt_for

__all__ = [
    "PACKS_KEPT",
    "find",
    "pack_path",
    "receipt_for",
    "remove_old_packs",
    "sha256_of",
    "write_pack",
]
