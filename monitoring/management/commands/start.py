"""`manage.py start`: everything that ThreadHub needs, in one process tree."""

from __future__ import annotations

import socket
import sys
import urllib.error
import urllib.request
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections

from monitoring import prepare
from monitoring.schedules import sync_schedules
from threadhub.lib.supervisor import IS_WINDOWS, Program, Supervisor

WEB_PROCESSES = 2
WEB_THREADS = 8  # for each process; slow downloads and slow clients hold one each


def refuse_a_taken_port(host: str, port: int) -> None:
    """:raises CommandError: when no server can listen there."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if not IS_WINDOWS:  # there the option would let two servers share the port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CommandError(
            f"Port {port} on {host} cannot be used ({reason}). Choose another with --port."
        ) from error


def web_command(host: str, port: int) -> list[str]:
    bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    application = "threadhub.wsgi:application"
    if IS_WINDOWS:
        options = [f"--listen={bind}", f"--threads={WEB_THREADS}"]
        return [sys.executable, "-m", "waitress", *options, application]
    return [
        *(sys.executable, "-m", "gunicorn", application, "--bind", bind),
        *("--config", "python:threadhub.web_server"),
        *("--workers", str(WEB_PROCESSES), "--threads", str(WEB_THREADS), "--preload"),
        *("--graceful-timeout", "10", "--log-level", "warning"),
        *("--limit-request-line", "8190"),  # a long search in Chinese is nine bytes a letter
        "--no-control-socket",  # its default place is shared by all servers of one user
    ]


class Command(BaseCommand):
    help = "Prepares the database, then runs the web server and the background worker."
    requires_system_checks = []  # the port comes first; then we check ourselves

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on")
        parser.add_argument(
            "--no-worker", action="store_true", help="only the web server: no background work"
        )
        parser.add_argument(
            "--no-sample", action="store_true", help="leave a new archive empty, without samples"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        refuse_a_taken_port(host, port)
        self.check()
        has_worker = not options["no_worker"]
        account = self._prepare(with_sample=not options["no_sample"], has_worker=has_worker)
        folder = settings.BASE_DIR
        programs = [Program("web", web_command(host, port), folder=folder)]
        if has_worker:
            worker = [sys.executable, "manage.py", "qcluster"]
            programs.append(Program("worker", worker, folder=folder))
        connections.close_all()
        status = Supervisor(programs).run(until_ready=self._announce_when_up(host, port, account))
        sys.exit(status)

    def _prepare(self, *, with_sample: bool, has_worker: bool) -> prepare.FirstAccount | None:
        try:
            if prepare.prepare_database():
                self.stdout.write("The database is up to date.")
            if prepare.prepare_static_files():
                self.stdout.write("The static files are in place.")
            if lost := prepare.prepare_keys():
                self.stderr.write(lost)
            account = prepare.prepare_first_account()
            sync_schedules()
            if with_sample and prepare.prepare_sample(in_background=has_worker):
                self.stdout.write("A sample archive to try searches with is being loaded.")
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {error}".strip()) from error
        self.stdout.flush()
        return account

    def _announce_when_up(
        self, host: str, port: int, account: prepare.FirstAccount | None
    ) -> Callable[[], bool]:
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared
        address = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"

        def announce() -> bool:
            try:
                urllib.request.urlopen(f"{address}healthz", timeout=2).close()  # noqa: S310 - ours
            except urllib.error.HTTPError:
                pass  # it answers, which is all we ask
            except OSError:
                return False
            lines = ["", f"  ThreadHub       {address}", f"  Administration  {address}admin/"]
            if account is not None:
                secret = account.password or "as set in THREADHUB_ADMIN_PASSWORD"
                lines.append(f"  User            {account.username}")
                lines.append(f"  Password        {secret}")
                if account.password:
                    lines.append("                  It is shown only now. Keep it, or change it.")
            if shown not in settings.ALLOWED_HOSTS and "*" not in settings.ALLOWED_HOSTS:
                lines.append(f"  {shown} is not in ALLOWED_HOSTS, so browsers are refused there.")
            lines += ["", "  Ctrl-C stops everything.", ""]
            self.stdout.write("\n".join(lines))
            self.stdout.flush()
            return True

        return announce
