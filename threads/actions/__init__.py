"""What people ask for. Each action is checked, done or queued, and put on the audit log.

Who may ask is the caller's business: rows come from `visible_to(user)` or `managed_by(user)`.
"""

from __future__ import annotations

from threads.actions.exports import request_export
from threads.actions.files import OpenedFile, may_be_asked_for, may_be_had, open_file
from threads.actions.fresh import (
    CAPTCHA_PURPOSE,
    ProjectCost,
    askable_projects,
    cancel_fresh_search,
    needs_captcha,
    preview_fresh_search,
    request_fresh_search,
    retry_fresh_search,
)
from threads.actions.imports import (
    confirm_import,
    forget_uploads,
    has_file,
    has_upload,
    request_import,
)
from threads.actions.jobs import Refused, cancel_job, queue_job, retry_job
from threads.actions.keeping import bookmark_threads, change_chosen
from threads.actions.posted import store_records
from threads.actions.pruning import prune_preview, prune_threads
from threads.actions.reading import note_read, note_search
from threads.actions.removal import (
    Deletion,
    plan_deletion,
    request_project_deletion,
    request_thread_deletion,
)
from threads.actions.sample import load_sample, remove_sample
from threads.actions.sharing import TooManyLinks, may_share, open_shared, share, unshare
from threads.actions.subjects import (
    choose_findings,
    open_subject_request,
    request_erasure,
    request_pack,
)
from threads.actions.syncs import (
    Added,
    add_thread_ids,
    request_project_sync,
    request_sync,
    test_connection,
)
from threads.archive.keeping import Change
from threads.sync import FileBusy, FileGone

__all__ = [
    "CAPTCHA_PURPOSE",
    "Added",
    "Change",
    "Deletion",
    "FileBusy",
    "FileGone",
    "OpenedFile",
    "ProjectCost",
    "Refused",
    "TooManyLinks",
    "add_thread_ids",
    "askable_projects",
    "bookmark_threads",
    "cancel_fresh_search",
    "cancel_job",
    "change_chosen",
    "choose_findings",
    "confirm_import",
    "forget_uploads",
    "has_file",
    "has_upload",
    "load_sample",
    "may_be_asked_for",
    "may_be_had",
    "may_share",
    "needs_captcha",
    "note_read",
    "note_search",
    "open_file",
    "open_shared",
    "open_subject_request",
    "plan_deletion",
    "preview_fresh_search",
    "prune_preview",
    "prune_threads",
    "queue_job",
    "remove_sample",
    "request_erasure",
    "request_export",
    "request_fresh_search",
    "request_import",
    "request_pack",
    "request_project_deletion",
    "request_project_sync",
    "request_sync",
    "request_thread_deletion",
    "retry_fresh_search",
    "retry_job",
    "share",
    "store_records",
    "test_connection",
    "unshare",
]
