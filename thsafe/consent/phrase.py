"""The words a person reads aloud: they follow from the terms, so a recording of them consents to nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from thsafe.core.canonical import canonical_bytes
from thsafe.core.types import Json

COUNT: Final = 6
"""Words in a phrase: 48 bits, far beyond what can be recorded ahead."""

_WORD_TEXT: Final = """
acorn admiral album almond amber anchor animal antelope apple apricot april arrow artist autumn avenue avocado
badger bakery balcony bamboo banana banjo banner barrel basket battery beacon beaver bedroom bicycle birthday
biscuit blanket blossom bonfire bottle branch breakfast bridge broccoli brother bucket buffalo building butterfly
button cabbage cactus camel camera candle canoe canvas canyon capital captain caravan cardinal carpet carrot castle
cathedral cereal champion cherry chestnut chimney chocolate cinema cinnamon circle citizen clover cobalt coconut
coffee comet compass copper coral cottage cricket crystal cucumber cupboard curtain cushion daisy december desert
diamond dinner doctor dolphin donkey dragon drawer elephant emerald engine evening falcon family feather february
ferry festival finger flamingo flower forest fountain friday galaxy garden garlic ginger giraffe glacier golden
gorilla granite grape guitar hammer harbor harvest hazel helmet heron hickory holiday honey horizon hospital hotel
island ivory jacket january jasmine jelly jewel journey jungle kangaroo kettle kingdom kitchen ladder lantern lemon
leopard letter library lighthouse lily lobster magnet mango maple marble market meadow melody mirror monkey mountain
museum mushroom mustard napkin needle nephew november nutmeg oatmeal ocean october olive onion orange orchard oxygen
oyster painter palace paper parrot peanut pebble pelican pencil penguin pepper piano pillow pineapple planet pocket
potato prairie pumpkin puzzle pyramid rabbit radio rainbow raspberry ribbon river robin rocket rooster saddle salmon
sandwich saturday scissors seven shadow shelter silver spider spinach spring squirrel station strawberry sunset
sweater teacher temple thunder tiger tomato tractor tulip tunnel turtle umbrella valley vanilla velvet village
violin volcano walnut wednesday whisper window winter wizard yellow yogurt zebra
"""
WORDS: Final = tuple(_WORD_TEXT.split())
"""256 words of common English, all in the offline recogniser's dictionary, so that one byte picks one word."""


def phrase(agreed: Mapping[str, Json], nonce: str) -> str:
    """The words for these terms: one for each of the first bytes of SHA-256(JCS(terms) || nonce).

    Args:
        agreed: what is consented to, see ``agreed_part``.
        nonce: hexadecimal, new for every request.
    """
    return " ".join(WORDS[byte] for byte in _digest(agreed, nonce)[:COUNT])


def wallet_nonce(agreed: Mapping[str, Json], nonce: str) -> str:
    """The same for a wallet, which signs instead of reading aloud: the whole digest, in hexadecimal."""
    return _digest(agreed, nonce).hex()


def _digest(agreed: Mapping[str, Json], nonce: str) -> bytes:
    return hashlib.sha256(canonical_bytes(agreed) + bytes.fromhex(nonce)).digest()


def agreed_part(body: Mapping[str, Json], valid_from: str, valid_until: str, collector: str) -> dict[str, Json]:
    """The part of a request or record that the phrase stands for: who may do what, where, how long."""
    names = ("licensee", "scope", "ageClass", "onWithdrawal")
    return {
        **{name: body[name] for name in names},
        "validFrom": valid_from,
        "validUntil": valid_until,
        "collector": collector,
    }


def agreement(expected: str, heard: Sequence[str]) -> float:
    """How much of a phrase was heard in its order, 0..1: the longest common subsequence over the phrase's length."""
    wanted = expected.split()
    row = [0] * (len(heard) + 1)
    for word in wanted:
        before = 0
        for place, other in enumerate(heard, start=1):
            above = row[place]
            row[place] = before + 1 if word == other.lower() else max(above, row[place - 1])
            before = above
    return row[-1] / len(wanted)
