"""Write static/threadhub/pygments.css: one file for light and dark, from two Pygments styles.

Run it after an upgrade of Pygments: python docs/make_pygments_css.py
"""

from __future__ import annotations

from pathlib import Path

from pygments.styles import get_style_by_name
from pygments.token import STANDARD_TYPES

LIGHT, DARK = "default", "github-dark"
TARGET = Path(__file__).resolve().parent.parent / "static" / "threadhub" / "pygments.css"


def main() -> None:
    light, dark = get_style_by_name(LIGHT), get_style_by_name(DARK)
    rules: dict[str, list[str]] = {}
    for token, name in STANDARD_TYPES.items():
        ours, theirs = light.style_for_token(token), dark.style_for_token(token)
        if not name or (not ours["color"] and not theirs["color"]):
            continue
        colour = f"light-dark(#{ours['color'] or '24292f'}, #{theirs['color'] or 'c9d1d9'})"
        rule = f"color: {colour}"
        if ours["bold"] or theirs["bold"]:
            rule += "; font-weight: 600"
        if ours["italic"]:
            rule += "; font-style: italic"
        rules.setdefault(rule, []).append(f".code .{name}")
    lines = [f"/* Made by docs/make_pygments_css.py from Pygments' styles {LIGHT} and {DARK}. */"]
    lines += [f"{', '.join(sorted(names))} {{ {rule} }}" for rule, names in rules.items()]
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
