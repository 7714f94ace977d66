"""Questions have one right answer, which counts once: here, now, and for this."""

from __future__ import annotations

import base64
import io
import itertools
import math
import multiprocessing
import random
import re
import wave
from collections import Counter
from datetime import timedelta

import pytest
from PIL import Image

from threads.captcha import LIFETIME, Mode, Verdict, ask, check
from threads.captcha.problems import make, normal
from threads.tests.factories import NOW

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


def numerically(text: str, x: float = 0.0) -> float:
    """Calculate what a question says, as a reader would type it into a calculator."""
    text = re.sub(r"([⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda found: "**" + found[1].translate(_SUPERSCRIPTS), text)
    text = text.replace("−", "-").replace("×", "*").replace("π", "pi")
    text = re.sub(r"(\d|\))(?=[xsc(p])", r"\1*", text)
    names = {"x": x, "sin": math.sin, "cos": math.cos, "pi": math.pi, "__builtins__": {}}
    return float(eval(text, names))  # noqa: S307 - our own question


def slope(function: str, point: float) -> float:
    step = 1e-5
    return (numerically(function, point + step) - numerically(function, point - step)) / (2 * step)


def asked(mode: Mode = Mode.ARITHMETIC, seed: int = 7) -> tuple[str, str]:
    """Return a token and its right answer."""
    question = ask(
        purpose="search", binding="session:a", mode=mode, now=NOW, rng=random.Random(seed)
    )
    return question.token, make(mode, random.Random(seed)).answer


def test_it_asks_for_the_slope_that_measuring_finds() -> None:
    rng = random.Random(20_26)

    for _ in range(10_000):
        problem = make(Mode.MATHS, rng)
        function = problem.lines[0].removeprefix("f(x) = ")
        point = numerically(problem.lines[1].removeprefix("f′(").removesuffix(") = ?"))

        assert slope(function, point) == pytest.approx(int(problem.answer), abs=1e-4), problem


def test_it_asks_for_sums_that_are_right() -> None:
    rng = random.Random(20_26)

    for _ in range(10_000):
        problem = make(Mode.ARITHMETIC, rng)

        assert numerically(problem.lines[0].removesuffix(" = ?")) == int(problem.answer), problem


@pytest.mark.parametrize("mode", list(Mode))
def test_it_favours_no_answer(mode: Mode) -> None:
    rng = random.Random(1)

    answers = Counter(make(mode, rng).answer for _ in range(10_000))

    assert answers.most_common(1)[0][1] < 300  # 3 %


def test_it_uses_every_kind_of_function() -> None:
    rng = random.Random(1)

    functions = [make(Mode.MATHS, rng).lines[0] for _ in range(200)]

    for sign in ("x³", "cos(", "sin(x) ", ")³", "x² "):
        assert any(sign in function for function in functions), sign


@pytest.mark.parametrize("typed", ["-7", "−7", " - 7 ", "－７", "-07"])
def test_it_understands_a_number_however_it_is_typed(typed: str) -> None:
    assert normal(typed) == "-7"


@pytest.mark.parametrize("mode", list(Mode))
def test_it_accepts_a_right_answer_once(mode: Mode) -> None:
    token, answer = asked(mode)

    verdicts = [
        check(token, answer.upper(), purpose="search", binding="session:a", now=NOW)
        for _ in range(2)
    ]

    assert verdicts == [Verdict.OK, Verdict.USED]


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(
    ("purpose", "binding", "late", "verdict"),
    [
        ("export", "session:a", timedelta(), Verdict.WRONG),
        ("search", "session:b", timedelta(), Verdict.WRONG),
        ("search", "session:a", LIFETIME, Verdict.EXPIRED),
    ],
)
def test_it_refuses_a_right_answer_elsewhere(
    mode: Mode, purpose: str, binding: str, late: timedelta, verdict: Verdict
) -> None:
    token, answer = asked(mode)

    assert check(token, answer, purpose=purpose, binding=binding, now=NOW + late) is verdict


@pytest.mark.parametrize("mode", list(Mode))
def test_it_gives_one_try(mode: Mode) -> None:
    token, answer = asked(mode)

    wrong = check(token, "999", purpose="search", binding="session:a", now=NOW)
    right = check(token, answer, purpose="search", binding="session:a", now=NOW)

    assert (wrong, right) == (Verdict.WRONG, Verdict.USED)


def test_it_refuses_a_token_that_was_made_to_last_longer() -> None:
    token, answer = asked()
    version, until, nonce, seal = token.split(".")

    longer = f"{version}.{int(until) + 60}.{nonce}.{seal}"

    later = NOW + LIFETIME
    verdict = check(longer, answer, purpose="search", binding="session:a", now=later)
    assert verdict is Verdict.WRONG


@pytest.mark.parametrize(
    "token", ["", "1.2.3", "1.x.n.s", "2.99999999999.n.s", "1.99999999999.n.s", "x" * 100_000]
)
def test_it_refuses_what_is_no_token(token: str) -> None:
    verdict = check(token, "7", purpose="search", binding="session:a", now=NOW)

    assert verdict is Verdict.MALFORMED


def test_it_hides_question_and_answer_from_who_reads_the_markup() -> None:
    question = ask(purpose="search", binding="a", mode=Mode.MATHS, now=NOW, rng=random.Random(3))
    problem = make(Mode.MATHS, random.Random(3))

    picture = Image.open(io.BytesIO(question.content))
    told = question.token + repr(picture.info) + question.content.decode("latin-1")

    assert picture.format == "PNG"
    assert picture.width > 200
    assert problem.lines[0] not in told
    assert problem.answer not in question.token.split(".")


def test_it_plays_as_many_beeps_as_are_to_be_counted() -> None:
    question = ask(purpose="search", binding="a", mode=Mode.SOUND, now=NOW, rng=random.Random(3))

    with wave.open(io.BytesIO(question.content)) as file:
        samples = file.readframes(file.getnframes())

    # A beep swings far from the middle; between two of them it is quiet for a tenth of a second.
    loud = [place for place, sample in enumerate(samples) if abs(sample - 128) > 30]
    groups = [1]
    for before, after in itertools.pairwise(loud):
        if after - before > 8_000 * 0.8:
            groups.append(1)
        elif after - before > 8_000 * 0.1:
            groups[-1] += 1
    assert "".join(map(str, groups)) == make(Mode.SOUND, random.Random(3)).answer


def test_it_is_told_apart_by_its_kind_in_the_address() -> None:
    question = ask(purpose="search", binding="a", mode=Mode.TEXT, now=NOW)

    kind, content = question.address.split(";base64,")

    assert kind == "data:image/png"
    assert base64.b64decode(content) == question.content


def replay(tokens: list[tuple[str, str]], results: multiprocessing.Queue[int]) -> None:
    random.shuffle(tokens)
    verdicts = [
        check(token, answer, purpose="search", binding="session:a", now=NOW)
        for token, answer in tokens
    ]
    results.put(verdicts.count(Verdict.OK))


@pytest.mark.processes
def test_it_accepts_each_token_once_in_eight_processes() -> None:
    tokens = [asked(seed=seed) for seed in range(100)]
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[int] = context.Queue()
    processes = [context.Process(target=replay, args=(tokens, results)) for _ in range(8)]

    for process in processes:
        process.start()
    accepted = sum(results.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()

    assert accepted == 100
