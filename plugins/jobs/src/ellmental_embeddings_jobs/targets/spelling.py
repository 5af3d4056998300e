"""How TARGET is spelled: which kind it is, where, and which table; its module is imported last."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from .base import ExportTarget

__all__ = ["Spelling", "open_target", "spelled"]

TABLE = "embeddings"
"""Where no table is named."""

_KINDS = {
    "lancedb": ".lancedb:LanceTarget",
    "sqlite": ".sqlite:SqliteTarget",
    "postgresql": ".postgresql:PostgresTarget",
    "npy": ".npy:NpyTarget",
}
_WAYS = (
    "lancedb:FOLDER#TABLE, sqlite:FILE#TABLE, postgresql://USER@HOST/DATABASE#TABLE, or FILE.npy"
)
_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,47}"
_TABLE_NAME = re.compile(_NAME)
_SCHEMA_AND_TABLE = re.compile(rf"(?:{_NAME}\.)?{_NAME}")
_HOST = r"(?:\[[^\]/?#@]*\]|[^/?#@:,\[\]]*)(?::\d*)?"
_POSTGRES = re.compile(
    r"postgres(?:ql)?://(?:(?P<user>[^/?#@:]*)(?::(?P<password>[^/?#@]*))?@)?"
    rf"(?P<host>{_HOST}(?:,{_HOST})*)(?P<path>/[^?#@]*)?(?:\?(?P<query>[^#@]*))?"
)


@dataclass(frozen=True, slots=True)
class Spelling:
    """What the user wrote, taken apart.

    Attributes:
        kind: ``lancedb``, ``sqlite``, ``postgresql`` or ``npy``.
        place: a folder, a file, or an address.
        table: name of the table; for PostgreSQL perhaps with its schema, ``schema.table``.
        shown: what it is called in messages, without a password.
        secrets: what must not be in any message.
    """

    kind: str
    place: str = field(repr=False)
    table: str
    shown: str
    secrets: tuple[str, ...] = field(default=(), repr=False)


def open_target(target: str) -> ExportTarget:
    """Find what a TARGET names. Nothing is opened yet, but its library is imported.

    Raises:
        click.UsageError: it is spelled like none.
        FilesError: its library is not installed.
    """
    spelling = spelled(target)
    module, _, name = _KINDS[spelling.kind].partition(":")
    opened: ExportTarget = getattr(import_module(module, __package__), name)(spelling)
    return opened


def spelled(target: str) -> Spelling:
    """Take a TARGET apart.

    Raises:
        click.UsageError: it is spelled like none; without repeating what may hold a password.
    """
    if target.startswith(("postgresql:", "postgres:")):
        return _postgresql(target)
    kind, colon, rest = target.partition(":")
    if colon and kind in ("lancedb", "sqlite"):
        place, _, table = rest.partition("#") if "#" in rest else (rest, "", TABLE)
        if not place or (kind == "sqlite" and place.startswith("//")):
            raise click.UsageError(
                f"--to {target}: write {kind}:PATH#TABLE, without slashes first."
            )
        _require_name(table, _TABLE_NAME, f"--to {target}")
        return Spelling(kind, place, table, f"{kind}:{place}#{table}")
    if target.endswith(".npy"):
        return Spelling("npy", target, "", target)
    shown = "" if "://" in target else f" {target}"
    raise click.UsageError(f"--to{shown}: write it as {_WAYS}.")


def _postgresql(target: str) -> Spelling:
    address, _, table = target.rpartition("#") if "#" in target else (target, "", TABLE)
    found = _POSTGRES.fullmatch(address)
    if found is None:
        # Not repeated: whatever is wrong, it may be a password that is in the wrong place.
        raise click.UsageError(
            "--to: an address of PostgreSQL is postgresql://USER@HOST:PORT/DATABASE#TABLE. In a "
            "password, signs like / ? # @ are written %2F %3F %23 %40; better leave it to "
            "PGPASSWORD or ~/.pgpass."
        )
    user, host, path = found["user"], found["host"], found["path"] or ""
    shown = f"postgresql://{f'{user}@' if user else ''}{host}{path}"
    # The address is not repeated: with a # in a password, its first part looks like a port.
    _require_name(table, _SCHEMA_AND_TABLE, "--to")
    return Spelling("postgresql", address, table, f"{shown}#{table}", _secrets(found))


def _secrets(found: re.Match[str]) -> tuple[str, ...]:
    from urllib.parse import parse_qsl, unquote

    secrets = {found["password"] or ""}
    for name, value in parse_qsl(found["query"] or ""):
        if "password" in name:
            secrets.add(value)
    secrets |= {unquote(secret) for secret in secrets}
    return tuple(sorted(secrets - {""}, key=len, reverse=True))


def _require_name(table: str, pattern: re.Pattern[str], told: str) -> None:
    if not pattern.fullmatch(table):
        raise click.UsageError(
            f"{told}: what stands behind # is the table: letters, digits and _, at most 48."
        )
