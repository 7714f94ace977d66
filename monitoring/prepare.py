"""What an installation needs before it can serve its first page. Each step is safe to repeat."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass

import django
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from monitoring.models import AuditEvent
from monitoring.tasks import load_sample_archive
from projects.models import Connection, Project
from projects.rotation import note_readability
from threadhub.lib.tasks import enqueue
from threads import actions


@dataclass(frozen=True, slots=True)
class FirstAccount:
    """The account that was just made. `password` is None when the operator chose it."""

    username: str
    password: str | None


def pending_migrations() -> int:
    """Return how many migrations the database still needs; two queries."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def prepare_database() -> bool:
    """Bring the tables up to date. False: they were."""
    if pending_migrations() == 0:
        return False
    call_command("migrate", interactive=False, verbosity=0)
    return True


def _static_fingerprint() -> str:
    """A hash that changes whenever a static file does, from names, sizes and times."""
    digest = hashlib.sha256(f"{django.__version__} {settings.STORAGES['staticfiles']}".encode())
    for finder in get_finders():
        for path, storage in finder.list(ignore_patterns=None):
            stat = os.stat(storage.path(path))  # noqa: PTH116 - thousands of files
            digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def prepare_static_files() -> bool:
    """Collect and compress the static files. False: none had changed since the last time."""
    stamp = settings.THREADHUB_DATA_DIR / "static.sha256"
    fingerprint = _static_fingerprint()
    if settings.STATIC_ROOT.is_dir() and stamp.is_file() and stamp.read_text() == fingerprint:
        return False
    # Cleared, because files that came with an older date than the last collection are skipped.
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp.write_text(fingerprint)
    return True


def prepare_first_account() -> FirstAccount | None:
    """Make an administrator when there is none. None: there is one.

    The password is THREADHUB_ADMIN_PASSWORD, or a random one that the caller shows once.
    """
    if User.objects.filter(is_superuser=True, is_active=True).exists():
        return None
    username = "admin"
    while User.objects.filter(username=username).exists():
        username = f"admin-{secrets.token_hex(2)}"
    chosen = os.environ.get("THREADHUB_ADMIN_PASSWORD", "")
    password = chosen or secrets.token_urlsafe(12)
    User.objects.create_superuser(username, "", password)
    return FirstAccount(username=username, password=None if chosen else password)


def prepare_keys() -> str:
    """Mark the connections whose API key cannot be opened any more, and those where it can again.

    Returns a sentence for the operator when keys are lost, else "".
    """
    note_readability()
    count = Connection.objects.filter(state=Connection.State.UNREADABLE).count()
    if not count:
        return ""
    return (
        f"{count} stored API key(s) cannot be opened, so their connections pause. Put the lost"
        " master key back into THREADHUB_ENCRYPTION_KEYS, or enter the API keys again."
    )


def prepare_sample(*, in_background: bool) -> bool:
    """Load the sample project into an archive that never held anything. False: it did.

    In the background it needs a worker; the first page then comes seconds earlier.
    """
    was_loaded = AuditEvent.objects.filter(action="sample.load").exists()
    if was_loaded or Project.objects.exists():
        return False
    if in_background:
        enqueue(load_sample_archive)
    else:
        actions.load_sample()
    return True
