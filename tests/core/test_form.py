"""Forms: where a JSON value is not what its reader relies on."""

import pytest

from thsafe.core.clock import from_text
from thsafe.core.form import misfit

FORM = {
    "name": str,
    "count": int,
    "sure": bool,
    "at": from_text,
    "tags": [str],
    "people": [{"role": str, "consent": (None, {"id": str})}],
}


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"name": "x", "count": 7, "sure": False, "at": "2026-10-01T09:00:00Z", "tags": [], "other": object},
        {"tags": ["a", "b"], "people": [{"consent": None}, {"role": "portrait", "consent": {"id": "c"}}]},
    ],
)
def test_what_is_not_there_and_what_nobody_reads_fits(value):
    assert misfit(value, FORM) is None


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ([], "the whole"),
        (None, "the whole"),
        ({"name": None}, "name"),
        ({"count": True}, "count"),
        ({"count": 1.0}, "count"),
        ({"sure": 1}, "sure"),
        ({"at": 5}, "at"),
        ({"at": "2026-10-01"}, "at"),
        ({"tags": "ab"}, "tags"),
        ({"tags": ["a", None]}, "tags.1"),
        ({"people": [{}, {"role": 7}]}, "people.1.role"),
        ({"people": [{"consent": {"id": 5}}]}, "people.0.consent"),
    ],
)
def test_the_first_place_that_does_not_fit_is_named(value, place):
    assert misfit(value, FORM) == place
