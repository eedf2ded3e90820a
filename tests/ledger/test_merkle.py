"""The tree against a naive recomputation written straight from RFC 9162 §2.1."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thsafe.ledger import merkle

LEAVES = [merkle.leaf_hash(str(n).encode()) for n in range(300)]


def naive(leaves):
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + naive(leaves[:k]) + naive(leaves[k:])).digest()


class Memory:
    """All complete subtrees of the first leaves, as a store would keep them."""

    def __init__(self, size):
        self.nodes, self.frontier = {}, merkle.Frontier()
        for place in range(size):
            self.nodes[0, place] = LEAVES[place]
            self.frontier, made = self.frontier.append(LEAVES[place])
            self.nodes.update(made)

    def __call__(self, nodes):
        return {node: self.nodes[node] for node in nodes}


FULL = Memory(300)


def test_known_roots():
    # The empty tree and the tree over one empty entry, as published with RFC 6962's reference tests.
    assert merkle.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


@pytest.mark.parametrize("size", range(71))
def test_root_equals_naive_recomputation(size):
    memory = Memory(size)
    assert memory.frontier.root() == naive(LEAVES[:size]) == merkle.root_at(size, FULL)
    assert merkle.Frontier.from_bytes(size, memory.frontier.packed()) == memory.frontier
    assert len(memory.nodes) - size == size - size.bit_count()


@pytest.mark.parametrize("size", [*range(1, 40), 63, 64, 65, 255, 256, 257, 300])
def test_inclusion_proofs(size):
    root = naive(LEAVES[:size])
    for index in range(size):
        proof = merkle.inclusion_proof(index, size, FULL)
        assert merkle.verify_inclusion(LEAVES[index], index, size, proof, root)
        assert not merkle.verify_inclusion(LEAVES[(index + 1) % 300], index, size, proof, root)
        assert not merkle.verify_inclusion(LEAVES[index], index, size, proof, LEAVES[0] if size > 1 else LEAVES[1])
        assert not merkle.verify_inclusion(LEAVES[index], index, size, (*proof, LEAVES[0]), root)
        if proof:
            assert not merkle.verify_inclusion(LEAVES[index], index, size, proof[:-1], root)


def test_no_leaf_proves_at_another_place():
    for size in range(2, 20):
        root = naive(LEAVES[:size])
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, FULL)
            for other in {*range(size)} - {index}:
                assert not merkle.verify_inclusion(LEAVES[index], other, size, proof, root)


@pytest.mark.parametrize("new", [*range(36), 64, 65, 256, 300])
def test_consistency_proofs(new):
    new_root = naive(LEAVES[:new])
    for old in range(new + 1):
        old_root = naive(LEAVES[:old])
        proof = merkle.consistency_proof(old, new, FULL)
        assert merkle.verify_consistency(old, new, proof, old_root, new_root)
        assert not merkle.verify_consistency(old, new, (*proof, LEAVES[0]), old_root, new_root)
        assert not merkle.verify_consistency(old, new, proof, LEAVES[299], new_root)
        if 0 < old < new:
            assert not merkle.verify_consistency(old, new, proof, old_root, LEAVES[299])
            assert not merkle.verify_consistency(old, new, proof[:-1], old_root, new_root)


@given(st.data())
def test_one_flipped_bit_breaks_any_proof(data):
    new = data.draw(st.integers(2, 300))
    old = data.draw(st.integers(1, new - 1))
    index = data.draw(st.integers(0, new - 1))
    inclusion = list(merkle.inclusion_proof(index, new, FULL))
    consistency = list(merkle.consistency_proof(old, new, FULL))
    root, old_root = merkle.root_at(new, FULL), merkle.root_at(old, FULL)
    for proof in (inclusion, consistency):
        at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
        changed = bytearray(proof[at])
        changed[bit // 8] ^= 1 << bit % 8
        proof[at] = bytes(changed)
    assert not merkle.verify_inclusion(LEAVES[index], index, new, inclusion, root)
    assert not merkle.verify_consistency(old, new, consistency, old_root, root)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_no_proof_of_what_is_not_there(index, size):
    with pytest.raises(ValueError, match="no leaf"):
        merkle.inclusion_proof(index, size, FULL)
    assert not merkle.verify_inclusion(LEAVES[0], index, size, (), naive(LEAVES[:3]))


def test_every_node_has_a_number_of_its_own():
    numbers = {merkle.number(node) for node in FULL.nodes}
    assert len(numbers) == len(FULL.nodes)
    assert [merkle.number((0, place)) for place in range(3)] == [0, 2, 4]
    assert merkle.number((1, 0)) == 1
    assert merkle.number((2, 0)) == 3


def test_frontier_refuses_the_wrong_number_of_peaks():
    with pytest.raises(ValueError, match="peaks"):
        merkle.Frontier.from_bytes(3, b"\0" * 32)
    with pytest.raises(ValueError, match="no past"):
        merkle.consistency_proof(4, 3, FULL)
    assert not merkle.verify_consistency(4, 3, (), LEAVES[0], LEAVES[1])
