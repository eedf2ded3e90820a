"""The REST interface: files in, reports out, problems in words."""

from __future__ import annotations

import json
import time

import pytest

CHECKS = {"log", "credentials", "watermark", "recovery", "container"}


def test_a_bare_body_is_taken_and_reported_on(server, photo):
    taken = server.client.post("/v1/verifications", content=photo, headers={"content-type": "image/png"})
    assert taken.status_code == 202
    assert taken.headers["location"] == f"/v1/verifications/{taken.json()['id']}"
    done = server.client.get(taken.headers["location"], params={"wait": 30}).json()
    assert done["state"] == "done"
    assert done["report"]["schema"] == "thsafe.report/1"
    assert done["report"]["verdict"] == "inconclusive"
    assert {item["check"] for item in done["checks"]} >= CHECKS
    assert done["problem"] is None


def test_a_form_with_a_file_is_taken_and_named(server, photo):
    taken = server.client.post("/v1/verifications", files={"file": ("holiday.png", photo)}, params={"wait": 30})
    done = server.client.get(taken.headers["location"]).json()
    assert (done["state"], done["report"]["file"]) == ("done", "holiday.png")


def test_the_upload_is_gone_when_the_report_is_there(server, photo):
    done = server.verify(photo)
    assert sorted(name.rpartition("/")[2] for name in server.left() if done["id"] + "/" in name) == [
        "job.json",
        "view.json",
    ]


def test_events_tell_each_technique_and_the_end(server, photo):
    taken = server.client.post("/v1/verifications", content=photo, headers={"content-type": "image/png"})
    names, last = [], {}
    with server.client.stream("GET", taken.headers["location"] + "/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("event: "):
                names.append(line[7:])
            elif line.startswith("data: "):
                last = json.loads(line[6:])
    assert names[-1] == "ended"
    assert set(names[:-1]) <= {"progress"}
    assert last["state"] == "done"
    assert last["report"] is None


def test_a_long_poll_waits_no_longer_than_asked(server, photo):
    taken = server.client.post("/v1/verifications", content=photo, headers={"content-type": "image/png"})
    began = time.monotonic()
    server.client.get(taken.headers["location"], params={"wait": 0.2})
    assert time.monotonic() - began < 5
    assert server.client.get(taken.headers["location"], params={"wait": 30}).json()["state"] == "done"


def test_deleting_leaves_nothing(server, photo):
    done = server.verify(photo)
    assert server.client.delete(f"/v1/verifications/{done['id']}").status_code == 204
    assert [name for name in server.left() if done["id"] in name] == []
    assert server.client.get(f"/v1/verifications/{done['id']}").status_code == 404


def test_what_is_no_media_fails_with_the_code_of_the_command_line(server):
    done = server.verify(b"hello, this is no picture at all" * 20)
    assert done["state"] == "failed"
    assert done["report"] is None
    assert (done["problem"]["code"], done["problem"]["exit_code"]) == ("input.not-media", 30)
    assert done["problem"]["status"] == 422


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("POST", "/v1/verifications", {"content": b"", "headers": {"content-type": "image/png"}}, 400, "upload.empty"),
        ("POST", "/v1/verifications", {"json": {"address": "x"}}, 400, "upload.json"),
        ("POST", "/v1/verifications", {"json": {"url": "https://127.0.0.1:22/"}}, 400, "address.port"),
        ("POST", "/v1/verifications", {"json": {"url": "http://media.example/x"}}, 400, "address.scheme"),
        ("POST", "/v1/verifications", {"json": {"url": "https://u@media.example/"}}, 400, "address.form"),
        ("POST", "/v1/verifications?wait=x", {"content": b"x"}, 400, "service.request"),
        ("POST", "/v1/verifications", {"files": {"other": b"x"}}, 400, "upload.form"),
        ("GET", "/v1/verifications/nope", {}, 404, "service.unknown"),
        ("GET", "/v1/verifications/" + "A" * 24, {}, 404, "service.unknown"),
        ("DELETE", "/v1/verifications/" + "A" * 24, {}, 404, "service.unknown"),
        ("PUT", "/v1/verifications", {"content": b"x"}, 405, "service.method"),
        ("GET", "/v1/nothing", {}, 404, "service.unknown"),
        ("POST", "/v1/verifications", {"json": {"url": "file:///etc/passwd"}}, 400, "upload.json"),
        ("GET", "/v1/manifests?watermark=zz", {}, 400, "service.request"),
        ("GET", "/v1/manifests/urn:c2pa:nothing", {}, 404, "manifest.unknown"),
        ("GET", "/metrics", {}, 401, "service.token"),
    ],
)
def test_refusals_are_problem_details(server, method, path, options, status, code):
    answer = server.client.request(method, path, **options)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["code"], told["status"], told["type"]) == (code, status, f"urn:thsafe:problem:{code}")
    assert told["detail"]


def test_a_refused_upload_leaves_no_folder(server):
    before = server.folders()
    server.client.post("/v1/verifications", content=b"", headers={"content-type": "image/png"})
    server.client.post("/v1/verifications", files={"other": b"x"})
    assert server.folders() == before


def test_the_report_can_be_saved_as_one_file(server, photo):
    done = server.verify(photo)
    page = server.client.get(f"/v1/verifications/{done['id']}/report.html", params={"lang": "de"})
    assert "attachment" in page.headers["content-disposition"]
    assert '<html lang="de">' in page.text
    assert "nicht zu entscheiden" in page.text
    assert 'src="http' not in page.text


def test_health_tells_no_figures(server):
    assert server.client.get("/v1/health").json().keys() == {"status", "version", "mode"}


def test_public_reports_are_gone_once_delivered_and_name_nobody(public, photo):
    taken = public.client.post("/v1/verifications", files={"file": ("ada-lovelace.png", photo)}, params={"wait": 30})
    done = public.client.get(taken.headers["location"], params={"wait": 30})
    assert done.json()["report"]["file"] == ""
    assert "lovelace" not in done.text
    assert public.client.get(taken.headers["location"]).status_code == 404
    assert public.cleared()


def test_a_failed_public_job_leaves_nothing_either(public):
    done = public.verify(b"no media" * 100)
    assert done["problem"]["code"] == "input.not-media"
    assert public.cleared()


def test_a_file_is_fetched_by_its_address(public, site):
    taken = public.client.post("/v1/verifications", json={"url": f"{site}/clip.png"}, params={"wait": 30})
    assert taken.status_code == 202
    assert taken.json()["checks"][0] == {"check": "fetch", "status": "found", "code": "", "summary": ""}
    done = public.client.get(taken.headers["location"], params={"wait": 30}).json()
    assert done["report"]["verdict"] == "inconclusive"
    assert public.cleared()


def test_the_page_takes_an_address_too(public, site):
    word = public.form()
    form = {"word": (None, word), "address": (None, f"{site}/clip.png"), "file": ("", b"")}
    taken = public.client.post("/verifications", files=form)
    assert taken.status_code == 303, taken.text
    report = public.client.get(taken.headers["location"], headers={"accept": "text/html"})
    while 'class="verdict' not in report.text:
        assert "data-progress" in report.text
        report = public.client.get(taken.headers["location"], headers={"accept": "text/html"})
    assert "clip.png" not in report.text
    assert public.cleared()


def test_an_address_that_leads_inwards_fails_in_words(public, site):
    taken = public.client.post("/v1/verifications", json={"url": f"{site}/private"}, params={"wait": 30})
    done = public.client.get(taken.headers["location"], params={"wait": 30}).json()
    assert (done["state"], done["problem"]["code"]) == ("failed", "address.port")
    inwards = {"url": "https://[::ffff:10.0.0.1]/x"}
    taken = public.client.post("/v1/verifications", json=inwards, params={"wait": 30})
    done = public.client.get(taken.headers["location"], params={"wait": 30}).json()
    assert (done["state"], done["problem"]["code"]) == ("failed", "address.private")
    assert public.cleared()


def test_reports_go_when_their_time_is_over(tmp_path, monkeypatch):
    import asyncio

    from thsafe.home import Home
    from thsafe.web.jobs import Job, State
    from thsafe.web.schedule import Schedule
    from thsafe.web.settings import Settings

    monkeypatch.setattr("thsafe.sandbox.Sandbox.start", lambda _self: None)
    settings = Settings(home=Home(tmp_path / "home"), data=tmp_path, public=True, undelivered_seconds=0.2)

    async def run():
        schedule = Schedule(settings, told=lambda _job, _seconds: None)
        number = schedule.folders.new()
        schedule.folders.save(Job(id=number, name="a", created=1.0, state=State.DONE, ended=time.time()))
        await schedule.start()
        there = schedule.find(number)
        await asyncio.sleep(0.6)
        gone = schedule.find(number)
        await schedule.stop()
        return there, gone

    there, gone = asyncio.run(run())
    assert there is not None
    assert gone is None
    assert list(settings.jobs.iterdir()) == []


@pytest.mark.parametrize(("answer", "status"), [("on", 202), ("perhaps", 400), ("", 400)])
def test_the_field_detectors_is_understood_or_refused(public, answer, status):
    told = public.client.post("/v1/verifications", data={"detectors": answer}, files={"file": ("x.mp4", b"%PDF-1.4")})
    assert told.status_code == status
    if status == 400:
        assert told.json()["code"] == "upload.detectors"
