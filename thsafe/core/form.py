"""Whether a JSON value has the form that its reader relies on: a few lines where a schema language would be too much.

A form is a type, a list with the form of its items, a mapping with the forms of its fields (where they are there; other
fields are nobody's business), a tuple of alternatives (None for null), or a function that raises ValueError.
"""

from __future__ import annotations

from collections.abc import Mapping

from thsafe.core.types import Json


def misfit(value: Json, form: object, place: str = "") -> str | None:
    """Where a value does not have the form, as ``inputs.0.role``; None where it does.

    >>> misfit({"inputs": [{"role": 7}]}, {"inputs": [{"role": str}]})
    'inputs.0.role'
    """
    inside: list[tuple[Json, object, str]] = []
    match form:
        case type():
            # True is an int in Python; nothing that counts may be a truth value.
            fits = isinstance(value, form) and isinstance(value, bool) == (form is bool)
        case list():
            fits = isinstance(value, list)
            inside = [(item, form[0], str(number)) for number, item in enumerate(value)] if fits else []
        case Mapping():
            fits = isinstance(value, Mapping)
            inside = [(value[name], form[name], name) for name in form if name in value] if fits else []
        case tuple():
            fits = any(value is None if each is None else misfit(value, each) is None for each in form)
        case _:
            fits = _accepted(value, form)
    if not fits:
        return place or "the whole"
    found = (misfit(item, each, f"{place}.{name}".lstrip(".")) for item, each, name in inside)
    return next((where for where in found if where is not None), None)


def _accepted(value: Json, check: object) -> bool:
    assert callable(check)
    try:
        check(value)
    except (ValueError, TypeError):
        return False
    return True
