"""OSCAL assessment results, held against what NIST's model (v1.1.3, assessment-results) asks of each object.

The same document was read by compliance-trestle 5.2.0, which is too large to be installed for tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from thsafe.audit.model import Measurement
from thsafe.audit.oscal import as_oscal
from thsafe.audit.run import run_audit

UUID = re.compile(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[45][0-9A-Fa-f]{3}-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}")
TOKEN = re.compile(r"(\p{L}|_)(\p{L}|\p{N}|[.\-_])*".replace(r"\p{L}", "[A-Za-z]").replace(r"\p{N}", "[0-9]"))
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

# name of an object, as its parent calls it: (fields it must have, fields it may have)
MODEL: dict[str, tuple[str, str]] = {
    "assessment-results": ("uuid metadata import-ap results", "local-definitions back-matter"),
    "metadata": ("title last-modified version oscal-version", "published remarks props links roles parties"),
    "import-ap": ("href", "remarks"),
    "results": (
        "uuid title description start reviewed-controls",
        "end props links local-definitions attestations assessment-log observations risks findings remarks",
    ),
    "props": ("name value", "uuid ns class group remarks"),
    "reviewed-controls": ("control-selections", "description props links control-objective-selections remarks"),
    "control-selections": ("", "description props links include-all include-controls exclude-controls remarks"),
    "include-controls": ("control-id", "statement-ids"),
    "local-definitions": ("", "components inventory-items users assessment-assets tasks"),
    "inventory-items": ("uuid description", "props links responsible-parties implemented-components remarks"),
    "observations": (
        "uuid description methods collected",
        "title props links types origins subjects relevant-evidence expires remarks",
    ),
    "subjects": ("subject-uuid type", "title props links remarks"),
    "findings": (
        "uuid title description target",
        "props links origins implementation-statement-uuid related-observations related-risks remarks",
    ),
    "target": ("type target-id status", "title description props links implementation-status remarks"),
    "status": ("state", "reason remarks"),
    "related-observations": ("observation-uuid", ""),
    "back-matter": ("", "resources"),
    "resources": ("uuid", "title description props document-ids citation rlinks base64 remarks"),
}
TOKENS = {"control-id", "target-id", "state", "reason", "type", "name"}
METHODS = {"EXAMINE", "INTERVIEW", "TEST", "TEST-MANUAL", "TEST-AUTOMATED", "MIXED", "UNKNOWN"}


def faults(name: str, value: object) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, dict):
            continue
        must, may = (set(words.split()) for words in MODEL[name])
        if missing := must - set(item):
            yield f"{name} lacks {sorted(missing)}"
        if unknown := set(item) - must - may:
            yield f"{name} has {sorted(unknown)}"
        for field, inner in item.items():
            if field.endswith("uuid") and not UUID.fullmatch(inner):
                yield f"{name}.{field}: {inner}"
            if field in TOKENS and not TOKEN.fullmatch(inner):
                yield f"{name}.{field}: {inner}"
            if field in {"last-modified", "start", "end", "collected"} and not MOMENT.fullmatch(inner):
                yield f"{name}.{field}: {inner}"
            if field == "value" and (not inner or inner != inner.strip() or "\n" in inner):
                yield f"{name}.value: {inner!r}"
            if isinstance(inner, list) and not inner:
                yield f"{name}.{field} is empty"
            if isinstance(inner, (dict, list)) and field != "methods":
                yield from faults(field, inner)


def test_a_house_with_troubles_fits_the_model(house):
    house.publish("good.mp4", territories=["DE", "US-CA", "CN"])
    house.publish("bad.mp4", territories=["DE"])
    house.change("bad.mp4", credentials_state="absent", credentials_intact=False)
    house.publish("gone.mp4")
    (house.folder / "gone.mp4").unlink()
    (house.folder / "stray.mp4").write_bytes(b"stray")
    house.measured[house.folder / "stray.mp4"] = Measurement()
    house.intent("killed")
    report = run_audit(
        house.home, measure=house.measure, ledger=house.ledger, folders=(house.folder,), clock=house.clock
    )
    document = as_oscal(report)
    assert set(document) == {"assessment-results"}
    assert list(faults("assessment-results", document["assessment-results"])) == []
    (result,) = document["assessment-results"]["results"]
    assert {method for item in result["observations"] for method in item["methods"]} <= METHODS
    assert {item["target"]["status"]["state"] for item in result["findings"]} == {"satisfied", "not-satisfied"}


def test_an_empty_house_fits_too(house):
    report = run_audit(house.home, measure=house.measure, ledger=house.ledger, clock=house.clock)
    assert list(faults("assessment-results", as_oscal(report)["assessment-results"])) == []
