"""Fuzz the files that people write by hand: ``python fuzz/settings_and_scripts.py CORPUS [libFuzzer options]``.

Scripts, markup, time lines, performance tracks, tokens, signposts, lists of approvers, tables of rules: whatever they
hold, reading them answers with what they say or with one error in words. The first byte chooses the reader.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness import fuzz

from generators.embedded.dialogue import parse_script
from generators.embedded.direction import Direction
from generators.embedded.track import parse, read_text
from generators.speech.ssml import utterances
from generators.speech.utterance import Utterance
from policies.rules import parse_rules
from thsafe.core.errors import ThsafeError
from thsafe.home import Home
from thsafe.provenance.references import signpost_of_home
from thsafe.rulebook import approvers_of
from thsafe.web.tokens import Tokens

Reader = Callable[[bytes], object]


def prepare(folder: Path) -> tuple[Callable[[bytes], None], list[bytes]]:
    """The function to fuzz, and one genuine file for each reader."""
    home = Home(folder / "home")
    home.prepare()
    tokens = home.path / "serve-tokens.json"

    def through(path: Path, read: Callable[[], object]) -> Reader:
        def given(data: bytes) -> object:
            path.unlink(missing_ok=True)
            path.write_bytes(data)
            return read()

        return given

    readers: dict[str, tuple[Reader, bytes]] = {
        "script": (
            lambda data: parse_script(data.decode("utf-8", "replace")),
            b"@ada person=ada\n@kofi person=kofi\nada: Good morning.\nkofi: Good morning to you.\n",
        ),
        "markup": (
            lambda data: utterances(data.decode("utf-8", "replace"), Utterance(text="")),
            b'<speak>Good <break time="300ms"/><prosody rate="slow">morning</prosody></speak>',
        ),
        "mood": (
            lambda data: Direction.read(emotion=data.decode("utf-8", "replace").replace("\0", "")),
            b"0 serious, 2.5 happy:0.8",
        ),
        "pose": (lambda data: Direction.read(pose=data.decode("utf-8", "replace").replace("\0", "")), b"4,-2,0"),
        "track": (
            through(folder / "track.csv", lambda: parse(read_text(folder / "track.csv"))),
            b'# format="thsafe.performance/1" fps="25" seed=0 engine="embedded 0.1.0"\ntime,jaw\n0,0.012\n0.04,0.02\n',
        ),
        "rows": (
            through(folder / "track.jsonl", lambda: parse(read_text(folder / "track.jsonl"))),
            b'{"format": "thsafe.performance/1", "fps": "25", "seed": 0, "engine": "e"}\n{"time": 0.0, "jaw": 0.01}\n',
        ),
        "tokens": (
            through(tokens, lambda: Tokens(tokens).holder("thsafe_x")),
            b'{"tokens": [{"id": "0a", "name": "d", "scopes": ["verify"], "digest": "00", "made": "", "expires": ""}]}',
        ),
        "signpost": (
            through(home.path / "signpost.json", lambda: signpost_of_home(home)),
            b'{"schema": "thsafe.signpost/1", "detector": "https://example.org/verify"}',
        ),
        "approvers": (through(home.approvers, lambda: approvers_of(home)), b'{"approvers": ["did:key:z6Mk"]}'),
        "rules": (
            _rules,
            b"- {id: A, pack: eu, says: x, source: y, accessed: 2026-11-22, status: house, checker: log}\n",
        ),
    }
    order = list(readers.values())

    def one_input(data: bytes) -> None:
        if data:
            with contextlib.suppress(ThsafeError):
                order[data[0] % len(order)][0](data[1:])

    return one_input, [bytes([number]) + genuine for number, (_, genuine) in enumerate(order)]


def _rules(data: bytes) -> None:
    # the table comes with the program: a ValueError that names the row is all it promises
    with contextlib.suppress(ValueError):
        parse_rules(data.decode("utf-8", "replace"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="thsafe-fuzz-") as place:
        fuzz(*prepare(Path(place)))
