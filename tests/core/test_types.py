"""Requests are bound to all that they say; errors say all that a person needs."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from thsafe.core.clock import from_text, to_text
from thsafe.core.errors import ConsentRefused, ThsafeError
from thsafe.core.exitcodes import ExitCode
from thsafe.core.ids import new_manifest_label, new_watermark_id
from thsafe.core.types import MediaKind, MediaRef, Request, Task

REF = MediaRef(role="portrait", path=None, sha256="ab" * 32, kind=MediaKind.IMAGE)
REQUEST = Request(
    task=Task.SAY,
    engine="embedded",
    inputs=(REF,),
    purpose="demonstration",
    job_id="job",
    nonce="nonce",
    params={"a": 1},
)


@pytest.mark.parametrize(
    "change",
    [
        {"task": Task.ANIMATE},
        {"engine": "other"},
        {"inputs": (dataclasses.replace(REF, sha256="cd" * 32),)},
        {"inputs": (dataclasses.replace(REF, performer="synthetic"),)},
        {"params": {"a": 2}},
        {"purpose": "advertising"},
        {"territories": ("EU",)},
        {"language": "de"},
        {"channel": "web"},
        {"requester": "did:key:x"},
        {"job_id": "other"},
        {"nonce": "other"},
    ],
)
def test_any_change_of_a_request_changes_its_digest(change: dict[str, object]) -> None:
    assert dataclasses.replace(REQUEST, **change).digest() != REQUEST.digest()


def test_where_a_file_lies_does_not_change_the_digest(tmp_path) -> None:
    moved = dataclasses.replace(REF, path=tmp_path / "elsewhere.png")
    assert dataclasses.replace(REQUEST, inputs=(moved,)).digest() == REQUEST.digest()


def test_input_by_role() -> None:
    assert REQUEST.input("portrait") is REF
    with pytest.raises(KeyError):
        REQUEST.input("voice")


def test_an_error_explains_itself_in_the_documented_block() -> None:
    problem = ConsentRefused(
        "No consent covers the person.", code="consent.missing", found="one\ntwo", rule="r", next_step="n", log="l"
    )
    assert problem.explain().splitlines() == [
        "error[consent.missing]: No consent covers the person.",
        "  found   one",
        "          two",
        "  rule    r",
        "  next    n",
        "  log     l",
    ]
    assert problem.as_dict()["exit_code"] == 21


def _all_errors(kind: type[ThsafeError]) -> list[type[ThsafeError]]:
    return [kind, *(deeper for below in kind.__subclasses__() for deeper in _all_errors(below))]


def test_every_class_of_error_has_an_exit_code_in_its_range() -> None:
    for kind in _all_errors(ThsafeError):
        assert kind.exit_code in set(ExitCode)
    for kind in _all_errors(ConsentRefused):
        assert 20 <= kind.exit_code <= 29


def test_times_are_utc_and_need_a_zone() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    assert to_text(moment) == "2026-01-02T03:04:05.678Z"
    assert from_text("2026-01-02T04:04:05.678+01:00") == moment
    with pytest.raises(ValueError, match="no time zone"):
        from_text("2026-01-02T03:04:05")


def test_identifiers_are_random_and_well_formed() -> None:
    assert len({new_watermark_id() for _ in range(100)}) == 100
    assert all(len(new_watermark_id()) == 16 for _ in range(10))
    assert new_manifest_label().startswith("urn:c2pa:")
