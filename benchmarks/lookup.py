"""How fast a file is led back to its output among a million: by its watermark's id, and by what it looks like.

    python benchmarks/lookup.py [--outputs 1000000] [--portraits 0] [--database postgresql://USER@HOST/NAME]

The outputs are made up: random looks, of one to three scenes each, in as many views as real fingerprints have. With
``--portraits 50`` all of them show one of fifty pictures, a few bits apart, as those of a studio do: the hard case.
The copy in hand differs from what was published in as many bits as is said; what cannot be found costs most, since
everything is asked before it is sure. Peers in the same run: comparing with every look (numpy), for which all looks
are read into memory first.
"""

from __future__ import annotations

import argparse
import base64
import os
import platform
import statistics
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, Engine, Index, insert, select, text
from sqlalchemy.schema import CreateIndex, DropIndex

from thsafe.home import Home
from thsafe.provenance.fingerprint import fingerprint
from thsafe.provenance.lookup import search_fingerprint
from thsafe.provenance.views import looks_of
from thsafe.store import schema
from thsafe.store.engine import open_engine, reading, writing
from thsafe.store.looks import Realm, rows_of
from thsafe.store.outputs import Outputs

_PAGE = 2000
_HASH = 32
_VARIANTS = 10


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--outputs", type=int, default=1_000_000)
    arguments.add_argument("--portraits", type=int, default=0, help="how many pictures they all show; 0: each its own")
    arguments.add_argument("--database", help="PostgreSQL URL of an empty database; default: SQLite, temporary")
    arguments.add_argument("--asked", type=int, default=40, help="look-ups of each kind")
    options = arguments.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        url = options.database or Home(Path(folder)).database_url
        engine = open_engine(url)
        seconds = timed(lambda: fill(engine, options.outputs, options.portraits))
        print(f"{options.outputs:,} outputs with {count(engine):,} looks written in {seconds:,.0f} s, {size(engine)}")
        measure(engine, options.outputs, options.portraits, options.asked)
        engine.dispose()


def measure(engine: Engine, outputs: int, portraits: int, asked: int) -> None:
    known = Outputs(engine)
    places = np.random.default_rng(5).integers(0, outputs, asked).tolist()
    show("by watermark id", [timed(lambda: known.by_watermark(f"{place:016x}")) for place in places])
    for bits in (0, 8, 16, 24, 30):
        spent, right = [], 0
        for place in places:
            suspect = text_of(turned(hashes(place, portraits), bits, place))
            started = time.perf_counter()
            found = search_fingerprint(suspect, known)
            spent.append(time.perf_counter() - started)
            right += any(item.manifest_id == f"urn:{place}" for item in found)
        show(f"looks like one, {bits} bits off", spent, f"{right} of {asked} found")
    strangers = [text_of(hashes(outputs + place, 0)) for place in places]
    show("looks like none", [timed(lambda: search_fingerprint(suspect, known)) for suspect in strangers])
    compare_with_all(engine, hashes(places[0], portraits)[0, 0])


def compare_with_all(engine: Engine, sought: np.ndarray) -> None:
    """What an index spares: one look of 32 bytes held against all of them."""
    started = time.perf_counter()
    with reading(engine) as connection:
        rows = connection.execution_options(yield_per=50_000).execute(select(schema.look.c.bits)).scalars()
        everything = np.frombuffer(b"".join(map(bytes, rows)), np.uint8).reshape(-1, _HASH)
    read = time.perf_counter() - started
    ones = np.array([value.bit_count() for value in range(256)], np.uint8)
    spent = timed(lambda: ones[everything ^ sought].sum(axis=1, dtype=np.uint16).min())
    print(f"{'peer: one look against all':<28} {spent * 1000:>9,.0f} ms   after {read:.1f} s of reading them")


def hashes(place: int, portraits: int) -> np.ndarray:
    """Looks of an output, shape (frames, variants, 32): the same for the same place."""
    own = np.random.default_rng([7, place])
    frames = int(own.integers(1, 4))
    if not portraits:
        return own.integers(0, 256, (frames, _VARIANTS, _HASH), dtype=np.uint8)
    picture = np.random.default_rng([8, place % portraits]).integers(0, 256, (1, _VARIANTS, _HASH), dtype=np.uint8)
    return np.stack([turned(picture, int(own.integers(2, 12)), [place, frame])[0] for frame in range(frames)])


def turned(looks: np.ndarray, bits: int, seed: object) -> np.ndarray:
    """Every look with so many bits turned over."""
    random = np.random.default_rng(seed)
    places = np.argsort(random.random((*looks.shape[:2], 256)), axis=2)[:, :, :bits]
    change = np.zeros((*looks.shape[:2], 256), np.uint8)
    np.put_along_axis(change, places, 1, axis=2)
    return looks ^ np.packbits(change, axis=2)


def text_of(looks: np.ndarray) -> str:
    """A fingerprint with these looks."""
    empty = base64.b64decode(fingerprint([]))
    rows = b"".join(struct.pack(">I", number * 1000) + look.tobytes() for number, look in enumerate(looks))
    return base64.b64encode(empty + rows).decode()


def fill(engine: Engine, outputs: int, portraits: int) -> None:
    """Write rows as publishing would, without what the look-up does not touch; indexes last, as the migration does."""
    indexes = [index for index in schema.look.indexes if isinstance(index, Index)]
    with writing(engine) as connection:
        for index in indexes:
            connection.execute(DropIndex(index))
    for page in pages(outputs):
        with writing(engine) as connection:
            write(connection, page, portraits)
    with writing(engine) as connection:
        for index in indexes:
            connection.execute(CreateIndex(index))
        connection.execute(text("ANALYZE"))


def pages(outputs: int) -> Iterator[range]:
    for start in range(0, outputs, _PAGE):
        yield range(start, min(start + _PAGE, outputs))


def write(connection: Connection, places: range, portraits: int) -> None:
    entries, rows, looks = [], [], []
    for place in places:
        fingerprint_text = text_of(hashes(place, portraits))
        entries.append({"position": place, "leaf_hash": b"", "at": "", "type": "output", "leaf": b""})
        rows.append(
            {
                "manifest_id": f"urn:{place}", "watermark_id": f"{place:016x}", "sha256": f"{place:064x}",
                "fingerprint": fingerprint_text, "manifest": b"", "media_type": "video/mp4", "created_at": "",
                "ledger_index": place, "path": "", "duration": 4.0, "engine": "embedded", "task": "say",
            }
        )  # fmt: skip
        looks += rows_of(Realm.OUTPUT, place, looks_of(fingerprint_text))
    for table, values in ((schema.entry, entries), (schema.output, rows), (schema.look, looks)):
        connection.execute(insert(table), values)


def count(engine: Engine) -> int:
    with reading(engine) as connection:
        return int(connection.execute(text("SELECT count(*) FROM look")).scalar_one())


def size(engine: Engine) -> str:
    with reading(engine) as connection:
        if engine.dialect.name == "postgresql":
            taken = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        else:
            taken = connection.execute(text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"))
            taken = taken.scalar_one()
    return f"{taken / 1e9:.2f} GB"


def timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def show(what: str, seconds: list[float], detail: str = "") -> None:
    cuts = statistics.quantiles(seconds, n=20, method="inclusive")
    print(f"{what:<28} {statistics.median(seconds) * 1000:>9,.2f} ms   p95 {cuts[18] * 1000:,.1f} ms  {detail}")


if __name__ == "__main__":
    main()
