"""International phonetic symbols as espeak-ng writes them, reduced to what moves a mouth.

A phoneme's name may carry stress, length, tone, tie bars and several symbols (``ˈoʊ``, ``tʃ``, ``th`` for an aspirated
t). :func:`symbols` strips the marks and splits the name into single sounds, affricates kept whole.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

AFFRICATES = frozenset(
    ("ts", "dz", "tʃ", "dʒ", "tɕ", "dʑ", "ʈʂ", "ɖʐ", "tʂ", "dʐ", "pf", "kx", "tɬ", "dɮ", "cç", "ɟʝ", "tθ", "tS", "dZ")
)
_STOPS = frozenset("pbtdkgɡqʈɖcɟʔsʃɕʂ")
_MARKS = frozenset("ˈˌːˑ.-_|‖'’ʼ\"`^~*!?/\\ʰʱʲʷˠˤⁿˡ˞ᵝ˥˦˧˨˩˩↗↘ꜛꜜ0123456789#%+=:;,()[]{}")


@lru_cache(maxsize=4096)
def symbols(ipa: str) -> tuple[str, ...]:
    """The sounds in an IPA name, in order; empty for a pause or a bare mark.

    >>> symbols("ˈoʊ"), symbols("tʃ"), symbols("th"), symbols("ãː")
    (('o', 'ʊ'), ('tʃ',), ('t',), ('a',))
    """
    # The cedilla of ç would be taken for a mark once it is decomposed.
    decomposed = unicodedata.normalize("NFD", ipa.replace("ç", "\ue000")).replace("\ue000", "ç")
    plain = [char for char in decomposed if char not in _MARKS and not unicodedata.combining(char)]
    found: list[str] = []
    for char in plain:
        if found and found[-1] + char in AFFRICATES:
            found[-1] += char
        elif char == "h" and found and (found[-1] in _STOPS or found[-1] in AFFRICATES):
            continue  # aspiration, which espeak writes as a full h
        else:
            found.append(char)
    return tuple(found)
