"""How much room a year of the system's figures takes, and from how many points it is drawn.

    python benchmarks/metrics.py [--days 365]

Makes a database of its own in a temporary folder, writes a figure a minute for that long, and
merges them every six hours as the worker does every hour. Prints rows and bytes in the database
as they are, and as they would be unmerged, then points and time of each range's charts.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT_BYTES = 50 * 1000 * 1000
MERGED_EVERY = timedelta(hours=6)


def size() -> int:
    """Return the bytes of the table and its indexes; free pages are not counted."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pgsize) FROM dbstat"
            " WHERE name LIKE '%systemmetric%' OR name LIKE 'metric_once%'"
        )
        return int(cursor.fetchone()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["THREADHUB_DATA_DIR"] = folder
        os.environ["DATABASE_URL"] = f"sqlite:///{folder}/threadhub.sqlite3"
        os.environ["DJANGO_SETTINGS_MODULE"] = "threadhub.settings"
        os.environ.setdefault("SECRET_KEY", "x" * 50)
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        from django.contrib.auth.models import User
        from django.core.management import call_command

        from monitoring.charts import MOST_POINTS, RANGES, charts_for
        from monitoring.models import SystemMetric
        from monitoring.retention import thin_out_metrics

        call_command("migrate", verbosity=0)

        def figure(at: datetime) -> SystemMetric:
            number = int(at.timestamp()) // 60
            return SystemMetric(
                measured_at=at,
                cpu_percent=number % 1_000 / 10,
                memory_percent=number % 700 / 10,
                memory_used_bytes=8_000_000_000 + number,
                memory_total_bytes=16_000_000_000,
                disk_percent=40.1,
                disk_free_bytes=100_000_000_000 - number,
                database_bytes=1_000_000_000 + number,
                queue_length=number % 7,
                running_jobs=number % 3,
                failed_jobs=0,
                search_count=number % 50,
                search_p50_ms=number % 90 / 10,
                search_p95_ms=number % 900 / 10,
                error_count=0,
                worker_count=2,
                thread_count=100_000 + number,
                message_count=1_000_000 + number,
                total_tokens=500_000_000 + number,
            )

        end = datetime.now(tz=UTC).replace(second=0, microsecond=0)
        now = end - timedelta(days=options.days)
        plain = 0.0
        while now < end:
            until = min(now + MERGED_EVERY, end)
            minutes = int((until - now).total_seconds()) // 60
            rows = [figure(now + timedelta(minutes=number)) for number in range(minutes)]
            SystemMetric.objects.bulk_create(rows, batch_size=500)
            if not plain:
                plain = size() / minutes
            now = until
            thin_out_metrics(now)
        kept, taken = SystemMetric.objects.count(), size()
        root = User.objects.create_superuser("root")
        print(f"{options.days * 1_440:,} minutes were measured; {kept:,} rows are left")
        unmerged = plain * options.days * 1_440
        print(f"{taken / 1e6:8.2f} MB of table and index, {unmerged / 1e6:.0f} MB unmerged")
        worst = 0
        for chosen in RANGES.values():
            began = time.process_time()
            made = charts_for(root, chosen, now=end)
            took = (time.process_time() - began) * 1_000
            points = max(len(chart.columns[0]) for chart in made)
            worst = max(worst, points)
            print(f"{points:8,} points at the most, {took:6.1f} ms (CPU)  {chosen.key}")
        print("within" if taken < LIMIT_BYTES and worst <= MOST_POINTS else "ABOVE", "the limits")


if __name__ == "__main__":
    main()
