"""What every export format is given and gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import BinaryIO

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from threads.exports.records import ThreadRecord


class ExportCancelled(Exception):
    """Somebody said to stop; no file is left behind."""


class ExportError(Exception):
    """An export cannot be made as asked. The text is a sentence for the person who asked."""


def too_much(reason: str) -> ExportError:
    """Return what says that a PDF needs more than there is."""
    return ExportError(
        _("The PDF could not be made (%(reason)s). Choose fewer threads, or Markdown.")
        % {"reason": reason}
    )


@dataclass(frozen=True, slots=True)
class Options:
    """How an export is written.

    :param per_message: spreadsheets have a message a row; otherwise a thread a row.
    :param columns: keys from `columns.py` in their order; empty means the usual ones.
    :param masked: e-mail addresses, numbers and keys are hidden.
    :param zone: what times are shown in, where the format is for people.
    :param title: what the file says it holds.
    :param progress: for formats that work on after the last thread was read: called every second
        or so with how many threads of the file are complete; False stops the export.
    """

    per_message: bool = True
    columns: tuple[str, ...] = ()
    masked: bool = False
    zone: tzinfo = UTC
    title: str = "ThreadHub"
    progress: Callable[[int], bool] = lambda _done: True


@dataclass(slots=True)
class Written:
    """What went into a file; notes are sentences about what had to be changed or split."""

    threads: int = 0
    messages: int = 0
    rows: int = 0
    notes: tuple[str, ...] = ()


Write = Callable[[Iterable[ThreadRecord], BinaryIO, Options], Written]


@dataclass(frozen=True, slots=True)
class Exporter:
    """A format. `write` puts all records into one open binary file and leaves it open.

    :param opened: gives a `write` for several files of one export that share something.
    :param works_on: most of the work comes when all threads have been read.
    """

    key: str
    label: str | Promise
    extension: str
    content_type: str
    write: Write
    needs_source: bool = False  # the parts and the JSON as received
    one_file_per_thread: bool = False  # several threads go into a ZIP
    opened: Callable[[], AbstractContextManager[Write]] | None = None
    works_on: bool = False

    def writing(self) -> AbstractContextManager[Write]:
        """Return a context in which several files are written with the `write` that it gives."""
        return self.opened() if self.opened else nullcontext(self.write)
