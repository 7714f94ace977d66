"""The three jobs of a data request: find, pack, delete."""

from __future__ import annotations

from contextlib import ExitStack

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from projects.models import Project
from threadhub.lib import audit
from threads import subjects
from threads.exports.records import records
from threads.models import Job, SubjectFinding, SubjectRequest, Thread
from threads.subjects.pack import PackStopped
from threads.work.erasing import Ended, Stores, Wait, erase_one
from threads.work.slices import Outcome, Pace, cancelled, go_on, taken_over, wait


def _request_of(job: Job) -> SubjectRequest | None:
    found = SubjectRequest.objects.filter(pk=job.parameters["request_id"])
    return found.select_related("requested_by").first()


def _nothing(job: Job) -> Outcome:
    message = _("The request is not there any more.")
    job.finish(now=timezone.now(), error=message)
    return Outcome(message)


def find_data(job: Job) -> Outcome:
    """Find the threads in the projects that the person who asked manages now."""
    request = _request_of(job)
    if request is None:
        return _nothing(job)
    within = Project.objects.managed_by(job.requested_by).filter(
        pk__in=request.projects.values("pk")
    )
    terms, now, pace, is_mine = request.terms(), timezone.now(), Pace(), True
    job.advance(now=now, done=0, total=len(terms))

    def progress(done: int) -> bool:
        nonlocal is_mine
        if pace.is_due():
            is_mine = job.advance(now=timezone.now(), done=done, total=len(terms))
        return is_mine

    found = subjects.find(terms, within=within, now=now, progress=progress)
    if not is_mine:
        return taken_over(job)
    threads = Thread.objects.filter(pk__in=found).select_related("project").order_by("pk")
    with transaction.atomic():
        request.findings.all().delete()
        SubjectFinding.objects.bulk_create(
            [
                SubjectFinding(
                    request=request,
                    thread=thread,
                    project_id=thread.project_id,
                    project_name=thread.project.name,
                    external_id=thread.external_id,
                    message_count=thread.item_count,
                    reasons=sorted(found[thread.pk]),
                )
                for thread in threads
            ],
            batch_size=500,
        )
        request.state = SubjectRequest.State.REVIEW
        request.save(update_fields=["state"])
    sentence = ngettext("%d thread found.", "%d threads found.", len(found)) % len(found)
    job.advance(now=timezone.now(), done=len(terms), total=max(1, len(terms)))
    job.finish(now=timezone.now(), result={"message": sentence})
    return Outcome(sentence)


def _chosen(job: Job, request: SubjectRequest) -> list[SubjectFinding]:
    """Return what belongs to the case and is in a project that the person manages now."""
    projects = Project.objects.managed_by(job.requested_by).values("pk")
    included = request.findings.filter(is_included=True, thread__project__in=projects)
    return list(included.order_by("pk"))


def pack_data(job: Job) -> Outcome:
    """Write the pack of what was chosen."""
    request = _request_of(job)
    if request is None:
        return _nothing(job)
    ids = [found.thread_id for found in _chosen(job, request) if found.thread_id]
    now, pace = timezone.now(), Pace()

    def progress(done: int) -> bool:
        if not pace.is_due():
            return True
        return job.advance(now=timezone.now(), done=done, total=max(1, 2 * len(ids)))

    try:
        request.pack_sha256 = subjects.write_pack(
            subjects.pack_path(request.pk),
            ids,
            reference=request.reference,
            now=now,
            progress=progress,
        )
    except PackStopped:
        return taken_over(job)
    request.packed_at, request.state = now, SubjectRequest.State.REVIEW
    request.save(update_fields=["pack_sha256", "packed_at", "state"])
    audit.record(
        action="subject.pack",
        actor=job.requested_by,
        target=request,
        threads=len(ids),
        sha256=request.pack_sha256,
    )
    sentence = ngettext("%d thread packed.", "%d threads packed.", len(ids)) % len(ids)
    job.advance(now=timezone.now(), done=2 * len(ids), total=max(1, 2 * len(ids)))
    job.finish(now=timezone.now(), result={"message": sentence})
    return Outcome(sentence)


def erase_data(job: Job) -> Outcome:
    """Delete what was chosen, note each thread's hash and outcome, and make the receipt."""
    request = _request_of(job)
    if request is None:
        return _nothing(job)
    left = [found for found in _chosen(job, request) if not found.end or found.end in _AGAIN]
    before = request.findings.exclude(end="").count()
    total, pace = before + len(left), Pace()
    with ExitStack() as stack:
        stores = Stores(stack) if job.parameters.get("erases_upstream") else None
        for done, found in enumerate(left, start=1):
            try:
                _erase(found, stores, job)
            except Wait:
                return cancelled(job) or wait()
            if pace.is_due() and not job.advance(
                now=timezone.now(), done=before + done, total=total
            ):
                return taken_over(job)
            if pace.is_over() and done < len(left):
                job.advance(now=timezone.now(), done=before + done, total=total)
                return cancelled(job) or go_on(job)
    sentence = _finish(request, job)
    job.advance(now=timezone.now(), done=total, total=max(1, total))
    kept = request.findings.filter(is_included=True, end="kept").count()
    error = _("%d stay because their store did not delete them.") % kept if kept else ""
    job.finish(now=timezone.now(), result={"message": sentence}, error=error)
    return Outcome(sentence)


_AGAIN = {"kept", "held"}  # whoever runs it again means these


def _erase(found: SubjectFinding, stores: Stores | None, job: Job) -> None:
    thread = (
        Thread.objects.select_related("project", "connection")
        .filter(pk=found.thread_id or 0)
        .first()
    )
    ended = Ended()
    if thread is None:
        found.end, found.why = "missing", ""
    else:
        found.sha256 = subjects.sha256_of(next(records([thread.pk], with_source=True)))
        found.message_count = thread.item_count
        erase_one(thread, stores, ended, by=job.requested_by)
        _name, found.end, found.why = ended.rows[str(found.thread_id)]
    found.ended_at = timezone.now()
    found.save(update_fields=["sha256", "message_count", "end", "why", "ended_at"])


def _finish(request: SubjectRequest, job: Job) -> str:
    now = timezone.now()
    receipt = subjects.receipt_for(request, now=now)
    with transaction.atomic():
        receipt["audit"] = audit.record(
            action="subject.erase",
            actor=job.requested_by,
            target=request,
            threads=len(receipt["threads"]),
            receipt_sha256=receipt["receipt_sha256"],
        )
        request.receipt, request.erased_at = receipt, now
        request.state = SubjectRequest.State.DONE
        # What was looked for is personal itself; the receipt has its hashes.
        request.user_ids = request.emails = request.texts = ""
        request.save()
    gone = sum(each["outcome"] not in _AGAIN for each in receipt["threads"])
    return ngettext("%d thread is deleted.", "%d threads are deleted.", gone) % gone
