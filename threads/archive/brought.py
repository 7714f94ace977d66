"""The files that an import brings along with its threads."""

from __future__ import annotations

from collections.abc import Iterator

from projects.models import Project
from threads import attachments
from threads.imports import ImportedFile, ImportedThread


class BroughtFiles:
    """Puts files on the disk once; in a rehearsal they are looked at and left."""

    def __init__(self, project: Project, *, is_dry_run: bool) -> None:
        self._project, self._is_dry_run = project, is_dry_run
        self._rehearsed: set[str] = set()
        self.new_count = 0

    def take(self, item: ImportedThread) -> Iterator[str]:
        """Keep what is not here yet; yield a sentence about each file that cannot be kept."""
        for file in item.files:
            if self._is_here(file.file_id):
                continue
            try:
                self._keep(file)
            except attachments.FileRefused as refused:
                yield f"The file {file.file_id} is not kept. {refused}"
            except file.unreadable as error:
                yield f"The file {file.file_id} cannot be read: {error}."
            else:
                self.new_count += 1

    def _is_here(self, file_id: str) -> bool:
        return file_id in self._rehearsed or attachments.is_kept(self._project, file_id)

    def _keep(self, file: ImportedFile) -> None:
        with file.open() as stream:
            if self._is_dry_run:
                attachments.check_file(file.file_id, stream)
                self._rehearsed.add(file.file_id)
            else:
                attachments.keep_file(self._project, file.file_id, stream)
