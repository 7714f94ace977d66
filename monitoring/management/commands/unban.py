"""`manage.py unban ADDRESS`: the way back in for whoever was locked out."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from monitoring.actions import unban
from monitoring.models import RequestBan
from threadhub.lib.networks import network_of


class Command(BaseCommand):
    help = "Lift the bans that keep an address or a network out. Holds at once, in all processes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", nargs="?", help="such as 192.0.2.7 or 192.0.2.0/24")
        parser.add_argument("--all", action="store_true", help="lift every ban")

    def handle(self, *, address: str | None, all: bool, **options: Any) -> None:  # noqa: A002
        if bool(address) == all:
            raise CommandError("Name an address or network, or say --all.", returncode=2)
        now = timezone.now()
        if all:
            wanted = [network_of(ban.network) for ban in RequestBan.objects.standing(now)]
        else:
            try:
                wanted = [network_of(address or "")]
            except ValueError:
                raise CommandError(
                    f"{address} is no address and no network.", returncode=2
                ) from None
        lifted = [ban for network in wanted for ban in unban(network, by=None, now=now)]
        for ban in lifted:
            self.stdout.write(f"Lifted the ban of {ban}.")
        if not lifted:
            raise CommandError("No ban stands there.")
