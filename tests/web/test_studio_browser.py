"""The studio in Debian's Chromium: a film with and without scripts, a consent before a pretended camera, on a phone."""

from __future__ import annotations

import hashlib
import json
import sys
from importlib import resources
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def camera():
    """Debian's browser with a camera and a microphone that are made up."""
    path = Path("/usr/bin/chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    if not path.exists():
        pytest.skip("no /usr/bin/chromium (apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=str(path),
            args=[
                "--no-sandbox", "--disable-gpu", "--disable-background-networking",
                "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
            ],
        )  # fmt: skip
        yield browser
        browser.close()


@pytest.fixture
def browse(camera, studio):
    """A page that has the studio's token; whatever the console complains of fails the test."""
    contexts, complaints = [], []

    def start(path="/studio", **options):
        context = camera.new_context(**{"locale": "en-GB", **options})
        contexts.append(context)
        context.set_default_timeout(60_000)
        context.add_cookies([{"name": "thsafe_token", "value": studio.token(), "url": studio.address}])
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda problem: complaints.append(str(problem)))
        page.on("request", lambda request: complaints.append(request.url) if _elsewhere(request.url, studio) else None)
        page.goto(studio.address + path)
        return page

    yield start
    for context in contexts:
        context.close()
    # Refusals are answered with 400, 403 and 422, which the console notes.
    assert [text for text in complaints if "status of 4" not in text] == []


def _elsewhere(url, studio):
    return not url.startswith((studio.address, "data:", "blob:"))


@pytest.fixture
def request_file(studio, tmp_path, monkeypatch):
    """A consent request of this installation."""
    from thsafe.cli.main import run

    monkeypatch.setenv("THSAFE_HOME", str(studio.home.path))
    path = tmp_path / "request.json"
    assert run(["consent", "request", "--purpose", "education", "--uses", "A <b>lesson</b>.", "-o", str(path)]) == 0
    return path


def wide(page):
    return page.evaluate("document.documentElement.scrollWidth")


def test_a_film_from_a_text_with_progress_preview_and_download(browse, studio):
    pytest.importorskip("espeakng_loader", reason="the optional voice is not installed")
    page = browse()
    assert page.is_hidden("#picture")
    assert page.is_hidden("#audio")
    assert page.is_hidden(".consent")
    page.check("input[value=sol]")
    page.fill("#text", "Hi <b>you</b>.")
    page.click("summary")
    page.select_option("#size", "256")
    page.click("form.studio button[type=submit]")
    page.wait_for_selector("progress, video")
    page.wait_for_selector("video", timeout=240_000)
    assert page.evaluate("document.querySelector('video').textTracks.length") == 1
    width = page.evaluate(
        """new Promise((told) => { const film = document.querySelector("video"), tell = () => told(film.videoWidth);
           if (film.readyState) tell(); else film.addEventListener("loadedmetadata", tell); })"""
    )
    assert width >= 256
    with page.expect_download() as started:
        page.click("a.button")
    film = Path(started.value.path()).read_bytes()
    assert started.value.suggested_filename.startswith("thsafe-sol-")
    assert hashlib.sha256(film).hexdigest() in page.inner_text(".facts")
    page.click("text=Back to the studio")
    page.click(".films a:has-text('Sol')")
    page.click("text=Delete this film")
    page.wait_for_selector("form.studio")
    assert page.locator(".films a:has-text('Sol')").count() == 0
    assert studio.files() == []


def test_without_scripts_a_refusal_comes_by_itself(browse, studio, photo, tmp_path):
    pytest.importorskip("espeakng_loader", reason="the optional voice is not installed")
    (tmp_path / "me.png").write_bytes(photo)
    page = browse(java_script_enabled=False)
    page.check("#own")
    assert page.is_visible(".consent")
    page.set_input_files("#picture", str(tmp_path / "me.png"))
    page.fill("#text", "Hi.")
    page.click("form.studio button[type=submit]")
    page.wait_for_selector("text=Refused", timeout=120_000)  # the page renews itself
    assert "thsafe consent" in page.inner_text(".problem")
    assert studio.files() == []
    page.goto(studio.address + "/consent")
    assert "needs JavaScript" in page.inner_text("main")


def test_without_scripts_a_film_can_be_stopped(browse, studio):
    page = browse(java_script_enabled=False)
    page.fill("#text", "This takes longer than anybody waits. " * 30)
    page.click("form.studio button[type=submit]")
    page.click("text=Stop and delete")
    page.wait_for_selector("h1:has-text('Studio')")
    assert studio.files() == []


def test_consent_before_the_camera(browse, studio, request_file, photo, tmp_path):
    (tmp_path / "me.png").write_bytes(photo)
    page = browse("/consent")
    page.set_input_files("#request", str(request_file))
    page.click("text=Read the terms")
    page.wait_for_selector("[data-begin]:visible")
    assert page.inner_text(".terms dd >> nth=1") == "A <b>lesson</b>."
    assert len(page.inner_text(".phrase").split()) == 6
    page.check("[name=agree]")
    page.set_input_files("#picture", str(tmp_path / "me.png"))
    page.click("form.studio [type=submit]")
    assert "First record" in page.inner_text("[data-state]")
    page.click("[data-begin]")
    page.wait_for_selector("[data-end]:visible")
    page.wait_for_timeout(2500)
    page.click("[data-end]")
    page.wait_for_selector("text=Recorded.")
    assert page.evaluate("document.querySelector('[data-view]').src").startswith("blob:")
    assert studio.files() == []  # nothing is sent before the person signs
    page.set_input_files("#picture", str(request_file))
    page.click("form.studio [type=submit]")
    page.wait_for_selector("text=input.not-media")
    assert studio.files() == []  # nothing was signed, and nothing is left of it
    page.set_input_files("#picture", str(tmp_path / "me.png"))
    page.click("form.studio [type=submit]")
    page.wait_for_selector("h1:has-text('Signed')")
    assert studio.files() == []
    with page.expect_download() as record:
        page.click("text=Save the signed record")
    with page.expect_download() as recording:
        page.click("text=Save the recording")
    document = json.loads(Path(record.value.path()).read_bytes())
    data = Path(recording.value.path()).read_bytes()
    assert recording.value.suggested_filename == "recording.webm"
    assert hashlib.sha256(data).hexdigest() in json.dumps(document)
    from thsafe.media.probe import probe

    (tmp_path / "recording.webm").write_bytes(data)
    assert probe(tmp_path / "recording.webm").audio_codec == "opus"
    page.click("text=Done")
    page.wait_for_selector("#request")


def test_without_a_camera_the_page_says_so(browse, studio, request_file):
    page = browse("/consent")
    page.set_input_files("#request", str(request_file))
    page.click("text=Read the terms")
    page.wait_for_selector("[data-begin]:visible")
    page.evaluate(
        """() => { navigator.mediaDevices.getUserMedia =
             () => Promise.reject(new DOMException("", "NotAllowedError")); }"""
    )
    page.click("[data-begin]")
    page.wait_for_selector("text=NotAllowedError")
    assert page.is_enabled("[data-begin]")
    page.click("text=I do not agree")
    page.wait_for_selector("#request")
    assert studio.files() == []


def test_on_a_phone_in_the_dark_in_german(browse, request_file):
    page = browse(viewport={"width": 320, "height": 640}, color_scheme="dark", locale="de-DE", has_touch=True)
    assert page.get_attribute("html", "lang") == "de"
    assert wide(page) <= 320
    page.check("#own")
    page.click("summary")
    assert wide(page) <= 320
    small = page.evaluate(
        """[...document.querySelectorAll("button, .button, select, textarea, input[type=text], label.choice")]
           .filter((item) => item.checkVisibility() && item.getBoundingClientRect().height < 40).length"""
    )
    assert small == 0
    page.click("text=Einwilligen >> nth=0")
    page.set_input_files("#request", str(request_file))
    page.click("text=Bedingungen lesen")
    page.wait_for_selector("[data-begin]:visible")
    broad = """[...document.querySelectorAll("main *")].filter((item) => item.getBoundingClientRect().right > 320)
               .map((item) => item.outerHTML.slice(0, 80))"""
    assert page.evaluate(broad) == []
    assert wide(page) <= 320
    assert page.inner_text("h1") == "Sie werden um Einwilligung gebeten"


def test_the_form_by_keyboard_alone(browse):
    page = browse()
    reached = []
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.name || ''"))
    assert {"portrait", "speech-text", "text", "voice"} <= set(reached)


def _violations(page):
    axe = resources.files(pytest.importorskip("axe_playwright_python")).joinpath("axe.min.js").read_text()
    page.evaluate(axe + "; 0")
    found = page.evaluate(
        """() => axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})"""
    )
    return [(item["id"], [node["html"][:100] for node in item["nodes"]]) for item in found["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browse, request_file, scheme):
    # axe is put into the page by hand, which the policy of the page forbids: this context lets it pass.
    page = browse(color_scheme=scheme, bypass_csp=True, locale="de-DE")
    assert _violations(page) == []
    page.check("#own")
    page.check("#consent-record")
    page.click("summary")
    assert _violations(page) == []
    page.fill("#text", "")
    page.click("form.studio button[type=submit]")
    page.wait_for_selector(".problem")
    assert _violations(page) == []
    page.click("nav.rooms >> text=Einwilligen")
    page.wait_for_selector("#request")
    assert _violations(page) == []
    page.set_input_files("#request", str(request_file))
    page.click("text=Bedingungen lesen")
    page.wait_for_selector("[data-begin]:visible")
    assert _violations(page) == []


def test_axe_finds_nothing_while_and_after(camera, studio, monkeypatch):
    """The page of a film that is being made, by a worker that only waits, and of one that is done."""
    from thsafe.web import productions

    waiting = "import json, time; print(json.dumps({'stage': 'rendering', 'total': 4, 'done': 1}), flush=True); time.sleep(99)"
    monkeypatch.setattr(productions, "_COMMAND", (sys.executable, "-c", waiting))
    context = camera.new_context(bypass_csp=True, locale="de-DE", color_scheme="dark")
    context.add_cookies([{"name": "thsafe_token", "value": studio.token(), "url": studio.address}])
    try:
        page = context.new_page()
        page.goto(studio.address + "/studio")
        page.fill("#text", "Hallo.")
        page.click("form.studio button[type=submit]")
        page.wait_for_selector("text=Zeichnet, kennzeichnet und markiert")
        assert page.evaluate("document.querySelector('progress').value") == 25
        assert _violations(page) == []
        film = studio.server.app.state.productions.find(page.url.partition("?")[0].rpartition("/")[2])
        made = {"sha256": "0" * 64, "manifest": "urn:c2pa:0", "watermark": "00", "entry": 1, "seconds": 1.0}
        film.made, film.state = made, productions.State.DONE
        page.wait_for_selector("video")  # the page looks by itself
        assert _violations(page) == []
        page.goto(studio.address + "/studio")
        assert _violations(page) == []
        page.click(f".films a[href*='{film.id}']")
        page.click("text=Diesen Film löschen")
        page.wait_for_selector("form.studio")
        assert film.id not in page.content()
        assert studio.files() == []
    finally:
        context.close()
