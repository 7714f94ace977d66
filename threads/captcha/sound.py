"""The question as a sound: groups of beeps to be counted, for those who cannot see a picture."""

from __future__ import annotations

import io
import math
import random
import wave

_RATE = 8_000  # samples a second, one byte each: 60 to 100 KB a question
_SILENCE = 128


def play(groups: str, rng: random.Random) -> bytes:
    """Return a WAV file: as many beeps for each digit of `groups` as it says; about 30 ms."""
    samples = bytearray()
    _quiet(samples, 0.4, rng)
    for digit in groups:
        pitch = rng.uniform(420, 950)
        for _ in range(int(digit)):
            _beep(samples, rng.uniform(0.12, 0.2), pitch * rng.uniform(0.94, 1.06), rng)
            _quiet(samples, rng.uniform(0.14, 0.22), rng)
        _quiet(samples, rng.uniform(0.9, 1.2), rng)
    with io.BytesIO() as target:
        with wave.open(target, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(1)
            file.setframerate(_RATE)
            file.writeframes(bytes(samples))
        return target.getvalue()


def _beep(samples: bytearray, seconds: float, pitch: float, rng: random.Random) -> None:
    count = int(seconds * _RATE)
    for number in range(count):
        loud = min(1.0, number / 80, (count - number) / 80)  # no clicks at the edges
        wave_ = math.sin(math.tau * pitch * number / _RATE)
        samples.append(int(_SILENCE + 70 * loud * wave_ + rng.uniform(-9, 9)))


def _quiet(samples: bytearray, seconds: float, rng: random.Random) -> None:
    samples.extend(int(_SILENCE + rng.uniform(-9, 9)) for _ in range(int(seconds * _RATE)))
