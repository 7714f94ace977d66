"""All policies by their names."""

from __future__ import annotations

import time

from conversations import Load

from refreshing.others import SCORES, play_doubling, play_oracle, play_round_robin, play_scores
from refreshing.smart import play_smart
from refreshing.world import Figures, Setting
from threads import refresh

ROUND_ROBIN, TIERS, SMART = "round robin", "age tiers (5 min, 1 h, 6 h, 24 h)", "Smart Refresh"
COLD, HINDSIGHT = "Smart Refresh, cold start", "Smart Refresh, future known to its table"
ECONOMY, MINUTE = "Smart Refresh, saving calls", "Smart Refresh, a round a minute"
TROUBLE, ORACLE = "Smart Refresh, server refuses", "oracle (knows all times)"
QUICK = [ROUND_ROBIN, TIERS, SMART]


def play(name: str, load: Load, setting: Setting) -> Figures:
    """Play one policy by its name."""
    began = time.process_time()
    if name == ROUND_ROBIN:
        figures = play_round_robin(load, setting)
    elif name in SCORES:
        figures = play_scores(load, setting, SCORES[name])
    elif name == "double on a miss":
        figures = play_doubling(load, setting)
    elif name == ORACLE:
        figures = play_oracle(load, setting)
    elif name == ECONOMY:
        figures = play_smart(load, setting, lowest=refresh.ECONOMY_THRESHOLD)
    elif name == MINUTE:
        setting = Setting(setting.calls_per_minute, setting.days, tick_seconds=60.0)
        figures = play_smart(load, setting)
    elif name == TROUBLE:
        figures = play_smart(load, _with_trouble(setting))
    else:
        tables = {SMART: "learned", COLD: "cold", HINDSIGHT: "hindsight"}
        figures = play_smart(load, setting, table=tables[name])
    figures.seconds = time.process_time() - began
    return figures


def _with_trouble(setting: Setting) -> Setting:
    """For two of every six hours the server takes only a third of the calls."""
    third = setting.calls_per_minute / 3
    full = 10 * setting.calls_per_minute

    def accepts(now: float) -> float:
        return third if now % 21_600 < 7_200 else full

    return Setting(setting.calls_per_minute, setting.days, accepts=accepts)


NAMES = [
    *(ROUND_ROBIN, TIERS, "interval = age / 10", "double on a miss", "rate x time"),
    *("freshness optimum (Poisson)", "delay optimum (square root rule)"),
    *("formula without a table", COLD, SMART, HINDSIGHT, ECONOMY, MINUTE, TROUBLE, ORACLE),
]
