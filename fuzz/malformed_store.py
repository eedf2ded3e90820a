"""Fuzz the reading of manifest stores: ``make fuzz``, or ``python fuzz/malformed_store.py CORPUS [libFuzzer options]``.

Whatever bytes stand where a manifest store should be, reading answers with a verdict: it raises nothing, and it calls
nothing intact that says something else than what was signed. The corpus is made here from stores of one small picture,
signed with keys of the moment, so none is kept in the project.
"""

from __future__ import annotations

import inspect
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from thsafe.core.ids import new_manifest_label
from thsafe.core.types import Task
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.provenance import ladder, read, sdk, unprotected
from thsafe.provenance.manifest import Ingredient, ManifestFacts
from thsafe.provenance.read import Credentials, read_credentials
from thsafe.provenance.sign import sign
from thsafe.provenance.trust import Trust


def prepare(folder: Path) -> tuple[Callable[[bytes], None], list[bytes]]:
    """The function to fuzz, and stores to begin with: of an original and of one made from it."""
    home = Home(folder / "home")
    ring, trust = KeyRing.create(home), Trust.of_home(home)
    plain, first, second = folder / "plain.jpg", folder / "first.jpg", folder / "second.jpg"
    cv2.imwrite(str(plain), np.full((16, 16, 3), 120, np.uint8))
    parent = Ingredient(path=first, relationship="parentOf", title="before", media_type="image/jpeg")
    stores = [
        sign(plain, first, facts=_facts(Task.SAY), ring=ring, timestamp="off").manifest_bytes,
        sign(
            first, second, facts=_facts(Task.LIPSYNC), ingredients=(parent,), ring=ring, timestamp="off"
        ).manifest_bytes,
    ]
    genuine = [_statement(read_credentials(path, trust=trust)) for path in (first, second)]

    def one_input(data: bytes) -> None:
        for path in (first, second):
            found = read_credentials(path, trust=trust, manifest_bytes=data, media_type="image/jpeg")
            if found.state.intact and not found.history_broken and _statement(found) not in genuine:
                raise AssertionError(f"called {found.state}, but it says something that was never signed")

    return one_input, stores


def _facts(task: Task) -> ManifestFacts:
    return ManifestFacts(
        label=new_manifest_label(),
        title="small",
        task=task,
        media_type="image/jpeg",
        digital_source_type="compositeWithTrainedAlgorithmicMedia",
        software_agent={"name": "fuzz", "version": "1"},
        model_name=None,
        watermark_id="0123456789abcdef",
        log_origin="fuzz.test/log",
        log_index=0,
        policy_digest="a" * 64,
        consent_digests=(),
        label_texts=("AI-generated",),
    )


def _statement(found: Credentials) -> object:
    """What the active manifest says and who its ancestors are."""
    names = tuple(node.manifest_label for node in found.ingredients)
    return found.active_label, found.title, found.actions, dict(found.soft_bindings), names


def main() -> None:
    """Run libFuzzer over it until it finds something or the time is up."""
    import atheris

    corpus = Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="thsafe-fuzz-") as folder:
        one_input, stores = prepare(Path(folder))
        for number, store in enumerate(stores):
            (corpus / f"signed-{number}").write_bytes(store)
        for module in (ladder, read, sdk, unprotected):
            for function in vars(module).values():
                if inspect.isfunction(function) and function.__module__ == module.__name__:
                    atheris.instrument_func(function)
        longest = 2 * max(len(store) for store in stores)
        atheris.Setup(
            [sys.argv[0], f"-max_len={longest}", "-rss_limit_mb=2048", "-timeout=20", *sys.argv[2:], str(corpus)],
            atheris.instrument_func(one_input),
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
