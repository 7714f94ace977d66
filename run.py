#!/usr/bin/env python3
"""ThreadHub in one command; it needs Python 3.11 or newer and nothing else.

    python3 run.py [--port 8000] [--host 127.0.0.1] …    start ThreadHub
    python3 run.py manage COMMAND …                      run one of its commands
    python3 run.py test [pytest arguments]               check the project

On Windows: py run.py. The first start makes the folder .venv and the file .env.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - this line is for the Pythons that cannot read more
    sys.exit("ThreadHub needs Python 3.11 or newer; this is %s." % sys.version.split()[0])

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
UNFINISHED = VENV / ".unfinished"  # there while packages are being installed


def run(*command: object) -> None:
    # Standard output belongs to the command that the caller asked for.
    subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr)


def is_usable(python: Path, *, needs_pip: bool) -> bool:
    if UNFINISHED.exists() or not python.exists():
        return False
    probe = [str(python), "-c", "import pip" if needs_pip else ""]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def install(requirements: str) -> None:
    """Make .venv hold what `requirements` names; return at once when it already does."""
    path = ROOT / requirements
    wanted = hashlib.sha256(path.read_bytes() + sys.version.encode()).hexdigest()
    stamp = VENV / f".{requirements}.sha256"
    if PYTHON.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    uv = None if os.environ.get("THREADHUB_NO_UV") else shutil.which("uv")
    print(f"Installing {requirements} with {'uv' if uv else 'pip'} …", file=sys.stderr, flush=True)
    if not is_usable(PYTHON, needs_pip=not uv):  # also repairs what an interruption left
        if uv:
            run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, VENV)
        else:
            run(sys.executable, "-m", "venv", "--clear", VENV)
    UNFINISHED.touch()
    if uv:
        installer = [uv, "pip", "install", "--quiet", "--python", PYTHON]
    else:
        installer = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        installer += ["--no-compile"]  # what is used is compiled when it is first imported
    run(*installer, "--require-hashes", "-r", path)
    stamp.write_text(wanted, encoding="utf-8")
    UNFINISHED.unlink()


def become(*arguments: str | Path) -> None:
    """Go on as that Python program: its output, signals and exit status are ours."""
    command = [str(PYTHON), *map(str, arguments)]
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    try:  # on Windows execv would not wait for the program
        sys.exit(subprocess.call(command))
    except KeyboardInterrupt:
        sys.exit(0)


def main(arguments: list[str]) -> None:
    if arguments[:1] in (["-h"], ["--help"]):
        sys.exit(print(__doc__))
    what = arguments[0] if arguments and not arguments[0].startswith("-") else "start"
    rest = arguments[1:] if arguments[:1] == [what] else arguments
    if what not in {"start", "manage", "test"}:
        print(f"run.py does not know {what!r}.\n\n{__doc__}", file=sys.stderr)
        sys.exit(2)
    try:
        install("requirements.txt")
        if what == "test":
            install("requirements-dev.txt")
    except (subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"The installation failed: {error}\nThe same command again repairs it.")
    except KeyboardInterrupt:
        sys.exit(130)
    if what == "test":
        become(ROOT / "tools" / "check.py", *rest)
    become(ROOT / "manage.py", *(["start"] if what == "start" else []), *rest)


if __name__ == "__main__":
    main(sys.argv[1:])
