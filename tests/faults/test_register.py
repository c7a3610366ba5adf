"""No fault that must be survived is without a test."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

from tests.faults.register import ENTRIES, PROOFS

TESTS: Final = Path(__file__).parent.parent


def test_every_fault_has_a_test_and_every_proof_its_fault() -> None:
    assert sorted(PROOFS) == sorted(ENTRIES)
    assert all(PROOFS.values())


@pytest.mark.parametrize("proof", sorted({proof for proofs in PROOFS.values() for proof in proofs}))
def test_a_proof_is_there(proof: str) -> None:
    """And not skipped as a whole."""
    file, _, name = proof.partition("::")
    found = [
        node
        for node in ast.parse((TESTS / file).read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    assert len(found) == 1
    assert not [mark for mark in found[0].decorator_list if ast.unparse(mark).startswith("pytest.mark.skip")]
