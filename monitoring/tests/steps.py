"""What people do in a day, by the doors that they use, and what each step puts on record."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Callable
from datetime import timedelta

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from monitoring.models import RequestBan
from monitoring.tests.day import KEY, NO_CONNECTIONS, PASSWORD, Day
from projects.accounts import roles
from projects.models import ApiToken
from projects.tests.test_accounts import code_of
from threads import actions
from threads.models import Job, SavedSearch, ShareLink, SubjectRequest, Thread


def logs_in(day: Day) -> None:
    day.post("/account/login/", login="root", password="wrong")
    day.post("/account/login/", login="root", password=PASSWORD)


def sets_up_a_second_factor(day: Day) -> None:
    activate = "/account/second-factor/totp/activate/"
    secret = day.client.get(activate).context["form"].secret
    day.post(activate, code=code_of(secret))


def changes_their_account(day: Day) -> None:
    day.post("/account/", username="root", email="r@example.org")


def changes_their_password(day: Day) -> None:
    given = {"oldpassword": PASSWORD, "password1": f"{PASSWORD}!", "password2": f"{PASSWORD}!"}
    day.post("/account/password/change/", **given)


def ends_a_session(day: Day) -> None:
    other = Client()
    other.force_login(User.objects.create_user("bob"))
    other.post("/account/sessions/end/")


def searches(day: Day) -> None:
    day.client.get("/", {"q": "refund"})


def reads_a_private_thread(day: Day) -> None:
    day.client.get(next(day.threads).get_absolute_url())


def reads_one_through_the_api(day: Day) -> None:
    _row, token = ApiToken.issue(
        day.root, name="x", scopes=["read"], now=timezone.now(), life=timedelta(days=1)
    )
    address = f"/api/v1/threads/{next(day.threads).short_id}"
    Client().get(address, headers={"Authorization": f"Bearer {token}"})


def reads_one_in_the_console(day: Day) -> None:
    day.client.get(reverse("admin:threads_thread_change", args=[next(day.threads).pk]))


def exports(day: Day) -> None:
    day.post("/exports/new/", q="refund", form="jsonl", rows="messages")


def exports_by_command(day: Day) -> None:
    file = str(day.folder / "out.jsonl")
    call_command("export_threads", "--project", "support", "--format", "jsonl", output=file)


def exports_the_audit_log(day: Day) -> None:
    day.client.get(reverse("admin:monitoring_auditevent_download"))


def changes_settings(day: Day) -> None:
    page = day.client.get("/admin/projects/sitesettings/", follow=True)
    form = page.context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    given = {name: value for name, value in values.items() if value not in (None, False)}
    day.post("projects_sitesettings_change", 1, **given | {"keep_trash_days": 7})


def restores_settings(day: Day) -> None:
    day.post("projects_sitesettings_restore")


def changes_a_key(day: Day) -> None:
    form = {"project": day.project.pk, "name": "Main", "store": "conversations"}
    form |= {"is_enabled": "on", "calls_per_minute": 6_000, "base_url": day.server.url}
    form |= {"api_key": KEY}
    day.post("projects_connection_change", day.connection.pk, **form)


def uses_a_key(day: Day) -> None:
    chosen = {"action": "test_selected", "_selected_action": [day.connection.pk]}
    day.post("projects_connection_changelist", **chosen)


def rotates_keys(day: Day) -> None:
    newest = base64.b64encode(secrets.token_bytes(32)).decode()
    before = day.settings.THREADHUB_ENCRYPTION_KEYS
    day.settings.THREADHUB_ENCRYPTION_KEYS = f"{newest},{before}"
    call_command("rotate_keys")


def adds_threads(day: Day) -> None:
    day.post("threads_thread_add", connection=day.connection.pk, ids="conv_1")


def syncs(day: Day) -> None:
    day.act("refresh_now", Thread.objects.get(external_id="conv_1"))
    day.work()


def trashes_and_restores(day: Day) -> None:
    thread = next(day.threads)
    day.act("move_to_trash", thread)
    day.act("restore", thread)


def holds_and_releases(day: Day) -> None:
    thread = next(day.threads)
    day.act("hold", thread)
    day.act("release", thread)


def deletes_threads(day: Day) -> None:
    answer = day.act("delete_here", next(day.threads))
    day.post(answer.redirect_chain[-1][0], typed="1")
    day.work()


def deletes_a_thread_upstream(day: Day) -> None:
    answer = day.act("delete_upstream", Thread.objects.get(external_id="conv_1"))
    day.post(answer.redirect_chain[-1][0], typed="1")
    day.work()


def deletes_what_its_time_has_come(day: Day) -> None:
    Thread.objects.filter(pk=next(day.threads).pk).update(
        trashed_at=timezone.now() - timedelta(days=99)
    )
    call_command("prune")


def handles_a_data_request(day: Day) -> None:
    form = {"reference": "Case 7", "user_ids": "", "emails": "", "texts": "refund"}
    day.post("threads_subjectrequest_add", **form, projects=[day.project.pk])
    day.work()
    case = SubjectRequest.objects.get()
    keys = [finding.pk for finding in case.findings.all()[:1]]
    day.post("threads_subjectrequest_choose", case.pk, included=keys, findings=keys)
    day.post("threads_subjectrequest_pack", case.pk)
    day.work()
    day.client.get(reverse("admin:threads_subjectrequest_file", args=[case.pk]))
    day.post("threads_subjectrequest_erase", case.pk, typed="Case 7")
    day.work()


def gives_roles(day: Day) -> None:
    form = {"username": "ada", "usable_password": "true", "password1": PASSWORD}
    day.post("auth_user_add", **form, password2=PASSWORD, role="viewer")
    ada = User.objects.get(username="ada")
    groups = [group.pk for group in ada.groups.all()]
    shown = {"username": "ada", "is_active": "on", "groups": groups, "role": "owner"}
    day.post("auth_user_change", ada.pk, **shown)
    assert roles.of(User.objects.get(pk=ada.pk)) is roles.Role.OWNER


def gives_a_role_by_command(day: Day) -> None:
    call_command("set_role", "ada", "member")


def ends_sessions_and_second_factors(day: Day) -> None:
    ada = User.objects.get(username="ada")
    Client().post("/account/login/", {"login": "ada", "password": PASSWORD})
    for action in ("log_out_everywhere", "reset_second_factors"):
        day.post("auth_user_changelist", action=action, _selected_action=[ada.pk])


def takes_a_second_factor_off_by_command(day: Day) -> None:
    call_command("reset_second_factor", "root")


def founds_projects(day: Day) -> None:
    form = {"name": "Sales", "slug": "sales", "visibility": "members"}
    day.post("projects_project_add", **form, **NO_CONNECTIONS)
    call_command("add_project", "Returns")


def syncs_a_project(day: Day) -> None:
    day.post("threads_project_sync", day.project.pk)
    day.work()


def tries_the_samples(day: Day) -> None:
    actions.load_sample(by=day.root)
    day.post("sample_remove")


def changes_a_project(day: Day) -> None:
    form = {"name": "Support", "slug": "support", "visibility": "members"}
    owners = [User.objects.get(username="ada").pk]
    day.post("projects_project_change", day.project.pk, **form, **NO_CONNECTIONS, owners=owners)


def bans_and_lifts(day: Day) -> None:
    day.post("monitoring_requestban_add", network="192.0.2.0/24", lasts="60", reason="spam")
    ban = RequestBan.objects.get()
    day.post("monitoring_requestban_changelist", action="lift", _selected_action=[ban.pk])


def imports(day: Day) -> None:
    line = {"id": "thread_new", "messages": [{"role": "user", "text": "Hi"}]}
    file = SimpleUploadedFile("talks.jsonl", json.dumps(line).encode())
    form = {"project": day.project.pk, "format": "auto", "list_action": "add", "file": file}
    day.post("threads_import", **form)
    day.work()
    job = Job.objects.filter(kind="import").latest("queued_at")
    day.post("threads_import_run", job.pk)
    day.work()


def posts_threads(day: Day) -> None:
    _row, token = ApiToken.issue(
        day.root, name="w", scopes=["write"], now=timezone.now(), life=timedelta(days=1)
    )
    thread = {"id": "thread_posted", "messages": [{"role": "user", "text": "Hi"}]}
    Client().post(
        "/api/v1/threads",
        {"project": "support", "threads": [thread]},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )


def makes_and_revokes_a_token(day: Day) -> None:
    day.post("/account/tokens/", name="robot", scopes=["read"], days="30")
    token = ApiToken.objects.get(name="robot")
    day.post(f"/account/tokens/{token.pk}/revoke/")


def shares_a_thread(day: Day) -> None:
    thread = Thread.objects.filter(trashed_at=None, store="assistants")[0]
    address = f"{thread.get_absolute_url()}share/"
    page = day.post(address, note="Ms Lin", days="7").content.decode()
    shared = re.search(r"/shared/[\w-]+/", page)
    assert shared is not None
    Client().get(shared[0])
    day.post(f"{address}{ShareLink.objects.get().pk}/revoke/")


def cancels_and_retries_a_job(day: Day) -> None:
    job = Job.objects.create(kind="sync_project", key="x", project=day.project)
    day.post("threads_job_cancel", job.pk)
    Job.objects.filter(pk=job.pk).update(state="cancelled")
    day.post("threads_job_retry", job.pk)
    Job.objects.live().delete()


def asks_for_a_fresh_search(day: Day) -> None:
    day.post("/fresh-searches/", q="refund", project=["support"])
    Job.objects.live().delete()


def gives_a_search_a_feed(day: Day) -> None:
    saved = SavedSearch.objects.create(owner=day.root, name="x", query="x")
    day.post(f"/saved/{saved.pk}/feed/")
    day.post(f"/saved/{saved.pk}/feed/", off="1")


def deletes_a_project(day: Day) -> None:
    Thread.objects.update(is_held=False)
    day.post("threads_project_delete", day.project.pk, typed="support")
    day.work()


def logs_out(day: Day) -> None:
    day.post("/account/logout/")


STEPS: dict[Callable[[Day], None], set[str]] = {
    logs_in: {"login", "login refused"},
    sets_up_a_second_factor: set(),  # told after the commit
    changes_their_account: {"account.profile"},
    changes_their_password: {"account.password.changed"},
    ends_a_session: {"account.session.end"},
    searches: {"search"},
    reads_a_private_thread: {"thread.read"},
    reads_one_through_the_api: {"thread.read"},
    reads_one_in_the_console: {"thread.read"},
    exports: {"export"},
    exports_by_command: {"export"},
    exports_the_audit_log: {"audit.export"},
    changes_settings: {"sitesettings.change"},
    restores_settings: {"sitesettings.restore"},
    changes_a_key: {"connection.key", "connection.change"},
    uses_a_key: {"connection.test", "connection.use_key"},
    rotates_keys: {"keys.rotate"},
    adds_threads: {"thread.add"},
    syncs: {"thread.sync"},
    trashes_and_restores: {"thread.trash", "thread.restore"},
    holds_and_releases: {"thread.hold", "thread.release"},
    deletes_threads: {"thread.request_deletion", "thread.delete"},
    deletes_a_thread_upstream: {"thread.request_deletion", "thread.erase"},
    deletes_what_its_time_has_come: {"threads.prune"},
    gives_roles: {"user.add", "user.role", "user.change"},
    gives_a_role_by_command: {"user.role"},
    ends_sessions_and_second_factors: {"user.sessions_end"},
    takes_a_second_factor_off_by_command: {"user.second_factor_reset"},
    founds_projects: {"project.add"},
    syncs_a_project: {"project.sync"},
    tries_the_samples: {"sample.load", "sample.remove"},
    changes_a_project: {"project.change"},
    bans_and_lifts: {"ban.add", "ban.lift"},
    imports: {"threads.import"},
    posts_threads: {"thread.post"},
    makes_and_revokes_a_token: {"apitoken.add", "apitoken.revoke"},
    shares_a_thread: {"thread.share", "thread.read", "thread.unshare"},
    cancels_and_retries_a_job: {"job.cancel", "job.retry"},
    asks_for_a_fresh_search: {"fresh_search.request"},
    gives_a_search_a_feed: {"saved_search.feed_on", "saved_search.feed_off"},
    handles_a_data_request: {
        *("subject.open", "subject.review", "subject.pack", "subject.download"),
        *("subject.request_erasure", "thread.erase", "subject.erase"),
    },
    deletes_a_project: {"project.delete"},
    logs_out: {"logout"},
}
