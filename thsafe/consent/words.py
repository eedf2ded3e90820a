"""Terms in words: what a person reads before they agree, line by line, with nothing left out."""

from __future__ import annotations

from thsafe.consent.match import TRANSIENT
from thsafe.consent.record import Terms


def in_words(terms: Terms) -> tuple[tuple[str, str], ...]:
    """Every term that somebody agrees to, as rows of a heading and a sentence part.

    Args:
        terms: of a request or of a record.
    """
    scope = terms.scope
    rows = [
        ("for", terms.licensee),
        ("uses", scope.uses_text or "not described"),
        ("modes", ", ".join(scope.modes)),
        ("purposes", ", ".join(scope.purposes)),
        ("never", ", ".join(scope.prohibited)),
        ("languages", "any" if "*" in scope.languages else ", ".join(scope.languages)),
        ("territories", ", ".join(scope.territories)),
        ("channels", ", ".join(scope.channels)),
        ("how often", "any number of outputs" if scope.max_uses is None else f"at most {scope.max_uses} outputs"),
        ("from", terms.valid_from.date().isoformat()),
        ("until", terms.valid_until.date().isoformat()),
        ("also for", ", ".join(f"{item.did} until {item.until.date()}" for item in terms.delegates)),
        ("guardian", terms.guardian or ""),
        ("of age", "" if terms.comes_of_age is None else terms.comes_of_age.date().isoformat()),
        ("court", terms.court_reference or ""),
        ("estate", terms.estate or ""),
        ("adviser", "" if terms.represented_by == "none" else terms.represented_by),
        ("pay", terms.compensation_ref or ""),
        ("notice", terms.notice_ref or ""),
        (
            "withdrawal",
            "at any time; nothing new is made"
            + (", and what was made is to be taken down" if terms.on_withdrawal == "takedown" else ""),
        ),
        (
            "face",
            "may be compared with another picture of you in memory, where the file differs; no measurement is kept"
            if terms.biometric.get("use") == TRANSIENT
            else "never measured: only the very files count",
        ),
        ("pictures", ", ".join(f"{item.role} {item.sha256[:16]}…" for item in terms.references) or "those you name"),
    ]
    return tuple((heading, _visible(text)) for heading, text in rows if text)


def _visible(text: str) -> str:
    """The text with a mark for every character that shows as none: such could move or hide other terms on a screen."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
