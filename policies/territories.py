"""Places as jobs and consents name them: ``WORLD``, ``EU``, ISO 3166-1 alpha-2, ISO 3166-2 such as ``US-CA``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

WORLD: Final = "WORLD"

_EU_TEXT: Final = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
EU_MEMBERS: Final = frozenset(_EU_TEXT.split())

_COUNTRY_TEXT: Final = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
_COUNTRIES: Final = frozenset(_COUNTRY_TEXT.split())

_SUBDIVISION: Final = re.compile(r"([A-Z]{2})-[A-Z0-9]{1,3}")


def is_known(code: str) -> bool:
    """Whether a code names a place: an unknown one could hide a law."""
    if code in {WORLD, "EU"} or code in _COUNTRIES:
        return True
    match = _SUBDIVISION.fullmatch(code)
    return match is not None and match[1] in _COUNTRIES


def enclosing(code: str) -> frozenset[str]:
    """All codes that contain this place, itself and ``WORLD`` included: ``DE`` lies in ``EU``."""
    country = code.partition("-")[0]
    around = {code, country, WORLD}
    if country in EU_MEMBERS:
        around.add("EU")
    return frozenset(around)


def uncovered(wanted: Iterable[str], granted: Collection[str]) -> frozenset[str]:
    """The places of a job that a consent does not reach; a job that names none may be shown anywhere."""
    places = frozenset(wanted) or frozenset({WORLD})
    return frozenset(place for place in places if enclosing(place).isdisjoint(granted))
