"""What the command asks for, in plain values: see ``thsafe.registry.LikenessMeter``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from detectors.likeness import expression
from detectors.likeness import identity as likeness
from thsafe.core.errors import ThsafeError
from thsafe.datasets.index import read

if TYPE_CHECKING:
    from thsafe.core.types import Json, Progress
    from thsafe.home import Home


def identity(
    files: Sequence[Path], reference: Path, *, home: Home, measure: str, progress: Progress
) -> Iterator[dict[str, Json]]:
    """First what measures and how the reference's own looks agree, then each file's figures or its error."""
    how = likeness.describer(home, measure)
    known = likeness.reference(reference, how)
    alone = likeness.steadiness(known)
    yield {"measure": how.name, "about": how.about, "reference": reference.name, "steadiness": alone}
    for path in files:
        try:
            yield likeness.measure(path, known, how, progress)
        except ThsafeError as problem:
            if len(files) == 1:
                raise
            yield problem.as_dict() | {"file": path.name}


def people(
    index: Path, *, home: Home, measure: str, split: str | None, limit: int | None, progress: Progress
) -> dict[str, Json]:
    """See ``identity.over_index``; with ``measure`` and ``about``."""
    how = likeness.describer(home, measure)
    found = likeness.over_index(read(index), how, progress, split=split, limit=limit)
    return {"measure": how.name, "about": how.about, **found}


def emotion(path: Path, *, neutral: Path | None, driver: Path | None, progress: Progress) -> dict[str, Json]:
    """See ``expression.measure``."""
    return expression.measure(path, progress, neutral=neutral, driver=driver)


def emotions(index: Path, *, split: str | None, limit: int | None, progress: Progress) -> dict[str, Json]:
    """See ``expression.over_index``."""
    return expression.over_index(read(index), progress, split=split, limit=limit)
