"""Every variable of the core, its default and its meaning; the base of plugins' settings.

A field's name in capitals is its environment variable; its description is what the
documentation, ``ellmental config`` and error messages say about it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ByteSize, Field, SecretStr, ValidationError
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict

from .errors import ConfigurationError
from .variables import ENV_FILE, ENV_FILE_ENCODING, Variable, Variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .engine.cache import VectorCache
    from .engine.policy import Policy

__all__ = [
    "MASK",
    "BackendSettings",
    "CoreSettings",
    "SettingWarning",
    "build_settings",
    "list_variables",
    "policy_of",
    "rate_key_of",
    "secrets_of",
    "variable_names",
    "without_secrets",
]

MASK = "********"

S = TypeVar("S", bound="CoreSettings")


class SettingWarning(UserWarning):
    """A variable is set that looks like a misspelt one."""


def _folded(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _capitals(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _expanded(value: object) -> object:
    try:
        return Path(value).expanduser() if isinstance(value, str | Path) and value else value
    except RuntimeError as error:
        raise ValueError(f"{error} Write the folder out in place of ~") from None


class CoreSettings(BaseSettings):
    """The core's settings, read from arguments, the environment and ``.env``, in that order."""

    model_config = SettingsConfigDict(
        defer_build=True,  # of a plugin's class and its bases only the last is ever built
        env_file=ENV_FILE,
        env_file_encoding=ENV_FILE_ENCODING,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    embedding_generator: Annotated[str, BeforeValidator(_capitals)] = Field(
        default="LOCAL", description="Which generator makes the vectors."
    )
    batch_size: int = Field(default=50, ge=1, description="Texts per request.")
    embedding_max_concurrency: int = Field(
        default=64,
        ge=1,
        description="Most requests in flight; the engine finds the right number below it.",
    )
    embedding_rpm: int | None = Field(
        default=None, ge=1, description="Requests per minute never to exceed."
    )
    embedding_tpm: int | None = Field(
        default=None, ge=1, description="Tokens per minute never to exceed."
    )
    embedding_shared_limits: Annotated[Path | None, BeforeValidator(_expanded)] = Field(
        default=None,
        description="A folder in which processes of this machine count requests and tokens "
        "together, so that all keep to one budget per service, key and model.",
    )
    embedding_timeout: float = Field(
        default=60, gt=0, allow_inf_nan=False, description="Seconds for one request."
    )
    embedding_deadline: float = Field(
        default=300,
        gt=0,
        allow_inf_nan=False,
        description="Seconds that one batch may spend in retries, waits included.",
    )
    embedding_hedge: float = Field(
        default=0,
        ge=0,
        le=0.5,
        allow_inf_nan=False,
        description="Share of requests that may be sent a second time where an answer is late, "
        "e.g. 0.05; the first answer counts, and both may be billed.",
    )
    embedding_dimensions: int | None = Field(
        default=None, ge=1, description="Width of the vectors, where the model can shorten them."
    )
    embedding_overlong: Annotated[
        Literal["error", "truncate", "average"], BeforeValidator(_folded)
    ] = Field(
        default="error",
        description="What becomes of a text over the model's limit: it fails (error), is cut "
        "(truncate; reported), or gets the mean of its pieces' vectors (average).",
    )
    embedding_document_instruction: str | None = Field(
        default=None,
        description="What an instruction model is told about documents; for plain models a "
        "prefix, e.g. 'passage: ' for E5.",
    )
    embedding_query_instruction: str | None = Field(
        default=None,
        description="What an instruction model is told about queries; for plain models a "
        "prefix, e.g. 'query: ' for E5.",
    )
    embedding_cache: Annotated[Path | None, BeforeValidator(_expanded)] = Field(
        default=None,
        description="A file that keeps vectors, so that no text is paid for twice, whichever call, "
        "process or job asks.",
    )
    embedding_cache_size: ByteSize = Field(
        default=ByteSize(10_000_000_000),
        ge=1_000_000,
        description="Most bytes of that file, also as 500MB or 10GB; beyond it the vectors longest "
        "unused go.",
    )
    embedding_plugins_blocked: str | None = Field(
        default=None, description="Plugin dists never to load, separated by commas."
    )


class BackendSettings(CoreSettings):
    """Base of a plugin's settings: its own fields beside the core's.

    ::

        class AcmeSettings(BackendSettings):
            acme_key: SecretStr = Field(description="Key of your Acme account.")
            acme_region: str = Field(default="eu", description="Acme's region.")

    Fields without a default are required: where they are missing, the user is told all of
    them at once, with their descriptions. Keys are SecretStr, so that no repr shows them.
    """


def variable_names(settings: type[CoreSettings], field: str) -> tuple[str, ...]:
    """The variables that set a field, the documented one first."""
    from pydantic import AliasChoices

    alias = settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        names = [str(choice) for choice in alias.choices]
    else:
        names = [alias] if isinstance(alias, str) else []
    return tuple(dict.fromkeys(name.upper() for name in (*names, field)))


def build_settings(settings: type[S], variables: Variables, *, needed_by: str) -> S:
    """Read and validate all settings of a class.

    Args:
        settings: the class to build.
        variables: the arguments given in code, with the environment behind them.
        needed_by: the generator's name, for the message.

    Raises:
        ConfigurationError: naming every variable that is missing, wrong or unknown at once.
    """
    by_variable = {
        name: field for field in settings.model_fields for name in variable_names(settings, field)
    }
    unknown = [name for name in variables.arguments if name not in by_variable]
    if unknown:
        raise ConfigurationError(_about_unknown(unknown, list(by_variable), needed_by))
    arguments = {
        variable_names(settings, by_variable[name])[0]
        if settings.model_fields[by_variable[name]].validation_alias
        else by_variable[name]: value
        for name, value in variables.arguments.items()
        if value is not None
    }
    try:
        return settings(**arguments)
    except ValidationError as error:
        said, missing = _about_invalid(error, settings, variables, by_variable, needed_by)
        failure = ConfigurationError(said)
        failure.missing = missing
        raise failure from None


def list_variables(settings: type[CoreSettings], variables: Variables) -> list[Variable]:
    """All settings of a class as they stand, valid or not, secrets masked; core's first."""
    rows = []
    for field, info in settings.model_fields.items():
        names = variable_names(settings, field)
        found = variables.find(*names)
        secret = _is_secret(info.annotation)
        required = info.is_required()
        value: str | None
        standard = info.get_default(call_default_factory=False)
        default = None if standard in (None, PydanticUndefined) else _as_text(standard, secret)
        if found is not None:
            value, source = _as_text(found[0], secret), found[1]
        else:
            value, source = default, "missing" if required else "default"
        rows.append(
            Variable(
                name=names[0],
                value=value,
                source=source,
                default=default,
                meaning=info.description or "",
                required=required,
                secret=secret,
                choices=_choices(info.annotation),
            )
        )
    return rows


def secrets_of(settings: CoreSettings) -> tuple[str, ...]:
    """The secret values that must never be shown, longest first."""
    values = {
        secret
        for field in type(settings).model_fields
        for secret in _secrets_in(getattr(settings, field))
    }
    return tuple(sorted(values, key=len, reverse=True))


def _secrets_in(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        if secret := value.get_secret_value():
            yield secret
    elif isinstance(value, dict):
        yield from _secrets_in(list(value.values()))
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _secrets_in(item)


def without_secrets(text: str, settings: type[CoreSettings], variables: Variables) -> str:
    """A text in which the secrets of a class, as they are set, are masked."""
    for field, info in settings.model_fields.items():
        found = variables.find(*variable_names(settings, field))
        if found is None or not _is_secret(info.annotation):
            continue
        given = found[0]
        secret = given.get_secret_value() if isinstance(given, SecretStr) else str(given)
        for spelled in (secret, secret.strip()):
            text = text.replace(spelled, MASK) if spelled.strip() else text
    return text


def policy_of(settings: CoreSettings) -> Policy:
    """What the settings say to the engine."""
    from .engine.policy import Policy
    from .engine.redact import Secrets

    return Policy(
        batch_size=settings.batch_size,
        max_concurrency=settings.embedding_max_concurrency,
        rpm=settings.embedding_rpm,
        tpm=settings.embedding_tpm,
        timeout=settings.embedding_timeout,
        deadline=settings.embedding_deadline,
        hedge=settings.embedding_hedge,
        dimensions=settings.embedding_dimensions,
        overlong=settings.embedding_overlong,
        secrets=Secrets(secrets_of(settings)),
        cache=_cache_of(settings),
        service=_service_of(settings),
    )


def _cache_of(settings: CoreSettings) -> VectorCache | None:
    if settings.embedding_cache is None:
        return None
    from .vector_cache import FileCache

    return FileCache(settings.embedding_cache, settings.embedding_cache_size)


def _service_of(settings: CoreSettings) -> str:
    """The generator and what its own settings say, keys left out."""
    own = [name for name in type(settings).model_fields if name not in CoreSettings.model_fields]
    values = {name: getattr(settings, name) for name in own}
    told = {name: str(value) for name, value in values.items() if not any(_secrets_in(value))}
    return repr((settings.embedding_generator, sorted(told.items())))


def rate_key_of(settings: CoreSettings) -> str | None:
    """What has one rate limit: the plugin with all settings of its own, secrets among them.

    None where the plugin has no settings, and so nothing that tells one service from another.
    """
    own = [field for field in type(settings).model_fields if field not in CoreSettings.model_fields]
    if not own and settings.embedding_shared_limits is None:
        return None
    values = [
        value.get_secret_value() if isinstance(value, SecretStr) else value
        for value in (getattr(settings, field) for field in own)
    ]
    kind = type(settings)
    return repr((kind.__module__, kind.__qualname__, values))


def _is_secret(annotation: Any) -> bool:
    return "Secret" in repr(annotation)


def _choices(annotation: Any) -> tuple[str, ...]:
    spelled = repr(annotation)
    return tuple(re.findall(r"'([^']+)'", spelled)) if "Literal" in spelled else ()


_IN_URL = re.compile(
    r"(?<=://)[^/?#\s]+(?=@)|(?<=[?&])([^=&#\s]*(?:key|token|sig|secret|pass|auth|code)[^=&#\s]*=)[^&#\s]+",
    re.IGNORECASE,
)
"""A user and password, or a query's key: whoever pastes an address pastes them along."""


def _as_text(value: object, secret: bool) -> str:
    return MASK if secret else _IN_URL.sub(lambda found: (found[1] or "") + MASK, str(value))


def _about_unknown(unknown: list[str], known: list[str], needed_by: str) -> str:
    import difflib

    lines = []
    for name in unknown:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        lines.append(f"{name} is no setting of {needed_by}.{hint}")
    lines.append(f"Known: {', '.join(sorted(known))}.")
    return "\n".join(lines)


def _about_invalid(
    error: ValidationError,
    settings: type[CoreSettings],
    variables: Variables,
    by_variable: dict[str, str],
    needed_by: str,
) -> tuple[str, tuple[str, ...]]:
    missing, wrong = {}, []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        place = str(problem["loc"][0]) if problem["loc"] else ""
        field = by_variable.get(place.upper(), place)
        reason = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
        reason = without_secrets(reason, settings, variables)
        if field not in settings.model_fields:
            wrong.append(reason)
            continue
        name = variable_names(settings, field)[0]
        meaning = settings.model_fields[field].description or ""
        if problem["type"] == "missing":
            missing[name] = f"  {name}: {meaning}"
            continue
        found = variables.find(*variable_names(settings, field))
        value, source = found if found is not None else ("", "default")
        shown = _as_text(value, _is_secret(settings.model_fields[field].annotation))
        wrong.append(f"{name}={shown!r} (from {_spoken(source)}): {reason}. It means: {meaning}")
    if missing:
        wrong.append(
            f"{needed_by} needs {'a variable' if len(missing) == 1 else 'variables'} that "
            f"{'is' if len(missing) == 1 else 'are'} not set, in the environment or in .env:"
        )
    return "\n".join([*wrong, *missing.values()]), tuple(missing)


def _spoken(source: str) -> str:
    return {"argument": "an argument", "environment": "the environment"}.get(source, source)
