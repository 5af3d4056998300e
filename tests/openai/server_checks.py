"""What a service looks at before it embeds: key, path, version, model, input, limits."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote

from server_faults import FAULTS
from server_profiles import AZURE, Profile, Reason
from server_refusals import Refusal, masked
from server_vectors import count_tokens, width_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server_http import Request, Response
    from server_tokens import TokenOffice

__all__ = ["Asked", "House", "Refused", "ask"]

AZURE_VERSIONS = frozenset(
    {
        "2022-12-01",
        "2023-05-15",
        "2024-02-01",
        "2024-02-15-preview",
        "2024-03-01-preview",
        "2024-06-01",
        "2024-10-21",
        "2025-01-01-preview",
        "2025-04-01-preview",
    }
)


class Refused(Exception):
    """The request is not let through; says so with a response."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass(slots=True, kw_only=True)
class House:
    """What a server is configured to hold and to allow.

    Attributes:
        profile: whom it imitates on its own path.
        azure: whom it imitates on Azure's paths.
        key: the only key it takes; None takes any or none.
        tokens: the Entra ID tokens it takes on Azure's paths.
        models: models it has; on Azure's paths, deployments and their models.
        refuses: arguments of the body it does not know.
        versions: Azure API versions it knows.
    """

    profile: Profile
    azure: Profile = AZURE
    key: str | None
    tokens: TokenOffice
    models: tuple[str, ...]
    deployments: Mapping[str, str]
    refuses: tuple[str, ...] = ()
    versions: frozenset[str] = field(default=AZURE_VERSIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request for embeddings that may be answered.

    Attributes:
        model: what embeds.
        says: what the answer calls it.
        texts: what is embedded: as sent, but for profiles that cut or strip.
        dimensions: None where the model's own.
        base64: how the answer is encoded.
    """

    profile: Profile
    model: str
    says: str
    texts: list[str]
    dimensions: int | None
    base64: bool
    tokens: int


def ask(house: House, request: Request) -> Asked:
    """Check a request as the service would, in its order.

    Raises:
        Refused: with what the service answers.
    """
    profile, deployment = _routed(house, request)
    if profile is house.azure:
        _check_azure_credentials(house, request, version_one=deployment is None)
        version = request.query.get("api-version")
        known = house.versions | {"v1", "preview"} if deployment is None else house.versions
        if (version or ("v1" if deployment is None else "")) not in known:
            _refuse(profile, "path")
    else:
        _check_key(house, request)
    body = _json_of(profile, request)
    for name in house.refuses:
        if name in body:
            message = f"Unrecognized request argument supplied: {name}"
            raise Refused(profile.style(Refusal(400, message)))
    named = str(body.get("model", "")) if deployment is None else deployment
    model = _model(house, profile, named)
    texts = _texts(profile, body)
    return Asked(
        profile=profile,
        model=model,
        says=f"{model}-v2" if model == "text-embedding-ada-002" else model,
        texts=texts,
        dimensions=_dimensions(profile, model, body),
        base64=profile.base64 and _encoding(profile, body) == "base64",
        tokens=sum(map(count_tokens, texts)),
    )


def _refuse(profile: Profile, reason: Reason, **fields: object) -> NoReturn:
    raise Refused(profile.style(profile.refusal(reason).about(**fields)))


def _routed(house: House, request: Request) -> tuple[Profile, str | None]:
    """Who answers a path, and for Azure's dated paths the deployment in it."""
    about = {"method": request.method, "path": request.path}
    parts = request.path.strip("/").split("/")
    if request.path == house.profile.path:
        profile, deployment = house.profile, None
    elif request.path == "/openai/v1/embeddings":
        profile, deployment = house.azure, None
    elif len(parts) == 4 and parts[:2] == ["openai", "deployments"] and parts[3] == "embeddings":
        profile, deployment = house.azure, unquote(parts[2])
    else:
        _refuse(house.azure if parts[0] == "openai" else house.profile, "path", **about)
    if request.method != "POST":
        message = f"Not allowed to {request.method} on {request.path}."
        raise Refused(profile.style(Refusal(405, message)))
    return profile, deployment


def _check_key(house: House, request: Request) -> None:
    if house.key is None or not house.profile.needs_key:
        return
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        _refuse(house.profile, "no_key")
    if key != house.key:
        _refuse(house.profile, "wrong_key", key=masked(key))


def _check_azure_credentials(house: House, request: Request, *, version_one: bool) -> None:
    key = request.headers.get("api-key")
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    if key is None and not bearer and house.key is not None:
        _refuse(house.azure, "no_key")
    if house.key is None or key == house.key or house.tokens.is_good(bearer):
        return
    if version_one and bearer == house.key:
        return
    if key is None and bearer.startswith("eyJ"):
        raise Refused(FAULTS["azure_token"]()["instead"]())  # type: ignore[operator]
    _refuse(house.azure, "wrong_key")


def _json_of(profile: Profile, request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        _refuse(profile, "not_json")
    return body


def _model(house: House, profile: Profile, named: str) -> str:
    if profile is house.azure:
        if named not in house.deployments:
            _refuse(profile, "model", model=named)
        return house.deployments[named]
    if profile.checks_model and named not in house.models:
        if named.startswith("gpt-"):
            message = "You are not allowed to generate embeddings from this model"
            raise Refused(profile.style(Refusal(403, message)))
        _refuse(profile, "model", model=named)
    return named if profile.checks_model else house.models[-1]


def _texts(profile: Profile, body: Mapping[str, Any]) -> list[str]:
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        _refuse(profile, "empty", index=0)
    if profile.items is not None and len(texts) > profile.items:
        _refuse(profile, "items", limit=profile.items, count=len(texts))
    if not profile.takes_empty and "" in texts:
        _refuse(profile, "empty", index=texts.index(""))
    if profile.strips:
        texts = [text.strip() for text in texts]
    limit = profile.tokens_per_text
    for index, text in enumerate(texts):
        count = count_tokens(text) if len(text) * 4 > limit else 0
        if count > limit and not profile.truncates:
            _refuse(profile, "too_long", index=index, limit=limit, count=count)
        if count > limit:
            texts[index] = text[:limit]
    total = sum(map(count_tokens, texts))
    if profile.tokens is not None and total > profile.tokens:
        _refuse(profile, "request_tokens", limit=profile.tokens, count=total)
    return texts


def _dimensions(profile: Profile, model: str, body: Mapping[str, Any]) -> int | None:
    asked, width = body.get("dimensions"), width_of(model)
    if "dimensions" in body and asked is None and not profile.null_dimensions:
        message = "Input should be a valid integer"
        raise Refused(profile.style(Refusal(422, message, param="dimensions")))
    if asked is None or profile.dimensions == "ignore":
        return None
    if profile.dimensions == "refuse" or (
        profile.dimensions == "openai" and model == "text-embedding-ada-002"
    ):
        _refuse(profile, "dimensions", model=model)
    if asked > width and profile.dimensions == "clip":
        return None
    if asked > width:
        _refuse(profile, "dimensions_size", dimensions=asked, width=width)
    return int(asked)


def _encoding(profile: Profile, body: Mapping[str, Any]) -> str:
    asked = body.get("encoding_format") or "float"
    if asked not in ("float", "base64"):
        _refuse(profile, "encoding")
    return str(asked)
