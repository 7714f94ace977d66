#!/usr/bin/env python3
"""How fast exports are, beside the bare libraries writing the same cells.

    python benchmarks/export.py [--messages 100000] [--pdf 10,100,1000]

Makes an archive of its own in a temporary folder. Each figure comes from a process of its own, so
the memory is that of this export alone: CPU seconds, and the peak of resident memory. For PDF a
thread of so many messages is exported: seconds of the layout from the start of its process on, and
of the whole, from the start of Python and Django on. `pdf_bombs.py` tries what is hard to lay out.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WORDS = [
    "refund",
    "invoice",
    "parcel",
    "delivery",
    "order",
    "password",
    "account",
    "the",
    "a",
    "is",
    "was",
    "please",
    "could",
    "you",
    "we",
    "will",
    "customer",
    "thanks",
    "error",
    "code",
    "update",
    "payment",
    "card",
    "late",
    "today",
    "tomorrow",
    "退款",
    "訂單",
    "Rechnung",
]
PER_THREAD = 20
ALONE = "alone_"  # before the ids of threads that are exported by themselves


def set_up() -> None:
    sys.path.insert(0, str(ROOT))
    os.environ["DJANGO_SETTINGS_MODULE"] = "threadhub.settings"
    import django

    django.setup()


def messages_of(chance: random.Random, count: int, start: int) -> list[dict[str, Any]]:
    return [
        {
            "role": "assistant" if index % 2 else "user",
            "content": " ".join(chance.choices(WORDS, k=50)),
            "created_at": start + index * 20,
        }
        for index in range(count)
    ]


def fill(messages: int, lengths: list[int]) -> None:
    """Import `messages` messages of about 300 characters, and threads of `lengths` messages."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("add_project", "Benchmark", visibility="public", verbosity=0)
    chance = random.Random(5)  # noqa: S311 - the same archive each time
    path = Path(os.environ["THREADHUB_DATA_DIR"]) / "archive.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(messages // PER_THREAD):
            lines = messages_of(chance, PER_THREAD, 1_767_225_600 + number * 600)
            record = {"id": f"conv_{number:06d}", "title": f"Thread {number}", "messages": lines}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
        for count in lengths:
            lines = messages_of(chance, count, 1_767_225_600)
            record = {"id": f"{ALONE}{count}", "title": f"{count}", "messages": lines}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    call_command("import_threads", str(path), project="benchmark", verbosity=0)
    path.unlink()


def chosen_ids(external_id: str) -> list[int]:
    """Return the thread of that id, or all of the archive."""
    from threads.models import Thread

    found = Thread.objects.order_by("pk")
    if external_id:
        found = found.filter(external_id=external_id)
    else:
        found = found.exclude(external_id__startswith=ALONE)
    return list(found.values_list("pk", flat=True))


def rows() -> Iterator[list[Any]]:
    """The cells of an export with messages as rows, as plain values."""
    from datetime import UTC

    from threads.exports import columns
    from threads.exports.records import records

    chosen = columns.chosen((), per_message=True)
    for record in records(chosen_ids("")):
        yield from columns.rows(record, chosen, per_message=True, masked=False, zone=UTC)


def threadhub(form: str, path: Path, external_id: str) -> None:
    from datetime import UTC, datetime

    from threads.exports import EXPORTERS, Options, make_file

    ids = chosen_ids(external_id)
    make_file(EXPORTERS[form], ids, path, Options(), manifest={}, now=datetime.now(UTC))


def bare_xlsx(path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in rows():
        sheet.append(row)
    book.save(path)


def bare_csv(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for row in rows():
            writer.writerow(row)


def only_rows(_path: Path) -> None:
    for _ in rows():
        pass


def peak() -> int:
    """Return the peak of this process's memory in MiB; `ru_maxrss` begins with its parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def child(name: str, folder: Path) -> None:
    """Run one measurement and print CPU seconds and peak memory, of this process and its own."""
    set_up()
    path = folder / f"out-{name}"
    kind, _, rest = name.partition(":")
    began = time.perf_counter()
    if kind == "threadhub":
        form, _, external_id = rest.partition(":")
        threadhub(form, path, external_id)
    else:
        {"xlsx": bare_xlsx, "csv": bare_csv, "rows": only_rows}[rest](path)
    wall = time.perf_counter() - began
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    memory = max(peak(), children.ru_maxrss // 1024)
    size = path.stat().st_size if path.exists() else 0
    print(json.dumps({"cpu": cpu, "wall": wall, "memory": memory, "size": size}))
    path.unlink(missing_ok=True)


def measure(name: str, folder: Path) -> dict[str, float]:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--child", name, "--folder", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result | {"whole": time.perf_counter() - began}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--pdf", default="10,100,1000", help="messages of a thread, several")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["THREADHUB_DATA_DIR"] = name
        set_up()
        lengths = [int(part) for part in options.pdf.split(",") if part]
        fill(options.messages, lengths)
        idle = measure("bare:rows", folder)
        print(f"{options.messages:,} messages; reading the rows alone: {idle['cpu']:.1f} s of CPU")
        print(f"{'':22}{'CPU s':>8}{'rows/s':>10}{'MiB':>7}{'MB':>7}  rate against bare")
        for form in ("xlsx", "csv"):
            bare = measure(f"bare:{form}", folder)
            ours = measure(f"threadhub:{form}", folder)
            for label, figures in ((f"bare {form}", bare), (f"ThreadHub {form}", ours)):
                ratio = "" if figures is bare else f"  {bare['cpu'] / ours['cpu']:.2f}"
                print(
                    f"{label:22}{figures['cpu']:8.1f}{options.messages / figures['cpu']:10,.0f}"
                    f"{figures['memory']:7.0f}{figures['size'] / 1e6:7.1f}{ratio}"
                )
        for form in ("jsonl", "md", "html"):
            figures = measure(f"threadhub:{form}", folder)
            print(
                f"{'ThreadHub ' + form:22}{figures['cpu']:8.1f}"
                f"{options.messages / figures['cpu']:10,.0f}"
                f"{figures['memory']:7.0f}{figures['size'] / 1e6:7.1f}"
            )
        for count in lengths:
            figures = measure(f"threadhub:pdf:{ALONE}{count}", folder)
            print(
                f"{f'PDF, {count:,} messages':22}{figures['cpu']:8.1f}{'':10}"
                f"{figures['memory']:7.0f}{figures['size'] / 1e6:7.1f}"
                f"  {figures['wall']:.2f} s, {figures['whole']:.2f} with Django's start"
            )


if __name__ == "__main__":
    main()
