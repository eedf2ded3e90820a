"""The words a consent's scope is made of: a misspelt one would make a consent that opens nothing, so it is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from policies.territories import is_known
from thsafe.core.errors import UsageError
from thsafe.core.types import Task

if TYPE_CHECKING:
    from thsafe.consent.record import Terms

VOICE: Final = "voice"
"""The mode that lets a voice be imitated, beside the mode of the job itself; it is never part of a default."""
MODES: Final = (*(str(task) for task in Task), VOICE)
PURPOSES: Final = (
    "accessibility", "advertising", "customer-service", "demonstration", "education", "entertainment",
    "internal-communication", "marketing", "news", "personal", "political", "research", "satire", "testing",
    "training-video", "translation",
)  # fmt: skip
"""Those of ``policies/20-use.cedar`` @id ``use.purpose`` that are not closed."""
_MINOR_TERM: Final = timedelta(days=1827)

SELF_REACH: Final = frozenset(
    {
        "accessibility", "demonstration", "education", "internal-communication", "personal", "research", "testing",
        "training-video", "translation",
    }
)  # fmt: skip
"""Purposes that self-assurance reaches, as ``policies/10-consent.cedar`` @id ``consent.assurance`` has them."""


def check_self_reach(*, modes: Iterable[str], purposes: Iterable[str]) -> None:
    """Make sure that a consent to one's own picture would open something.

    Raises:
        UsageError: ``consent.self-reach``: a word that policy never lets self-assurance reach.
    """
    beyond = [word for word in purposes if word in PURPOSES and word not in SELF_REACH]
    beyond += [word for word in modes if word in {str(Task.SWAP), VOICE}]
    if beyond:
        raise UsageError(
            f'Agreeing for yourself does not reach "{beyond[0]}".',
            code="consent.self-reach",
            found=", ".join(beyond),
            rule="policies/10-consent.cedar @id consent.assurance: it reaches " + ", ".join(sorted(SELF_REACH)),
            next_step="for more, someone else must vouch for you: thsafe consent request --help",
        )


def check_minor(terms: Terms) -> None:
    """Make sure that a minor's consent would open something: ``policies/10-consent.cedar`` @id ``consent.minor``.

    Raises:
        UsageError: ``consent.minor``, naming what is missing.
    """
    if terms.age_class != "minor":
        return
    given = {
        "--guardian": terms.guardian is not None,
        "--court-reference": bool(terms.court_reference),
        "--comes-of-age": terms.comes_of_age is not None,
    }
    wrong = [f"no {option}" for option, there in given.items() if not there]
    if terms.comes_of_age is not None and terms.valid_until > terms.comes_of_age:
        wrong.append(f"it runs past {terms.comes_of_age.date()}")
    if terms.valid_until - terms.valid_from > _MINOR_TERM:
        wrong.append("it runs longer than five years")
    if wrong:
        raise UsageError(
            "A minor's consent needs a guardian, a court's reference, and an end by the eighteenth birthday.",
            code="consent.minor",
            found="; ".join(wrong),
            rule="policies/10-consent.cedar @id consent.minor",
            next_step="add what is missing, or choose fewer --days: thsafe consent request --help",
        )


def check_scope(
    *, modes: Iterable[str], purposes: Iterable[str], territories: Iterable[str], prohibited: Iterable[str] = ()
) -> None:
    """Make sure that a scope about to be asked for or given says what policy can read.

    Raises:
        UsageError: ``consent.scope``, naming the word and those that are known.
    """
    _known("mode", modes, MODES)
    _known("purpose", [*purposes, *prohibited], PURPOSES)
    for place in territories:
        if not is_known(place):
            raise _unknown("territory", place, "ISO 3166 codes such as DE or US-CA, EU, or WORLD")


def _known(what: str, words: Iterable[str], known: Collection[str]) -> None:
    for word in words:
        if word not in known:
            raise _unknown(what, word, ", ".join(known))


def _unknown(what: str, word: str, known: str) -> UsageError:
    return UsageError(
        f'"{word[:60]}" is not a {what} that a consent can name.',
        code="consent.scope",
        found=f"--{what} {word[:60]}",
        rule=f"known: {known}",
        next_step="correct the word",
    )
