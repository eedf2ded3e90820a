"""Are the packages called ``generators``, ``detectors`` and ``policies`` ours?

Other projects on PyPI use these names; installing one of them beside thsafe overwrites our files. Looked up without
importing anything.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from thsafe.core.errors import MissingError

_PACKAGES = ("generators", "detectors", "policies")


def foreign_packages() -> dict[str, str]:
    """Names of ours that something else provides, with where it was found; empty when all is well."""
    foreign = {}
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin) if spec and spec.origin else None
        if origin is None or '__distribution__ = "thsafe"' not in origin.read_text(encoding="utf-8"):
            foreign[name] = str(origin or "nowhere")
    return foreign


def check_ownership() -> None:
    """Raise MissingError ``install.foreign`` when one of our packages is not ours."""
    foreign = foreign_packages()
    if foreign:
        raise MissingError(
            "A package of thsafe has been overwritten by another project's: " + ", ".join(foreign) + ".",
            code="install.foreign",
            found="\n".join(f"{name} at {where}" for name, where in foreign.items()),
            next_step="install thsafe in an environment of its own: uv tool install thsafe, or pipx install thsafe",
        )
