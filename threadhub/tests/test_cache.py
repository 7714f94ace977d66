"""The cache counts exactly, whichever processes count at once."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from threadhub.lib.cache import AtomicCache


@pytest.fixture
def cache(tmp_path: Path) -> AtomicCache:
    return AtomicCache(str(tmp_path / "cache.sqlite3"), {})


def _count(path: str, times: int) -> None:
    cache = AtomicCache(path, {})
    for _ in range(times):
        cache.add("hits", 0, 60)
        cache.incr("hits")


def _use_once(path: str, nonces: int, results: multiprocessing.Queue[int]) -> None:
    cache = AtomicCache(path, {})
    results.put(sum(cache.add(f"nonce-{number}", 1, 60) for number in range(nonces)))


@pytest.mark.processes
def test_it_counts_every_hit_of_eight_processes(tmp_path: Path) -> None:
    path = str(tmp_path / "cache.sqlite3")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count, args=(path, 50)) for _ in range(8)]

    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert AtomicCache(path, {}).get("hits") == 400


@pytest.mark.processes
def test_it_gives_a_nonce_to_one_process_only(tmp_path: Path) -> None:
    path = str(tmp_path / "cache.sqlite3")
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[int] = context.Queue()
    processes = [context.Process(target=_use_once, args=(path, 50, results)) for _ in range(4)]

    for process in processes:
        process.start()
    taken = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()

    assert sum(taken) == 50


def test_it_keeps_what_it_is_given(cache: AtomicCache) -> None:
    values = {"number": -7, "big": 2**80, "text": "gespräch 對話", "list": [1, None], "flag": True}

    cache.set_many(values)

    assert cache.get_many(values) == values
    assert cache.get("flag") is True


def test_it_answers_the_default_for_an_absent_key(cache: AtomicCache) -> None:
    assert cache.get("absent") is None
    assert cache.get("absent", "default") == "default"


def test_it_tells_none_that_was_kept_from_nothing(cache: AtomicCache) -> None:
    cache.set("nothing", None)

    assert cache.get("nothing", "default") is None


def test_it_adds_only_what_is_absent(cache: AtomicCache) -> None:
    first = cache.add("key", "first")
    second = cache.add("key", "second")

    assert (first, second) == (True, False)
    assert cache.get("key") == "first"


def test_it_forgets_after_the_timeout(cache: AtomicCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.set("short", 1, timeout=10)
    cache.set("long", 1, timeout=None)
    later = time.time() + 11

    monkeypatch.setattr(time, "time", lambda: later)

    assert cache.get("short") is None
    assert cache.get("long") == 1
    assert cache.add("short", 2) is True
    assert cache.touch("gone") is False


def test_it_keeps_the_expiry_of_a_counter(
    cache: AtomicCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.set("hits", 1, timeout=3600)
    now = time.time()

    monkeypatch.setattr(time, "time", lambda: now + 1800)
    cache.incr("hits", 5)
    value_before_expiry = cache.get("hits")
    monkeypatch.setattr(time, "time", lambda: now + 3601)

    assert value_before_expiry == 6
    assert cache.get("hits") is None


def test_it_extends_the_life_of_a_key(cache: AtomicCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.set("key", "value", timeout=10)
    now = time.time()

    touched = cache.touch("key", timeout=100)
    monkeypatch.setattr(time, "time", lambda: now + 50)

    assert touched is True
    assert cache.get("key") == "value"


@pytest.mark.parametrize("value", [None, "text"])
def test_it_refuses_to_count_what_is_no_integer(cache: AtomicCache, value: str | None) -> None:
    if value is not None:
        cache.set("key", value)

    with pytest.raises(ValueError, match="not found"):
        cache.incr("key")


def test_it_counts_down_and_keeps_versions_apart(cache: AtomicCache) -> None:
    cache.set("key", 5, version=1)
    cache.set("key", 50, version=2)

    cache.decr("key", 2, version=1)

    assert cache.get("key", version=1) == 3
    assert cache.get("key", version=2) == 50


def test_it_deletes_one_key_or_all(cache: AtomicCache) -> None:
    cache.set_many({"a": 1, "b": 2})

    deleted, deleted_again = cache.delete("a"), cache.delete("a")
    cache.clear()

    assert (deleted, deleted_again) == (True, False)
    assert cache.get("b") is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_it_opens_the_file_anew_after_a_fork(cache: AtomicCache) -> None:
    cache.set("hits", 0)
    opened = cache._connection()

    child = os.fork()
    if child == 0:
        # An SQLite connection that crosses a fork can corrupt the file.
        status = 0 if cache._connection() is not opened and cache.incr("hits") == 1 else 1
        os._exit(status)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert cache.get("hits") == 1


def test_it_keeps_and_returns_many_at_once(tmp_path: Path) -> None:
    cache = AtomicCache(str(tmp_path / "cache.sqlite3"), {})

    cache.set_many({f"n{number}": [number] for number in range(2_000)}, 60)
    cache.set("old", 1, -1)

    assert cache.get_many(["n0", "n1999", "old", "missing"]) == {"n0": [0], "n1999": [1999]}
