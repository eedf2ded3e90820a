"""Each technique's state, and a timeline of two seconds a picture."""

from __future__ import annotations

import numpy as np
import pytest

from thsafe.core.state import STOPPED, State, state_of
from thsafe.core.types import Evidence, Report, Status, Verdict
from thsafe.report.data import report_as_json, report_from_json
from thsafe.report.html import render_view
from thsafe.report.view import view_as_json, view_from_json, view_of


@pytest.mark.parametrize(
    ("status", "code", "state"),
    [
        (Status.FOUND, "", State.OK),
        (Status.ABSENT, "EXPERIMENTAL", State.OK),
        (Status.CONFLICT, "ANOTHER-ENTRY", State.OK),
        (Status.NOT_EVALUATED, "EXPERIMENTAL", State.OK),
        (Status.NOT_EVALUATED, "NOT-APPLICABLE", State.NOT_APPLICABLE),
        (Status.NOT_EVALUATED, "NO-FACE", State.NOT_APPLICABLE),
        (Status.NOT_EVALUATED, "SMALL-FACE", State.LOW_QUALITY),
        (Status.NOT_EVALUATED, "UNSTABLE", State.LOW_QUALITY),
        (Status.NOT_EVALUATED, STOPPED, State.ERROR),
    ],
)
def test_the_state_of_a_technique(status, code, state) -> None:
    assert state_of(Evidence(check="x", status=status, summary="", code=code)) is state


class Film:
    """As much of an examination as a view needs."""

    credentials = None
    recovered = None

    def __init__(self, seconds):
        self.frames = [(second, np.full((90, 160, 3), 40, np.uint8)) for second in np.arange(0.1, seconds, 0.4)]

    def sampled(self):
        return self.frames


def report(*evidence, duration):
    return Report(
        file="a.mp4",
        sha256="0" * 64,
        kind="video",
        verdict=Verdict.INCONCLUSIVE,
        sentence="Nobody can say.",
        evidence=evidence,
        limits=("It cannot tell.",),
        at="2026-01-01T00:00:00Z",
        tool={"thsafe": "0"},
        media={"duration": duration},
    )


def scored(**more):
    detail = {
        "segments": [{"start": 0.0, "end": 2.0, "score": -0.4}, {"start": 4.0, "end": 6.0, "score": 1.25}],
        "heat_map": {"seconds": 4.4, "jpeg": "AAAA"},
        "false_alarms": "1 of 60 films",
        **more,
    }
    return Evidence(
        check="detector.small",
        status=Status.FOUND,
        summary="Evidence.",
        code="EXPERIMENTAL",
        strength=0.7,
        interval=(-1.1, 1.1),
        detail=detail,
        model_digest="ab" * 32,
    )


def test_every_two_seconds_have_a_picture_and_their_scores() -> None:
    view = view_of(report(scored(), duration=9.0), Film(9))
    assert [(still.seconds, still.end) for still in view.stills] == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 9)]
    assert view.stills[0].scores == (("detector.small", "-0.4"),)
    assert view.stills[1].scores == ()
    assert view.stills[2].scores == (("detector.small", "+1.2"),)
    assert view_from_json(view_as_json(view)) == view


def test_long_films_and_photographs_have_a_timeline_too() -> None:
    long = view_of(report(duration=600.0), Film(600))
    assert len(long.stills) == 48
    assert long.stills[1].seconds == 12.5
    assert len(view_of(report(duration=None), Film(0.3)).stills) == 1


def test_the_page_says_what_a_score_is_and_is_not() -> None:
    page = render_view(view_of(report(scored(), duration=9.0), Film(9)))
    assert "Where the score came from, not proof" in page
    assert "5 times as usual for manipulated files" in page
    assert "1 of 60 films" in page
    assert "ab" * 32 in page
    assert 'class="techniques"' in page
    assert "What this cannot tell" in page
    assert "nicht Beweis" not in page
    assert "kein Beweis" in render_view(view_of(report(scored(), duration=9.0), Film(9)), language="de")


def test_the_state_stands_in_the_json_and_comes_back() -> None:
    whole = report(scored(), duration=9.0)
    value = report_as_json(whole)
    assert value["evidence"][0]["state"] == "ok"
    assert report_from_json(value) == whole
