"""What the reading pages cost the server: cold, warm, and in a thread of 10,000 messages.

    python benchmarks/reading.py [--rounds 9] [--browser]

Makes an archive of its own in a temporary folder: a thread of 200 messages that no two of are
alike, with lists, tables and code as assistants write them, and one of 10,000. Prints CPU
milliseconds of the server per page. *Cold* is the first reading ever: a new process, as ready as
the web server makes it, that has answered one other page; nothing rendered before. *Restarted*
is the same once another process has read the page; *warm* is the median of later readings. Also
the bytes of the pages. With --browser a Chromium also reads from a server: bytes on the way, the
first contentful paint, and how much moved; then the same paint, and the first byte before it, in
a new tab, whose process the browser has to start: what it takes for a page of two lines is its
own. `loop` is the CPU time of a million additions, to compare machines.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
PORT = 8878
WEB_PROCESSES = 2
SHORT, LONG = 200, 10_000  # messages
WORDS = (
    *("order", "parcel", "refund", "invoice", "delivery", "address", "password", "account"),
    *("query", "index", "table", "server", "please", "thanks", "today", "error", "result"),
    *("value", "customer", "warehouse", "label", "report", "number", "change", "because"),
    *("however", "without", "between", "before", "after", "would", "should", "every"),
)


def _sentence(rng: random.Random, length: int) -> str:
    words = rng.choices(WORDS, k=length)
    if rng.random() < 0.3:
        words[rng.randrange(length)] = f"**{rng.choice(WORDS)}**"
    if rng.random() < 0.3:
        words[rng.randrange(length)] = f"`{rng.choice(WORDS)}_{rng.randrange(99)}`"
    return " ".join(words).capitalize() + "."


def _paragraph(rng: random.Random) -> str:
    return " ".join(_sentence(rng, rng.randint(6, 16)) for _ in range(rng.randint(2, 4)))


def _table(rng: random.Random) -> str:
    rows = [f"| {rng.choice(WORDS)} | {rng.randrange(900)} | {_sentence(rng, 5)} |"] * 1
    rows += [
        f"| {rng.choice(WORDS)} {number} | {rng.randrange(900)} | {_sentence(rng, 5)} |"
        for number in range(4)
    ]
    return "\n".join(["| Item | Count | Remark |", "|---|--:|---|", *rows])


def _code(rng: random.Random) -> str:
    name = rng.choice(WORDS)
    lines = [f"def {name}(rows: list[int], limit: int = {rng.randrange(99)}) -> dict[str, int]:"]
    lines.append(f'    """Count the {name} of {rng.randrange(10**6)}."""')
    lines += [
        f"    {rng.choice(WORDS)}_{number} = sum(rows[:{number}]) + {rng.random():.4f}"
        for number in range(rng.randint(6, 14))
    ]
    lines.append(f"    return {{'{name}': len(rows)}}  # {rng.choice(WORDS)}")
    return "```python\n" + "\n".join(lines) + "\n```"


def text_of(number: int) -> str:
    """Return what message `number` says: questions are short, each answer has some structure."""
    rng = random.Random(number)  # noqa: S311 - the same archive every time
    if number % 2:
        return " ".join(_sentence(rng, rng.randint(5, 14)) for _ in range(rng.randint(1, 3)))
    parts = [_paragraph(rng), "\n".join(f"- {_sentence(rng, 8)}" for _ in range(rng.randint(3, 6)))]
    if number % 6 == 0:
        parts.insert(1, _code(rng))
    if number % 10 == 0:
        parts.append(_table(rng))
    if number % 8 == 0:
        parts.insert(0, f"## {_sentence(rng, 4)}")
    return "\n\n".join([*parts, _paragraph(rng)])


def fill() -> dict[str, str]:
    """Write the archive; return the addresses of the two threads."""
    from django.db import transaction

    with transaction.atomic():
        return _filled()


def _filled() -> dict[str, str]:
    from projects.models import Project
    from threads.models import Message, Thread
    from threads.search import keys

    project = Project.objects.create(name="Support", slug="support", visibility="public")
    now = datetime.now(tz=UTC)
    addresses = {}
    for label, count in (("short", SHORT), ("long", LONG)):
        thread = Thread.objects.create(
            project=project,
            external_id=f"conv_{label}",
            store="conversations",
            title=f"A thread of {count:,} messages",
            created_at=now - timedelta(days=30),
            last_message_timestamp=now,
            message_count=count,
            item_count=count,
        )
        times = [now - timedelta(minutes=count - number) for number in range(1, count + 1)]
        Message.objects.bulk_create(
            [
                Message(
                    thread=thread,
                    project=project,
                    position=number,
                    remote_id=f"msg_{number}",
                    role="user" if number % 2 else "assistant",
                    text=text_of(number + (count if label == "long" else 0)),
                    model="" if number % 2 else "gpt-5-mini",
                    input_tokens=None if number % 2 else 500 + number,
                    output_tokens=None if number % 2 else 100 + number,
                    created_at=sent,
                    time_source="given",
                    search_key=key,
                )
                for number, sent, key in zip(
                    range(1, count + 1), times, keys.allocate(times), strict=True
                )
            ],
            batch_size=1_000,
        )
        addresses[label] = thread.get_absolute_url()
    return addresses


def _setup() -> Any:
    os.environ["DJANGO_SETTINGS_MODULE"] = "threadhub.settings"
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()
    from django.conf import settings
    from django.test import Client

    settings.ALLOWED_HOSTS = ["testserver"]
    settings.THREADHUB_RATES = dict.fromkeys(settings.THREADHUB_RATES, "100000/s")
    return Client()


def _cost(client: Any, address: str) -> tuple[float, float, bytes]:
    """Return CPU and wall milliseconds of one request, and its answer."""
    cpu, wall = time.process_time(), time.perf_counter()
    answer = client.get(address)
    took = (time.process_time() - cpu) * 1_000, (time.perf_counter() - wall) * 1_000
    assert answer.status_code == 200, address
    return (*took, answer.content)


def read(addresses: list[str], rounds: int) -> None:
    """Answer each address in this process, the first time and again; print the costs as JSON."""
    client = _setup()
    from threads.views.ready import warm_up

    warm_up()  # as the web server does before it makes its workers
    client.get("/help/search/")  # the process has answered something: middleware, base template
    for address in addresses:
        cold_cpu, cold_wall, body = _cost(client, address)
        later = [_cost(client, address)[:2] for _ in range(rounds)]
        found = {
            "cold": cold_cpu,
            "cold_wall": cold_wall,
            "warm": statistics.median(cpu for cpu, _wall in later) if later else None,
            "bytes": len(body),
            "gzip": len(gzip.compress(body, 6)),
        }
        print(json.dumps(found), flush=True)


def in_new_process(addresses: list[str], rounds: int) -> list[dict[str, Any]]:
    command = [sys.executable, __file__, "--read", *addresses, "--rounds", str(rounds)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in answer.stdout.splitlines()]


_PAINT = """() => new Promise(done => {
    let moved = 0;
    new PerformanceObserver(list => { for (const one of list.getEntries()) moved += one.value; })
        .observe({type: 'layout-shift', buffered: true});
    const paint = performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null;
    setTimeout(() => done([paint, moved]), 300);
})"""


def in_browser(addresses: dict[str, str], rounds: int) -> None:
    """Read from gunicorn on this machine; print the median of `rounds` visits, nothing cached."""
    from playwright.sync_api import sync_playwright

    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "threadhub.wsgi", "--bind", f"127.0.0.1:{PORT}"),
            *("--config", "python:threadhub.web_server", "--preload", "--threads", "4"),
            *("--workers", str(WEB_PROCESSES)),
            *("--log-level", "error", "--no-control-socket"),
        ],
        cwd=ROOT,
    )
    try:
        _wait_for(server)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            print(
                f"{'in the browser':28} {'kB sent':>7} {'paint ms':>9} {'slowest':>7} {'moved':>6}"
                f" {'new tab':>7} {'slowest':>7} {'answer':>6}"
            )
            for label, address in addresses.items():
                for _ in range(2 * WEB_PROCESSES):  # every process has answered something
                    urlopen(f"http://127.0.0.1:{PORT}{address}").read()
                visits = [
                    _visit(browser, f"http://127.0.0.1:{PORT}{address}") for _ in range(rounds)
                ]
                sizes, paints, shifts = zip(*visits, strict=True)
                first = [_first_visit(browser, f"http://127.0.0.1:{PORT}{address}") for _ in visits]
                new, answers = zip(*first, strict=True)
                print(
                    f"{label:28} {statistics.median(sizes) / 1_000:7.1f}"
                    f" {statistics.median(paints):9.0f} {max(paints):7.0f} {max(shifts):6.3f}"
                    f" {statistics.median(new):7.0f} {max(new):7.0f}"
                    f" {statistics.median(answers):6.0f}"
                )
            browser.close()
        print(f"{'aim: search page':28} {'60':>7} {'300':>9} {'':7} {'0':>6}")
    finally:
        server.terminate()
        server.wait()


def _wait_for(server: subprocess.Popen[bytes]) -> None:
    """Return once the server answers; it imports everything before."""
    for _ in range(300):
        with suppress(OSError), socket.create_connection(("127.0.0.1", PORT), timeout=1):
            return
        if server.poll() is not None:
            break
        time.sleep(0.2)
    sys.exit(f"The server did not begin to answer on port {PORT}.")


def _visit(browser: Any, address: str) -> tuple[int, float, float]:
    """Return bytes on the way, milliseconds to the first contentful paint, and layout shift."""
    context = browser.new_context()
    page, sizes = context.new_page(), []
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    # Another page first: a new tab has a process to start, see _first_visit.
    page.goto(f"http://127.0.0.1:{PORT}/help/search/", wait_until="networkidle")
    session.send("Network.clearBrowserCache")
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(address, wait_until="networkidle")
    paint, moved = page.evaluate(_PAINT)
    context.close()
    return int(sum(sizes)), paint, moved


def _first_visit(browser: Any, address: str) -> tuple[float, float]:
    """Return milliseconds to the first contentful paint and the first byte, in a new tab."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(address, wait_until="networkidle")
    paint, _moved = page.evaluate(_PAINT)
    answer = page.evaluate("() => performance.getEntriesByType('navigation')[0].responseStart")
    context.close()
    return paint, answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--browser", action="store_true", help="also read in a browser")
    parser.add_argument("--read", nargs="+", metavar="ADDRESS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read(options.read, options.rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["THREADHUB_DATA_DIR"] = folder
        os.environ["DATABASE_URL"] = f"sqlite:///{folder}/threadhub.sqlite3"
        _setup()
        from django.core.cache import cache
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        addresses = fill()
        short, long = addresses["short"], addresses["long"]
        pages = {
            "thread of 200": short,
            "opened at a hit": f"{short}?q=warehouse#m-50",
            "thread of 10,000": long,
            "in its middle": f"{long}?at=5000",
            "opened at its last hit": f"{long}?q=warehouse&at=9999",
            "search page": "/?q=warehouse",
        }
        began = time.process_time()
        sum(number for number in range(1_000_000))
        print(f"loop {(time.process_time() - began) * 1_000:.0f} ms")
        print(f"{'CPU ms':28} {'cold':>7} {'restarted':>9} {'warm':>6} {'bytes':>9} {'gzip':>8}")
        for label, address in pages.items():
            cache.clear()
            (cold,) = in_new_process([address], 0)
            (warm,) = in_new_process([address], options.rounds)
            print(
                f"{label:28} {cold['cold']:7.1f} {warm['cold']:9.1f} {warm['warm']:6.1f}"
                f" {warm['bytes']:9,} {warm['gzip']:8,}"
            )
        print(f"{'aim: thread of 200':28} {'150':>7} {'':9} {'40':>6}")
        if options.browser:
            shown = {"search page": "/?q=warehouse", "thread of 200": short}
            # Two lines of text: what the browser itself takes.
            in_browser({**shown, "robots.txt": "/robots.txt"}, options.rounds)


if __name__ == "__main__":
    main()
