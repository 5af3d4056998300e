"""``.arrow``, ``.arrows``, ``.feather``: record batches of Arrow's IPC, as a file or a stream."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .arrow_rows import ArrowRows
from .base import Unusable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ArrowSource"]

_FILE = b"ARROW1"
_FEATHER_1 = b"FEA1"


class ArrowSource(ArrowRows):
    """An Arrow file or stream, told apart by its first bytes; mapped, a record batch at a time."""

    __slots__ = ()

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, int | None, Iterator[Any]]]:
        import pyarrow as pa

        self._refuse_empty()
        with self.path.open("rb") as file:
            start = file.read(len(_FILE))
        if start.startswith(_FEATHER_1):
            raise Unusable(
                f"{self.name} is Feather's first version. Write it again with "
                "pyarrow.feather.write_feather, or as Parquet."
            )
        with pa.memory_map(str(self.path)) as mapped:
            if start == _FILE:
                with self._explained("Arrow"):
                    reader = pa.ipc.open_file(mapped)
                numbers = range(reader.num_record_batches)
                batches = (reader.get_batch(number) for number in numbers)
            else:
                with self._explained("Arrow"):
                    reader = pa.ipc.open_stream(mapped)
                batches = iter(reader)
            yield reader.schema, None, self._sound(batches)
