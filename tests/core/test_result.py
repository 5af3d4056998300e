"""Results and spaces: what decides whether two vectors may be compared."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from ellmental_embeddings import Embeddings, Outcome, Space, SpaceMismatch, Usage

SPACE = Space(
    model="m",
    revision="r",
    dimensions=2,
    document_instruction="passage: ",
    query_instruction="query: ",
    overlong="error",
    normalised=True,
)
USAGE = Usage(texts=1, unique=1, requests=1, retries=0, tokens=None, seconds=0.1)


def embeddings(vectors: Any, space: Space = SPACE) -> Embeddings:
    """A result with these vectors."""
    array = np.array(vectors, dtype=np.float32)
    return Embeddings(vectors=array, outcomes=[Outcome()] * len(array), usage=USAGE, space=space)


def test_the_id_is_stable() -> None:
    """An id that was written beside vectors last year must be the same today."""
    assert SPACE.id == "677881a5f385"
    assert Space().id == "eb6dc987a0f9"


@pytest.mark.parametrize("field", [item.name for item in fields(Space)])
def test_every_field_makes_another_space(field: str) -> None:
    """Whatever differs, the id differs, comparing is refused, and the message names it."""
    changed: dict[str, Any] = {field: 7}
    other = replace(SPACE, **changed)
    assert other.id != SPACE.id
    with pytest.raises(SpaceMismatch, match=f"{field}: .* here, 7 there"):
        embeddings([[1, 0]]).similarity(embeddings([[1, 0]], other))


def test_a_space_survives_json() -> None:
    """What is written beside stored vectors is read back as the same space."""
    stored = json.loads(json.dumps(SPACE.to_dict()))
    assert Space.from_dict({**stored, "from_a_later_version": 1}) == SPACE
    assert stored["id"] == SPACE.id


def test_similarity() -> None:
    """Cosine similarity, computed by hand; a vector of length 0 is similar to nothing."""
    result = embeddings([[3, 4], [0, 0]]).similarity(embeddings([[4, 3], [-3, -4], [3, 4]]))
    assert np.allclose(result, np.array([[0.96, -1, 1], [0, 0, 0]]))


def test_a_result_shows_its_shape_not_its_numbers() -> None:
    """The repr of a million vectors is one line."""
    assert repr(embeddings([[1, 2]])) == f"<Embeddings (1, 2), space {SPACE.id}>"
