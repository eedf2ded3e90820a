"""The pages in Debian's Chromium: with scripts and without, on a phone, in the dark, in German, judged by axe-core."""

from __future__ import annotations

import json
from importlib import resources

import cv2
import numpy as np
import pytest


@pytest.fixture
def browse(chromium, server):
    """A page in a context of its own; whatever the console complains of fails the test."""
    open_contexts, complaints = [], []

    def start(**options):
        context = chromium.new_context(**{"locale": "en-GB", **options})
        open_contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda problem: complaints.append(str(problem)))
        page.on(
            "request", lambda request: complaints.append(request.url) if _is_elsewhere(request.url, server) else None
        )
        page.goto(server.address + "/")
        return page

    yield start
    for context in open_contexts:
        context.close()
    # A file that cannot be examined is answered with 422, which the console notes.
    assert [text for text in complaints if "status of 422" not in text] == []


def _is_elsewhere(url, server):
    return not url.startswith((server.address, "data:", "blob:"))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """One second of moving noise."""
    import av

    path = tmp_path_factory.mktemp("film") / "street <b>1.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        noise = np.random.default_rng(5).integers(0, 255, (60, 80, 3), dtype=np.uint8)
        big = cv2.resize(noise, (640, 480))
        for number in range(24):
            frame = np.ascontiguousarray(big[number : number + 240, number : number + 320])
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def send(page, path):
    page.set_input_files("#file", str(path))
    page.click("button[type=submit]")
    page.wait_for_selector(".verdict, .problem", timeout=60_000)


def test_upload_progress_and_report(browse, film):
    page = browse()
    page.set_input_files("#file", str(film))
    assert "street" in page.inner_text("[data-name]")
    send(page, film)
    assert page.inner_text(".verdict") == "inconclusive"
    assert "/verifications/" in page.url
    assert page.locator(".film img").count() == 12
    assert page.locator(".card").count() >= 5
    assert page.inner_text("h1") == film.name
    assert page.locator("h1 b").count() == 0
    page.reload()
    assert page.inner_text(".verdict") == "inconclusive"


def test_dropping_a_file_and_live_progress(browse, film, monkeypatch):
    monkeypatch.setattr("thsafe.web.pages._PATIENCE", 0.0)
    page = browse()
    handle = page.evaluate_handle(
        """(bytes) => { const given = new DataTransfer();
           given.items.add(new File([new Uint8Array(bytes)], "dropped.mp4", {type: "video/mp4"})); return given; }""",
        list(film.read_bytes()),
    )
    page.dispatch_event(".drop", "drop", {"dataTransfer": handle})
    assert "dropped.mp4" in page.inner_text("[data-name]")
    page.click("button[type=submit]")
    page.wait_for_selector(".verdict", timeout=60_000)
    assert page.inner_text("h1") == "dropped.mp4"


def test_without_scripts(browse, film, monkeypatch):
    monkeypatch.setattr("thsafe.web.pages._PATIENCE", 0.0)
    page = browse(java_script_enabled=False)
    page.set_input_files("#file", str(film))
    page.click("button[type=submit]")
    page.wait_for_selector(".techniques, .verdict", timeout=60_000)
    page.wait_for_selector(".verdict", timeout=60_000)  # the page renews itself
    assert "inconclusive" in page.inner_text(".verdict")
    page.click("text=Delete this report")
    page.wait_for_selector("text=Deleted")


def test_on_a_phone_in_the_dark_in_german(browse, film):
    page = browse(viewport={"width": 320, "height": 640}, color_scheme="dark", locale="de-DE", has_touch=True)
    assert page.get_attribute("html", "lang") == "de"
    assert page.inner_text("button[type=submit]") == "Prüfen"
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    send(page, film)
    assert page.inner_text(".verdict") == "nicht zu entscheiden"
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    small = page.evaluate(
        """[...document.querySelectorAll("button, .button, input:not([type=hidden])")]
           .filter((item) => item.getBoundingClientRect().height < 40).length"""
    )
    assert small == 0
    page.click("text=English")
    assert page.inner_text(".verdict") == "inconclusive"


def test_by_keyboard_alone(browse):
    page = browse()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "jump"
    reached = set()
    for _ in range(10):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.type || ''"))
    assert {"file", "address", "submit"} <= reached


def test_what_is_no_media_is_said_on_a_page(browse, tmp_path):
    (tmp_path / "notes.txt").write_text("these are notes " * 20)
    page = browse()
    send(page, tmp_path / "notes.txt")
    assert "input.not-media" in page.inner_text(".problem")


def _violations(page):
    axe = resources.files(pytest.importorskip("axe_playwright_python")).joinpath("axe.min.js").read_text()
    page.evaluate(axe + "; 0")
    found = page.evaluate(
        """() => axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})"""
    )
    return [(item["id"], [node["html"][:100] for node in item["nodes"]]) for item in found["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(chromium, server, film, scheme):
    # axe is put into the page by hand, which the policy of the page forbids: this context lets it pass.
    context = chromium.new_context(color_scheme=scheme, bypass_csp=True, locale="de-DE")
    page = context.new_page()
    try:
        page.goto(server.address + "/")
        assert _violations(page) == []
        send(page, film)
        assert _violations(page) == []
        page.goto(server.address + "/login")
        assert _violations(page) == []
        page.goto(server.address + "/nothing")
        assert _violations(page) == []
    finally:
        context.close()


def test_axe_finds_nothing_on_the_progress_page(chromium, server, film, monkeypatch):
    monkeypatch.setattr("thsafe.web.pages._PATIENCE", 0.0)
    context = chromium.new_context(bypass_csp=True, java_script_enabled=True, reduced_motion="reduce")
    page = context.new_page()
    try:
        page.route("**/events", lambda route: route.abort())
        page.route("**/page.js*", lambda route: route.fulfill(body="", content_type="text/javascript"))
        page.goto(server.address + "/")
        page.set_input_files("#file", str(film))
        page.click("button[type=submit]")
        page.wait_for_selector(".techniques, .verdict")
        assert _violations(page) == []
    finally:
        context.close()


def test_a_page_is_light(server):
    """60 kB without pictures: the start page with its style and module."""
    page = server.client.get("/", headers={"accept": "text/html"})
    parts = [part.split('"')[0] for part in page.text.split('"/static/')[1:]]
    sizes = [len(page.content), *(len(server.client.get("/static/" + part).content) for part in parts)]
    assert len(sizes) == 3
    assert sum(sizes) <= 60_000, json.dumps(sizes)
