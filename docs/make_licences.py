"""Write the page on licences of everything that an installation brings: ``python docs/make_licences.py [--check]``.

Read from the installed packages' own metadata, so it wants the environment of ``make setup``. What the metadata of a
package leaves open was read in the package and stands in ``_READ``.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path(__file__).parent / "reference" / "licences.md"
TOOLS = ("bench", "dev", "docs", "fuzz")
"""Extras for people who work on thsafe; no user gets them."""

_READ = {
    "audioseal": "MIT",
    "av": "BSD-3-Clause; its wheels carry FFmpeg with x264 and x265 (GPL-2.0-or-later)",
    "c2pa-python": "MIT OR Apache-2.0",
    "cedarpy": "Apache-2.0",
    "cycler": "BSD-3-Clause",
    "espeakng-loader": "MIT; carries espeak-ng (GPL-3.0-or-later)",
    "kiwisolver": "BSD-3-Clause",
    "live2d-py": "MIT; carries Cubism Core (Live2D Proprietary Software License) and Cubism's framework (Live2D Open "
    "Software License)",
    "matplotlib": "PSF-based (licence of matplotlib)",
    "numpy": "BSD-3-Clause; its wheels carry OpenBLAS (BSD) and libgfortran (GPL with runtime exception)",
    "opencv-contrib-python": "Apache-2.0; its wheels carry FFmpeg (LGPL-2.1) and Qt (LGPL-3.0)",
    "opencv-python": "Apache-2.0; its wheels carry FFmpeg (LGPL-2.1) and Qt (LGPL-3.0)",
    "psycopg": "LGPL-3.0-only",
    "psycopg-binary": "LGPL-3.0-only; carries libpq (PostgreSQL) and OpenSSL (Apache-2.0)",
    "soundfile": "BSD-3-Clause; its wheels carry libsndfile (LGPL-2.1)",
    "soxr": "LGPL-2.1-or-later",
    "trustmark": "MIT",
}
_HEAD = """\
# Licences of what comes along

thsafe is Apache-2.0. This page is made by `docs/make_licences.py` from what is installed; `make sbom` writes the same
as a CycloneDX bill of materials with versions, `make advisories` asks for known vulnerabilities.

## GPL and LGPL parts

- **espeak-ng** (GPL-3.0-or-later) comes only with the extra `speech`. It is loaded at run time from a shared library
  that the user installed, never linked, and only text input needs it: recordings are animated without it.
- **Cubism Core** is not free software. It comes only with the extra `live2d`, runs in a process of its own, and is
  not needed for thsafe's own figures; businesses over 10 million yen of yearly sales need a release licence of Live2D.
- **x264 and x265** (GPL-2.0-or-later) are inside PyAV's wheels, as shared libraries of their own. Whoever passes an
  installation on, such as a container image, passes them on, too, and owes their source. thsafe contains neither.
- **LGPL** libraries (libsndfile, soxr, psycopg, Qt and FFmpeg in OpenCV's wheels) are shared libraries that can be
  replaced.

## Always installed
"""
_CLASSIFIER = re.compile(r"License :: OSI Approved :: (.+)")


def licence(name: str) -> str:
    """What a package's metadata says of its licence, in one line."""
    if name in _READ:
        return _READ[name]
    about = metadata.metadata(name)
    expression = about.get("License-Expression")
    if expression:
        return expression
    classes = [found[1] for line in about.get_all("Classifier") or [] if (found := _CLASSIFIER.match(line))]
    text = (about.get("License") or "").strip().splitlines()
    if text and len(text[0]) < 60:
        return text[0]
    return "; ".join(classes) or "not stated"


def closure(names: list[str]) -> set[str]:
    """These requirements and all that they bring, as far as installed here."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in names]
    while waiting:
        item = waiting.pop()
        name = canonicalize_name(item.name)
        extras = item.extras or {""}
        if (item.marker and not item.marker.evaluate()) or name in found:
            continue
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        for text in needed:
            below = Requirement(text)
            if below.marker is None or any(below.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(Requirement(re.sub(r";.*", "", text)))
    return found


def page() -> str:
    """The whole page."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    always = closure(project["dependencies"])
    lines = [_HEAD, *_table(always)]
    for extra, names in sorted(project["optional-dependencies"].items()):
        if extra not in TOOLS:
            more = closure(names) - always
            missing = {canonicalize_name(Requirement(text).name) for text in names} - more - always
            lines += ["", f"## With `thsafe[{extra}]`", "", *_table(more | missing)]
    lines += ["", "Weights have licences of their own, on their cards: `thsafe models list`.", ""]
    return "\n".join(lines)


def _table(names: set[str]) -> list[str]:
    rows = [f"| {name} | {licence(name)} |" for name in sorted(names)]
    return ["| package | licence |", "|---|---|", *(rows or ["| – | nothing more |"])]


if __name__ == "__main__":
    text = page()
    if "--check" in sys.argv:
        sys.exit("run: python docs/make_licences.py" if PAGE.read_text(encoding="utf-8") != text else 0)
    PAGE.write_text(text, encoding="utf-8")
