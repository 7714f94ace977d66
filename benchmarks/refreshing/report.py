"""The table of a run, and whether the promises of docs/smart-refresh.md are kept."""

from __future__ import annotations

import argparse
import statistics

from conversations import DAY

from refreshing.policies import COLD, HINDSIGHT, ROUND_ROBIN, SMART, TIERS, TROUBLE
from refreshing.world import Figures
from threads import refresh


def _median(values: list[float]) -> float:
    return statistics.median(values)


def report(
    played: dict[int, dict[str, Figures]], names: list[str], arguments: argparse.Namespace
) -> None:
    """Print the table; end with exit status 1 when a promise is not kept."""
    print(
        f"{arguments.threads} threads, {arguments.calls:g} calls a minute, {arguments.days:g} days,"
        f" medians of {len(played)} seeds; seconds from a message to the call that shows it"
    )
    print(f"{'':44}{'mean':>9}{'median':>9}{'95 %':>9}{'hits':>8}{'calls':>9}{'CPU s':>7}")
    for name in names:
        rows = [figures[name] for figures in played.values()]
        print(
            f"{name:44}{_median([row.mean for row in rows]):9.0f}"
            f"{_median([row.median for row in rows]):9.0f}"
            f"{_median([row.p95 for row in rows]):9.0f}"
            f"{_median([row.hit_rate for row in rows]):8.2%}"
            f"{_median([row.calls for row in rows]):9.0f}"
            f"{_median([row.seconds for row in rows]):7.1f}"
        )

    def ratios(above: str, below: str) -> list[float]:
        return [figures[above].mean / figures[below].mean for figures in played.values()]

    smart = [figures[SMART] for figures in played.values()]
    checks: list[tuple[str, float, str, float]] = [
        ("round robin / Smart Refresh, median", _median(ratios(ROUND_ROBIN, SMART)), ">=", 20),
        ("round robin / Smart Refresh, worst seed", min(ratios(ROUND_ROBIN, SMART)), ">=", 8),
        ("age tiers / Smart Refresh", _median(ratios(TIERS, SMART)), ">=", 3),
        (
            "hits of Smart Refresh / of round robin",
            _median([f[SMART].hit_rate / f[ROUND_ROBIN].hit_rate for f in played.values()]),
            ">=",
            3,
        ),
        ("most calls in any minute", max(row.busiest_minute for row in smart), "<=", 0),
        ("longest time unread, days", max(row.longest_unsynced for row in smart) / DAY, "<=", 0),
    ]
    per_day = refresh.GUARANTEE_SHARE * arguments.calls * 1_440
    longest = max(refresh.LONGEST_UNSYNCED.days, arguments.threads / per_day)
    checks[4] = (*checks[4][:3], arguments.calls)
    checks[5] = (*checks[5][:3], 1.25 * longest + arguments.threads / per_day)
    if HINDSIGHT in names:
        trouble = [figures[TROUBLE] for figures in played.values()]
        refused = max(row.refused / (row.calls + row.refused) for row in trouble)
        checks += [
            (
                "Smart Refresh / with the future known",
                _median(ratios(SMART, HINDSIGHT)),
                "<=",
                1.25,
            ),
            ("round robin / cold start", _median(ratios(ROUND_ROBIN, COLD)), ">=", 12),
            ("calls refused when the server is in trouble", refused, "<=", 0.02),
        ]
    failed = False
    for label, value, relation, wanted in checks:
        is_kept = value >= wanted if relation == ">=" else value <= wanted
        failed = failed or not is_kept
        print(
            f"{'ok  ' if is_kept else 'FAIL'} {label}: {value:.3g} (promised {relation} {wanted:g})"
        )
    if failed and not arguments.times and arguments.load == "gen":
        raise SystemExit(1)
