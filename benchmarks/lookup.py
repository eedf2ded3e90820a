"""How fast a file is led back to its output among a million: by its watermark's id, and by what it looks like.

    python benchmarks/lookup.py [--outputs 1000000] [--portraits 0] [--database postgresql://USER@HOST/NAME]

The outputs are made up: random looks, of one to three scenes each, in as many views as fingerprints have. With
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
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, Engine, Index, insert, select, text
from sqlalchemy.schema import CreateIndex, DropIndex

from thsafe.home import Home
from thsafe.provenance.fingerprint import CROPPED, PLAIN, UNBOXED, fingerprint
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
    repeated("by watermark id", [partial(known.by_watermark, f"{place:016x}") for place in places])
    for bits in (0, 8, 16, 24, 30):
        suspects = {place: text_of(turned(hashes(place, portraits), bits, place)) for place in places}
        calls = [partial(search_fingerprint, suspect, known) for suspect in suspects.values()]
        repeated(f"looks like one, {bits} bits off", calls, [f"urn:{place}" for place in suspects])
    strangers = [text_of(hashes(outputs + _PAGE + place, 0)) for place in range(asked)]
    repeated("looks like none", [partial(search_fingerprint, stranger, known) for stranger in strangers])
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


@lru_cache(maxsize=4)
def page_of(number: int, portraits: int) -> list[np.ndarray]:
    """Looks of the outputs on one page, each of shape (frames, variants, 32); the last variant is that without bars."""
    random = np.random.default_rng([7, number])
    frames = random.integers(1, 4, _PAGE)
    if portraits:
        pictures = np.random.default_rng(8).integers(0, 256, (portraits, _VARIANTS, _HASH), dtype=np.uint8)
        looks = pictures[np.repeat(np.arange(number * _PAGE, (number + 1) * _PAGE) % portraits, frames)]
        # About six bits: another mouth, another moment.
        for _ in range(6):
            place = random.integers(0, 256, looks.shape[:2])
            np.bitwise_xor.at(looks, (*np.indices(looks.shape[:2]), place // 8), (1 << place % 8).astype(np.uint8))
    else:
        looks = random.integers(0, 256, (int(frames.sum()), _VARIANTS, _HASH), dtype=np.uint8)
    looks[:, UNBOXED] = looks[:, PLAIN]
    return np.split(looks, np.cumsum(frames)[:-1])


def hashes(place: int, portraits: int) -> np.ndarray:
    """Looks of one output: the same for the same place."""
    return page_of(place // _PAGE, portraits)[place % _PAGE]


def turned(looks: np.ndarray, bits: int, seed: object) -> np.ndarray:
    """Every look with so many bits turned over."""
    random = np.random.default_rng(seed)
    places = np.argsort(random.random((*looks.shape[:2], 256)), axis=2)[:, :, :bits]
    change = np.zeros((*looks.shape[:2], 256), np.uint8)
    np.put_along_axis(change, places, 1, axis=2)
    change[:, UNBOXED] = change[:, PLAIN]
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
    entries, rows = [], []
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
    for table, values in ((schema.entry, entries), (schema.output, rows)):
        connection.execute(insert(table), values)
    looks = rows_of_many(places, portraits)
    holders = ", ".join(["%s" if connection.dialect.name == "postgresql" else "?"] * len(looks[0]))
    columns = ", ".join(["kind", "owner", "bits", *map(schema.look_part, range(len(schema.LOOK_WIDTHS)))])
    # The driver itself: fourteen million rows are too many for what SQLAlchemy looks after.
    connection.exec_driver_sql(f"INSERT INTO look ({columns}) VALUES ({holders})", looks)


def rows_of_many(places: range, portraits: int) -> list[tuple[int | bytes, ...]]:
    """What ``thsafe.store.looks.rows_of`` makes of all frames, at once."""
    frames = [hashes(place, portraits) for place in places]
    owners = np.repeat(np.array(places), [len(item) for item in frames])
    rows: list[tuple[int | bytes, ...]] = []
    for variant in (PLAIN, *CROPPED):
        looks = np.concatenate(frames)[:, variant]
        bits = np.split(np.unpackbits(looks, axis=1), np.cumsum(schema.LOOK_WIDTHS)[:-1], axis=1)
        parts = np.stack([part @ (1 << np.arange(part.shape[1])[::-1]) for part in bits], axis=1)
        kind = 0 if variant == PLAIN else 1
        rows += [
            (kind, owner, look.tobytes(), *numbers)
            for owner, look, numbers in zip(owners.tolist(), looks, parts.tolist(), strict=True)
        ]
    first = rows_of(Realm.OUTPUT, places[0], looks_of(text_of(frames[0])))[0]
    if tuple(first.values()) != rows[0]:
        raise SystemExit("the benchmark writes other rows than the program")
    return rows


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


def repeated(what: str, calls: list[Callable[[], object]], wanted: list[str] | None = None) -> None:
    """Time each call; processor seconds are of this process, which with SQLite is all there is."""
    busy, seconds, found = time.process_time(), [], 0
    for place, call in enumerate(calls):
        started = time.perf_counter()
        answer = call()
        seconds.append(time.perf_counter() - started)
        found += wanted is not None and wanted[place] in {item.manifest_id for item in answer}
    busy = (time.process_time() - busy) / len(calls)
    detail = f"{found} of {len(calls)} found" if wanted is not None else ""
    cuts = statistics.quantiles(seconds, n=20, method="inclusive")
    median = statistics.median(seconds) * 1000
    print(f"{what:<28} {median:>9,.2f} ms   p95 {cuts[18] * 1000:,.1f} ms, processor {busy * 1000:,.1f} ms  {detail}")


if __name__ == "__main__":
    main()
