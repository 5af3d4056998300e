"""Many dimensions to two: the plane that shows most of the spread, or UMAP's neighbourhoods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from ellmental_embeddings import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Layout", "laid_out"]

Layout = Literal["pca", "umap"]

_NEIGHBOURS = 15


def laid_out(vectors: NDArray[np.float32], layout: Layout) -> NDArray[np.float32]:
    """Places on a plane.

    Args:
        vectors: of length 1, shape (rows, dimensions).
        layout: ``pca`` or ``umap``.

    Returns:
        float32, shape (rows, 2).

    Raises:
        ConfigurationError: UMAP is asked for and not installed.
    """
    if layout == "umap" and len(vectors) > _NEIGHBOURS:
        return _umap(vectors)
    return _principal(vectors)


def _principal(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The two principal components (Pearson 1901); signs are fixed, so that runs agree."""
    centred = vectors - vectors.mean(axis=0)
    spread = (centred.T @ centred).astype(np.float64)
    _, axes = np.linalg.eigh(spread)
    two = axes[:, ::-1][:, :2]
    if two.shape[1] < 2:  # noqa: PLR2004 - vectors of one number
        two = np.column_stack([two, np.zeros(len(two))])
    largest = np.abs(two).argmax(axis=0)
    two = two * np.where(two[largest, [0, 1]] < 0, -1, 1)
    return np.asarray(centred @ two, dtype=np.float32)


def _umap(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    try:
        from umap import UMAP
    except ImportError:
        raise ConfigurationError(
            "--layout umap needs a package more: pip install umap-learn (pca needs none)."
        ) from None
    reducer = UMAP(n_neighbors=_NEIGHBOURS, metric="cosine", random_state=0, n_jobs=1)
    return np.asarray(reducer.fit_transform(vectors), dtype=np.float32)
