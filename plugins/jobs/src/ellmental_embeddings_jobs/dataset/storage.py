"""How vectors are stored: as they are, in half the bytes, or in a quarter with a scale a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["STORES", "Store", "arrow_type", "restored", "store_of", "stored"]

Store = Literal["float32", "float16", "int8"]

STORES: tuple[Store, ...] = get_args(Store)
"""``--store``: float32 as the model made them; float16, 3 decimal digits; int8, a whole number
from -127 to 127 times the row's own ``scale``."""

_STEPS = 127


def arrow_type(store: Store) -> Any:
    """The Arrow type of one number."""
    import pyarrow as pa

    return {"float32": pa.float32(), "float16": pa.float16(), "int8": pa.int8()}[store]


def store_of(number_type: Any) -> Store | None:
    """The store that an Arrow type belongs to, or None."""
    return next((store for store in STORES if arrow_type(store) == number_type), None)


def stored(
    vectors: NDArray[np.float32], store: Store
) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    """Vectors as they are stored, and for int8 each row's scale; shapes (n, d) and (n,).

    The scale is the row's largest number divided by 127: symmetric, and exact when it is read
    and stored again.
    """
    import numpy as np

    if store == "float32":
        return vectors, None
    if store == "float16":
        # Numbers beyond 65,504 have no place in a float16: the largest that has one is kept.
        return vectors.clip(-65504, 65504).astype(np.float16), None
    scales = np.abs(vectors).max(axis=1, initial=0).astype(np.float32) / np.float32(_STEPS)
    steps = vectors / np.where(scales == 0, np.float32(1), scales)[:, np.newaxis]
    return np.rint(steps).clip(-_STEPS, _STEPS).astype(np.int8), scales


def restored(numbers: NDArray[Any], scales: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Stored vectors as float32, shape (n, d); a float32 array is given back as it is."""
    import numpy as np

    vectors = numbers.astype(np.float32, copy=False)
    return vectors if scales is None else vectors * scales[:, np.newaxis]
