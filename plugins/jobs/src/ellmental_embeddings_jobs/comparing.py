"""One comparison of ``--where``: a column of any type with a literal, meaning what it does in SQL.

Arrow alone would refuse some pairs (an unsigned column and a number, float16), overflow at others,
and compare a float32 column's 0.1 with a float64 one, which it never equals.
"""

from __future__ import annotations

import math
import operator
from contextlib import suppress
from datetime import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SIGNS", "compared", "is_text"]

SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compared(name: str, kind: Any, sign: str, value: str | float) -> Any:
    """A pyarrow.compute.Expression that compares a column with a value.

    Args:
        name: the column's.
        kind: its Arrow type.
        sign: one of SIGNS.
        value: of the literal: a text, a number, or a bool.

    Raises:
        click.UsageError: the value does not fit the column's type.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column, compare, found = pc.field(name), SIGNS[sign], None
    if isinstance(value, bool):
        if pa.types.is_boolean(kind):
            found = compare(column, pa.scalar(value))
    elif isinstance(value, str):
        literal = pa.scalar(value) if is_text(kind) else _moment(value, kind)
        if literal is not None:
            found = compare(column, literal)
    else:
        found = _with_number(column, kind, compare, value)
    if found is None:
        shown = f"'{value}'" if isinstance(value, str) else str(value).upper()
        raise click.UsageError(
            f"--where: the column {name} cannot be compared with {shown}: {_remedy(kind, sign)}."
        )
    return found


def is_text(kind: Any) -> bool:
    """Whether a column's type is one of strings."""
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _with_number(column: Any, kind: Any, compare: Callable[..., Any], value: float) -> Any:
    """Compare with a number; None where the column has none."""
    import pyarrow as pa

    if pa.types.is_integer(kind):
        return _with_integers(column, kind, compare, value)
    if pa.types.is_floating(kind):
        wide = pa.float32() if pa.types.is_float16(kind) else kind
        return compare(column.cast(wide), pa.scalar(float(value), wide))
    if pa.types.is_decimal(kind):
        return compare(*_decimal(column, kind, value))
    return None


def _with_integers(column: Any, kind: Any, compare: Callable[..., Any], value: float) -> Any:
    """Compare with a number of any size, by integers of the column's own type alone."""
    import pyarrow as pa

    signed = pa.types.is_signed_integer(kind)
    high = 2 ** (kind.bit_width - signed) - 1
    low = -high - 1 if signed else 0
    if low <= value <= high:
        if value == int(value):
            return compare(column, pa.scalar(int(value), kind))
        if compare in (operator.lt, operator.le):
            return column <= pa.scalar(math.floor(value), kind)
        if compare in (operator.gt, operator.ge):
            return column >= pa.scalar(math.ceil(value), kind)
    # The same for every value: but a missing one stays missing, so that NOT does not find it.
    true = compare(0, value)
    return operator.eq(column, column) if true else operator.ne(column, column)


def _decimal(column: Any, kind: Any, value: float) -> tuple[Any, Any]:
    """Exactly where the column has as many places as the number; else by the nearest floats."""
    import pyarrow as pa

    with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return column, pa.scalar(Decimal(str(value))).cast(kind)
    return column.cast(pa.float64()), pa.scalar(float(value))


def _moment(value: str, kind: Any) -> Any:
    """A date or time of a column's type; None where the text is none.

    Without an offset, a time is one of the column's own zone.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_temporal(kind):
        return None
    refused = (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError)
    if pa.types.is_time(kind):  # which Arrow makes of no text
        with suppress(*refused):
            return pa.scalar(time.fromisoformat(value), kind)
        return None
    with suppress(*refused):
        return pa.scalar(value).cast(kind)
    if zone := getattr(kind, "tz", None):
        with suppress(*refused):
            local = pa.scalar(value).cast(pa.timestamp(kind.unit))
            return pc.assume_timezone(local, zone)
    return None


def _remedy(kind: Any, sign: str) -> str:
    """What would fit a type."""
    import pyarrow as pa

    types = pa.types
    examples = (
        (types.is_date, "give a date, e.g. '2026-12-31'"),
        (types.is_timestamp, "give a time, e.g. '2026-12-31 23:59:00'"),
        (types.is_time, "give a time of day, e.g. '23:59:00'"),
        (types.is_boolean, "give TRUE or FALSE"),
        (types.is_integer, "give a number"),
        (types.is_floating, "give a number"),
        (types.is_decimal, "give a number"),
    )
    if is_text(kind) and sign[0] in "<>" and sign != "<>":
        return (
            "it is text, and of texts '10' comes before '4'. For numbers, embed from JSON Lines, "
            "Parquet or a database, which keep them (a CSV file has only text); or give a text in "
            "single quotes"
        )
    if is_text(kind):
        return "it is text (a CSV file has nothing else): give a text in single quotes"
    found = next((said for is_one, said in examples if is_one(kind)), None)
    return found or f"of its type, {kind}, only IS NULL and IS NOT NULL can be asked"
