"""The forms of the logged events that an audit rests on: an entry of another form was not written by thsafe.

Whoever holds the log's key can append anything. What has not the form of its type is a finding of its own, and what
rests on it counts as not logged: it cannot stop the audit, nor be read as something that it does not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from policies.logged import ASKED
from thsafe.core.clock import from_text
from thsafe.core.form import misfit
from thsafe.core.types import Json

_DECISION: Final = {
    "ts": from_text,
    **ASKED,
    **dict.fromkeys(("job", "engine", "policy"), str),
    **{name: [str] for name in ("rules", "duties")},
    "inputs": [dict.fromkeys(("role", "kind", "performer", "sha256"), str)],
    "consents": [dict.fromkeys(("id", "digest", "assurance", "input"), str)],
    "screened": bool,
}
_FORMS: Final[Mapping[str, Mapping[str, object]]] = {
    "intent": _DECISION,
    "refusal": _DECISION,
    "output": {"ts": from_text, **dict.fromkeys(("job", "sha256", "manifest_id", "watermark_id"), str)},
    "failed": {"ts": from_text, "job": str, "reason": str},
}


def odd(event: Mapping[str, Json]) -> str | None:
    """The field of an event that has not the form of the event's type; None where all have."""
    return misfit({"ts": None, **event}, _FORMS.get(str(event.get("type")), {"ts": from_text}))
