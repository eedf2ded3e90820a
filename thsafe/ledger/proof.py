"""Proofs from the stored tree: that an entry is in the log, and that the log only grew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from thsafe.core.errors import LedgerBroken, StoreError
from thsafe.core.types import Json
from thsafe.ledger import merkle
from thsafe.ledger.merkle import Node
from thsafe.store import schema

# Made once: building them takes longer than the tree's own work.
_STATE = select(schema.head.c.size, schema.head.c.root, schema.entry.c.leaf_hash).select_from(
    schema.head.outerjoin(schema.entry, schema.entry.c.position == bindparam("index"))
)
_LEAVES = select(schema.entry.c.position, schema.entry.c.leaf_hash).where(
    schema.entry.c.position.in_(bindparam("places", expanding=True))
)
_NODES = select(schema.node.c.number, schema.node.c.hash).where(
    schema.node.c.number.in_(bindparam("numbers", expanding=True))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """What shows that one entry stands in the log of a given size; digests in hexadecimal."""

    index: int
    size: int
    leaf_hash: str
    path: tuple[str, ...]
    root: str

    def holds(self) -> bool:
        """Recompute the root from the leaf (RFC 9162 §2.1.3.2)."""
        path = [bytes.fromhex(item) for item in self.path]
        leaf, root = bytes.fromhex(self.leaf_hash), bytes.fromhex(self.root)
        return merkle.verify_inclusion(leaf, self.index, self.size, path, root)

    def as_dict(self) -> dict[str, Json]:
        """For JSON."""
        return {
            "index": self.index,
            "size": self.size,
            "leaf_hash": self.leaf_hash,
            "path": list(self.path),
            "root": self.root,
        }


def prove(connection: Connection, index: int, size: int | None) -> InclusionProof:
    """That entry ``index`` stands in the log of the first ``size`` entries; errors as ``Ledger.prove``."""
    present, present_root, leaf = connection.execute(_STATE, {"index": index}).one()
    size = present if size is None else size
    if not 0 <= index < size <= present:
        raise StoreError(
            f"The log has no entry {index} among its first {size}.",
            code="log.no-entry",
            found=f"{present} entries, counted from 0",
            next_step="list them: thsafe log show",
        )
    path = merkle.inclusion_proof(index, size, _NodeReader(connection))
    root = merkle.root_from_inclusion(leaf or b"", index, size, path)
    if root is None or (size == present and root != present_root):
        raise _broken_tree(f"the nodes above entry {index} do not lead to the root")
    return InclusionProof(
        index=index, size=size, leaf_hash=leaf.hex(), path=tuple(item.hex() for item in path), root=root.hex()
    )


def prove_consistency(connection: Connection, old: int, new: int | None) -> tuple[str, ...]:
    """That the first ``old`` entries are unchanged among the first ``new``; errors as ``Ledger.prove_consistency``."""
    present = int(connection.execute(select(schema.head.c.size)).scalar_one())
    new = present if new is None else new
    if not 0 <= old <= new <= present:
        raise StoreError(
            f"The log never had {old} entries before it had {new}.",
            code="log.no-entry",
            found=f"{present} entries",
            next_step="list them: thsafe log show",
        )
    return tuple(item.hex() for item in merkle.consistency_proof(old, new, _NodeReader(connection)))


class _NodeReader:
    """Fetches stored subtree hashes by (level, place), a whole proof in two queries."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, nodes: Sequence[Node]) -> Mapping[Node, bytes]:
        known: dict[Node, bytes] = {}
        leaves = [place for level, place in nodes if level == 0]
        if leaves:
            known |= {(0, place): value for place, value in self._connection.execute(_LEAVES, {"places": leaves})}
        inner = {merkle.number(node): node for node in nodes if node[0] > 0}
        if inner:
            stored = self._connection.execute(_NODES, {"numbers": list(inner)})
            known |= {inner[number]: value for number, value in stored}
        if missing := [node for node in nodes if node not in known]:
            raise _broken_tree(f"no hash for subtree {missing[0]}")
        return known


def _broken_tree(found: str) -> LedgerBroken:
    return LedgerBroken(
        "The stored tree of the log has holes.",
        code="log.nodes",
        found=found,
        next_step="run: thsafe log verify; then restore the database from a backup",
    )
