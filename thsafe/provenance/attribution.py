"""What an output was made from, as its manifest names it: a relationship for every input and the digital source type.

C2PA 2.4 §18.16.3: ``parentOf`` is what was opened and changed, ``componentOf`` what was placed into the output and is
still heard or seen there, ``inputTo`` what only went into the making.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.core.errors import ThsafeError
from thsafe.core.types import Json, MediaKind, MediaRef, Request, Task
from thsafe.provenance.manifest import Ingredient

if TYPE_CHECKING:
    from thsafe.core.types import Frame

RECORDED = "recorded"
"""The word by which an engine says, in ``facts["voice"]``, that the sound of the output is a recording."""
_TITLES: Mapping[str, str] = {"target": "footage", "text": "script", "media": "original"}
# What a made picture becomes when a real voice is laid under it (IPTC digital source types).
_WITH_RECORDING: Mapping[str, str] = {
    "digitalCreation": "composite",
    "trainedAlgorithmicMedia": "compositeWithTrainedAlgorithmicMedia",
}
_THUMBNAIL_SIDE = 256


def ingredients_of(request: Request, facts: Mapping[str, Json]) -> tuple[Ingredient, ...]:
    """Every input of a request, in its order, with a thumbnail where it is a picture or a film.

    Args:
        request: the job.
        facts: ``Draft.facts``; ``voice`` tells whether a recording is kept in the output, ``obtained`` names files that
            came from elsewhere while it was made (``path``, ``title``, ``media_type``), such as a vendor's video.
    """
    obtained = tuple(
        Ingredient(
            path=Path(item["path"]), relationship="componentOf", title=item["title"], media_type=item["media_type"]
        )
        for item in facts.get("obtained", ())
    )
    return obtained + tuple(
        Ingredient(
            path=ref.path,
            relationship=_relationship(ref, facts),
            title=_TITLES.get(ref.role, ref.role),
            media_type=ref.media_type or "application/octet-stream",
            digital_source_type=_declared(ref, facts),
            thumbnail_jpeg=_thumbnail_of(ref),
        )
        for ref in request.inputs
    )


def source_type_of(request: Request, facts: Mapping[str, Json]) -> str:
    """The digital source type of the output, or of the change where footage was opened; a short name."""
    made = str(facts["digital_source_type"]).rpartition("/")[2]
    if request.task is Task.LABEL:
        return made
    relations = {_relationship(ref, facts) for ref in request.inputs}
    return _WITH_RECORDING.get(made, made) if relations & {"parentOf", "componentOf"} else made


def thumbnail_jpeg(frame: Frame) -> bytes:
    """A small JPEG of a BGR frame, its longer side 256 pixels or its own size if that is less."""
    import cv2

    from thsafe.media.image import encode_jpeg

    height, width = frame.shape[:2]
    scale = min(1.0, _THUMBNAIL_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return encode_jpeg(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), 80)


def _declared(ref: MediaRef, facts: Mapping[str, Json]) -> str | None:
    """What is known of where an input comes from: our own drawing, or media declared when they are labelled."""
    if ref.role == "media":
        return str(facts["digital_source_type"]).rpartition("/")[2]
    return "digitalCreation" if ref.performer == "synthetic" and ref.path is None else None


def _relationship(ref: MediaRef, facts: Mapping[str, Json]) -> str:
    if ref.role in {"target", "media"} and ref.kind is not MediaKind.TEXT:
        return "parentOf"
    if ref.role == "voice" and ref.kind is MediaKind.AUDIO and facts.get("voice") == RECORDED:
        return "componentOf"
    return "inputTo"


def _thumbnail_of(ref: MediaRef) -> bytes | None:
    """A picture of the input; a film is shown by its middle. None where nothing decodes: the input stays named."""
    from thsafe.media.decode import VideoReader
    from thsafe.media.image import read_image

    if ref.path is None:
        return None
    try:
        if ref.kind is MediaKind.IMAGE:
            return thumbnail_jpeg(read_image(ref.path))
        if ref.kind is MediaKind.VIDEO:
            with VideoReader(ref.path) as reader:
                frames = reader.sample_bgr(1)
            return thumbnail_jpeg(frames[0][1]) if frames else None
    except ThsafeError:
        return None
    return None
