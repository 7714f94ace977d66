"""Everything that checks ThreadHub, one line for each step: `python3 run.py test`.

With arguments it is pytest with those arguments. Standard library only; the tools themselves
come from requirements-dev.txt.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
POSTGRES = "postgres://postgres@127.0.0.1:5432/threadhub_check"  # tests add "test_" to the name
REDIS = "redis://127.0.0.1:6379/9"  # a database for each test process: this one and those after
MOST_PROCESSES = 6  # so that 9 … 14 are enough
OFFICES = ("soffice", "libreoffice")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# What meets neither the database nor Redis was seen with SQLite; what brings a database, too.
ON_SERVERS = "(database or processes) and not own_database and not e2e and not live"
NO_TESTS = 5  # pytest's exit status when nothing was collected
REACHES_POSTGRES = "import psycopg, sys; psycopg.connect(sys.argv[1], connect_timeout=3)"
REDIS_IS_FREE = """
import redis, sys
base, first = sys.argv[1].rsplit("/", 1)
for number in range(int(first), int(first) + int(sys.argv[2])):
    if redis.Redis.from_url(f"{base}/{number}", socket_timeout=3).dbsize():
        sys.exit(f"its database {number} is in use")
"""


@dataclass
class Step:
    name: str
    command: Sequence[str | Path]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass
class Outcome:
    is_ok: bool
    output: str


class Check:
    """Runs steps, says how each went, and remembers it for the end."""

    def __init__(self, folder: Path) -> None:
        self.passed = 0
        self.failed_steps: list[str] = []
        self.failed_tests = 0
        self.left_out: list[str] = []
        # Nothing of the operator's own installation: not its data, not its secrets.
        own = {
            "SECRET_KEY": secrets.token_urlsafe(50),
            "THREADHUB_ENCRYPTION_KEYS": base64.b64encode(secrets.token_bytes(32)).decode(),
            "THREADHUB_DATA_DIR": str(folder),
            "DATABASE_URL": f"sqlite:///{(folder / 'check.sqlite3').as_posix()}",
            "REDIS_URL": "",
            "DEBUG": "0",
            "PYTHONUTF8": "1",
        }
        self.environment = os.environ | own

    def run(self, step: Step) -> Outcome:
        began = time.monotonic()
        done = subprocess.run(
            [str(part) for part in step.command],
            cwd=ROOT,
            env=self.environment | step.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        seconds = time.monotonic() - began
        counts = summary_of(done.stdout) if "pytest" in step.command else ""
        is_ok = done.returncode == 0 or (done.returncode == NO_TESTS and bool(counts))
        state = "ok    " if is_ok else "FAILED"
        # One write: steps run side by side.
        print(f"{state}  {step.name:<28} {seconds:6.1f} s  {counts}".rstrip(), flush=True)
        if not is_ok:
            self.failed_steps.append(step.name)
        return Outcome(is_ok=is_ok, output=done.stdout)

    def run_side_by_side(self, steps: Sequence[Step]) -> None:
        with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 2)) as pool:
            for step, outcome in zip(steps, pool.map(self.run, steps), strict=True):
                if not outcome.is_ok:
                    print(f"--- {step.name}\n{outcome.output.rstrip()}\n", flush=True)

    def run_tests(self, step: Step) -> None:
        outcome = self.run(step)
        self.passed += count_of("passed", outcome.output)
        self.failed_tests += count_of("failed", outcome.output) + count_of("error", outcome.output)
        if not outcome.is_ok:
            print(f"--- {step.name}\n{outcome.output.rstrip()}\n", flush=True)

    def leave_out(self, name: str, reason: str) -> None:
        self.left_out.append(name)
        print(f"left out  {name}: {reason}", flush=True)

    def answers(self, script: str, *arguments: str) -> str:
        """Return "" when `script` succeeds, else its last line: the reason."""
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        lines = done.stderr.strip().splitlines() or ["no answer"]
        return lines[-1] if done.returncode else ""


def summary_of(output: str) -> str:
    """Return pytest's last line without its frame: "12 passed, 1 skipped in 3.4s"."""
    line = r"^=* ?((?:\d+ \w+(?:, )?)+ in .*?|no tests ran in .*?) ?=*$"
    found = re.findall(line, output, re.MULTILINE)
    return str(found[-1]) if found else ""


def count_of(what: str, output: str) -> int:
    found = re.search(rf"(\d+) {what}s?\b", summary_of(output))
    return int(found[1]) if found else 0


def tool(name: str) -> Path:
    return BIN / (f"{name}.exe" if os.name == "nt" else name)


def static_steps() -> list[Step]:
    templates = sorted((ROOT / "templates").rglob("*.html"))
    manage: list[str | Path] = [sys.executable, "manage.py"]
    secure = {"THREADHUB_HTTPS": "1", "ALLOWED_HOSTS": "threadhub.example"}
    steps = [
        Step("types (mypy)", [tool("mypy"), "."]),
        Step("lint (ruff)", [tool("ruff"), "check", "."]),
        Step("format (ruff)", [tool("ruff"), "format", "--check", "."]),
        Step("architecture (imports)", [tool("lint-imports")]),
        Step("spelling (codespell)", [tool("codespell")]),
        Step("migrations are complete", [*manage, "makemigrations", "--check", "--dry-run"]),
        Step(
            "system check for production",
            [*manage, "check", "--deploy", "--fail-level", "WARNING"],
            secure,
        ),
    ]
    if templates:
        djade: list[str | Path] = [tool("djade"), "--target-version", "5.2", "--check"]
        steps.append(Step("template style (djade)", [*djade, *templates]))
        steps.append(Step("template lint (djlint)", [tool("djlint"), "--lint", "templates"]))
    return steps


def main() -> int:
    began = time.monotonic()
    pytest = [sys.executable, "-m", "pytest"]
    if sys.argv[1:]:
        return subprocess.run([*pytest, *sys.argv[1:]], cwd=ROOT, check=False).returncode
    processes = min(MOST_PROCESSES, os.cpu_count() or 2)
    all_tests = [*pytest, "-q", "--no-header", "-n", str(processes)]
    with tempfile.TemporaryDirectory(prefix="threadhub-check-") as folder:
        check = Check(Path(folder))
        check.run_side_by_side(static_steps())
        check.run_tests(Step("tests on SQLite", all_tests))
        name = "tests on PostgreSQL and Redis"
        if reason := check.answers(REACHES_POSTGRES, POSTGRES.rsplit("/", 1)[0] + "/postgres"):
            check.leave_out(name, f"PostgreSQL: {reason}")
        elif reason := check.answers(REDIS_IS_FREE, REDIS, str(processes)):
            check.leave_out(name, f"Redis: {reason}")
        else:
            servers = {"DATABASE_URL": POSTGRES, "REDIS_URL": REDIS}
            check.run_tests(Step(name, [*all_tests, "--create-db", "-m", ON_SERVERS], servers))
        if not any(shutil.which(office) for office in OFFICES):
            check.leave_out("spreadsheets in LibreOffice", "LibreOffice is not installed.")
        if any(shutil.which(browser) for browser in BROWSERS):
            journeys = [*pytest, "-q", "--no-header", "-m", "e2e", "-n", str(processes), "e2e"]
            check.run_tests(Step("browser journeys", journeys))
        else:
            check.leave_out("browser journeys", "Chromium is not installed.")
    print(f"\nChecked in {time.monotonic() - began:.0f} s.", end=" ")
    if check.failed_steps:
        print(f"Failed: {', '.join(check.failed_steps)}.", end=" ")
    if check.left_out:
        print(f"Left out: {', '.join(check.left_out)}.", end=" ")
    print(f"\n{check.passed} passed, {check.failed_tests} failed")
    return 1 if check.failed_steps else 0


if __name__ == "__main__":
    sys.exit(main())
