"""How much the sound mark survives, and how much it is heard (PESQ, wide band).

    python benchmarks/watermark_sound.py --clips FILE … --json result.json

``--clips`` are sound files or videos with speech; voices of espeak-ng are added where they are installed. Every row is:
mark, one attack through a real codec or filter, read blind. Tempo and pitch need the ffmpeg of ``imageio-ffmpeg``
(rubberband), PESQ the package ``pesq``; without them those rows are left out.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import soxr
from numpy.typing import NDArray

from thsafe.core.ids import new_watermark_id
from thsafe.media.sound import load_sound
from thsafe.watermark import SoundMarker, read_sound

Sound = NDArray[np.float32]
RATE = 24000
KEY = bytes(range(32))
VOICES = ("en-us", "en-us+f3", "en-gb+m3", "de", "fr-fr", "es")
TEXT = "The harbour was quiet that morning, and nobody had yet opened the shutters of the small bakery."


def spoken() -> dict[str, Sound]:
    """Voices of espeak-ng, where they are installed."""
    from generators.speech.espeak import Espeak
    from thsafe.core.errors import ThsafeError

    found = {}
    for voice in VOICES:
        try:
            speech = Espeak().speak(TEXT, voice=voice)
        except ThsafeError:
            continue
        found[f"espeak {voice}"] = soxr.resample(speech.samples, speech.sample_rate, RATE).astype(np.float32)
    return found


def through(sound: Sound, codec: str, kbits: int, container: str) -> Sound:
    """Encode and decode in memory."""
    rate = 48000 if codec == "libopus" else RATE
    store = io.BytesIO()
    with av.open(store, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = kbits * 1000
        samples = soxr.resample(sound, RATE, rate).astype(np.float32)
        kind = "flt" if codec == "libopus" else "fltp"
        frame = av.AudioFrame.from_ndarray(samples[None, :], format=kind, layout="mono")
        frame.sample_rate = rate
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    store.seek(0)
    with av.open(store) as source:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        parts = [part.to_ndarray().ravel() for frame in source.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float32)


def _coder(codec: str, kbits: int, container: str) -> Callable[[Sound], Sound]:
    return lambda sound: through(sound, codec, kbits, container)


def _filtered(words: str) -> Callable[[Sound], Sound]:
    """A filter of ffmpeg."""

    def change(sound: Sound) -> Sound:
        import imageio_ffmpeg

        shape = ["-f", "f32le", "-ar", str(RATE), "-ac", "1"]
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *shape, "-i", "-", "-af", words, *shape, "-"]
        done = subprocess.run(command, input=sound.tobytes(), capture_output=True, check=True)
        return np.frombuffer(done.stdout, dtype=np.float32)

    return change


def _noisy(decibels: float) -> Callable[[Sound], Sound]:
    def change(sound: Sound) -> Sound:
        noise = np.random.default_rng(5).standard_normal(sound.size).astype(np.float32)
        level = np.sqrt(np.mean(sound**2) / 10 ** (decibels / 10))
        noisy: Sound = (sound + level * noise).astype(np.float32)
        return noisy

    return change


def _trim(seconds: float) -> Callable[[Sound], Sound]:
    def change(sound: Sound) -> Sound:
        start = max(0, (sound.size - round(seconds * RATE)) * 2 // 3)
        return sound[start : start + round(seconds * RATE)]

    return change


def _speed(factor: float) -> Callable[[Sound], Sound]:
    return lambda sound: soxr.resample(sound, RATE, RATE / factor).astype(np.float32)


ATTACKS: dict[str, Callable[[Sound], Sound]] = {
    "none": lambda sound: sound,
    "MP3 64": _coder("libmp3lame", 64, "mp3"),
    "MP3 32": _coder("libmp3lame", 32, "mp3"),
    "AAC 64": _coder("aac", 64, "mp4"),
    "AAC 32": _coder("aac", 32, "mp4"),
    "Opus 32": _coder("libopus", 32, "ogg"),
    "Opus 16": _coder("libopus", 16, "ogg"),
    "telephone 300-3400 Hz": _filtered("highpass=f=300:p=2,lowpass=f=3400:p=2,aresample=8000,aresample=24000"),
    "16 kHz": lambda sound: soxr.resample(soxr.resample(sound, RATE, 16000), 16000, RATE).astype(np.float32),
    "noise 20 dB": _noisy(20),
    "noise 15 dB": _noisy(15),
    "noise 10 dB": _noisy(10),
    "trim to 3 s": _trim(3.0),
    "trim to 2.4 s": _trim(2.4),
    "tempo 0.95": _filtered("rubberband=tempo=0.95"),
    "tempo 1.05": _filtered("rubberband=tempo=1.05"),
    "speed 1.03": _speed(1.03),
    "pitch +3 %": _filtered("rubberband=pitch=1.03"),
    "tempo 0.96, pitch +3 %": _filtered("rubberband=tempo=0.96:pitch=1.03"),
    "tempo 1.05, pitch -4 %": _filtered("rubberband=tempo=1.05:pitch=0.96"),
    "echo": _filtered("aecho=0.8:0.6:40:0.3"),
}


def pesq(plain: Sound, marked: Sound) -> float | None:
    """Wide-band PESQ (ITU-T P.862.2); None without the package or without speech."""
    try:
        from pesq import PesqError
        from pesq import pesq as measure
    except ImportError:
        return None
    try:
        one, two = (soxr.resample(sound, RATE, 16000) for sound in (plain, marked))
        return round(float(measure(16000, one, two, "wb")), 2)
    except PesqError:
        return None


def bench(name: str, sound: Sound) -> Iterator[dict[str, object]]:
    """All rows of one clip."""
    mark_id = new_watermark_id()
    marker = SoundMarker(KEY, mark_id, sample_rate=RATE)
    start = time.perf_counter()
    marked = np.concatenate([marker.apply(sound[:, None]), marker.flush()])[:, 0]
    spent = time.perf_counter() - start
    noise = float(np.sum((marked - sound) ** 2))
    yield {
        "clip": name,
        "attack": "quality",
        "seconds": round(sound.size / RATE, 1),
        "pesq": pesq(sound, marked),
        "snr": round(10 * np.log10(float(np.sum(sound**2)) / noise), 1),
        "ms per second": round(1e3 * spent / (sound.size / RATE), 1),
    }
    for attack, change in ATTACKS.items():
        try:
            heard = change(marked)
        except ImportError:
            continue
        start = time.perf_counter()
        reading = read_sound(heard, RATE, {"bench": KEY})
        yield {
            "clip": name,
            "attack": attack,
            "exact": reading.mark_id == mark_id,
            "false id": reading.mark_id not in {None, mark_id},
            "state": reading.state,
            "z": round(reading.confidence, 1),
            "read in s": round(time.perf_counter() - start, 2),
        }


def main() -> None:
    """Run, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    parser.add_argument("--join", type=Path, nargs="*", default=[], help="short files that are made one clip")
    parser.add_argument("--repeat", type=int, default=1, help="ids per clip")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    clips = {path.name: load_sound(path, rate=RATE) for path in given.clips} | spoken()
    if given.join:
        clips["joined"] = np.concatenate([load_sound(path, rate=RATE) for path in given.join])
    started = datetime.now(UTC).isoformat(timespec="minutes")
    rows = [row for name, sound in clips.items() for _ in range(given.repeat) for row in bench(name, sound)]
    for row in rows:
        if row["attack"] == "quality":
            sys.stdout.write("  ".join(f"{key} {value}" for key, value in row.items()) + "\n")
    for attack in ATTACKS:
        found = [bool(row["exact"]) for row in rows if row["attack"] == attack]
        missed = [str(row["clip"]) for row in rows if row["attack"] == attack and not row["exact"]]
        sys.stdout.write(f"{attack:<26}{sum(found):>4}/{len(found)}  {', '.join(missed)}\n")
    sys.stdout.write(f"false ids: {sum(bool(row.get('false id')) for row in rows)}\n")
    if given.json:
        machine = f"{os.cpu_count()} cores, {platform.machine()}"
        given.json.write_text(json.dumps({"started": started, "machine": machine, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
