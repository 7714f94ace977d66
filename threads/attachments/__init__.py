"""Images and files that messages name, on this server's disk.

Two folders under the data directory: `kept` holds what an import brought and nobody else has,
`fetched` what came from a store and can be had again. No row says what is there: the disk does.
"""

from __future__ import annotations

from threads.attachments.kinds import Kind, KindSniffer, kind_of
from threads.attachments.places import is_file_id, is_place
from threads.attachments.storage import (
    FileRefused,
    TooLarge,
    cached_file,
    check_file,
    forget_unnamed,
    is_kept,
    keep_fetched,
    keep_file,
    kept_folder,
    make_room,
    most_bytes,
)

__all__ = [
    "FileRefused",
    "Kind",
    "KindSniffer",
    "TooLarge",
    "cached_file",
    "check_file",
    "forget_unnamed",
    "is_file_id",
    "is_kept",
    "is_place",
    "keep_fetched",
    "keep_file",
    "kept_folder",
    "kind_of",
    "make_room",
    "most_bytes",
]
