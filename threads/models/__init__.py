"""The archive's tables, one file per family."""

from __future__ import annotations

from threads.models.bookmark import Bookmark
from threads.models.file_reference import FileReference
from threads.models.fresh_search import FreshSearch
from threads.models.job import Job
from threads.models.message import Message, MessageSource
from threads.models.refresh import RefreshBucket, RefreshReturns
from threads.models.saved_search import SavedSearch
from threads.models.share_link import ShareLink
from threads.models.subject_request import SubjectFinding, SubjectRequest
from threads.models.sync_run import SyncRun
from threads.models.thread import Assistant, Thread
from threads.models.tombstone import Tombstone

__all__ = [
    "Assistant",
    "Bookmark",
    "FileReference",
    "FreshSearch",
    "Job",
    "Message",
    "MessageSource",
    "RefreshBucket",
    "RefreshReturns",
    "SavedSearch",
    "ShareLink",
    "SubjectFinding",
    "SubjectRequest",
    "SyncRun",
    "Thread",
    "Tombstone",
]
