"""Whom the stand-in imitates: one profile a server, as far as clients can tell them apart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from server_refusals import (
    Refusal,
    Style,
    azure_error,
    bare_error,
    fastapi_error,
    gateway_error,
    integer_code_error,
    old_vllm_error,
    openai_error,
    unwrapped_error,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AZURE", "PROFILES", "Profile", "Reason"]

Reason = Literal[
    "no_key",
    "wrong_key",
    "path",
    "model",
    "not_json",
    "empty",
    "items",
    "too_long",
    "request_tokens",
    "dimensions",
    "dimensions_size",
    "encoding",
]

_INVALID_INPUT = Refusal(
    400,
    "'$.input' is invalid. Please check the API reference: "
    "https://platform.openai.com/docs/api-reference.",
)

_OPENAI: Mapping[Reason, Refusal] = {
    "no_key": Refusal(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization "
        "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY). You can obtain an API "
        "key from https://platform.openai.com/account/api-keys.",
    ),
    "wrong_key": Refusal(
        401,
        "Incorrect API key provided: {key}. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
        code="invalid_api_key",
    ),
    "path": Refusal(404, "Invalid URL ({method} {path})"),
    "model": Refusal(
        404,
        "The model `{model}` does not exist or you do not have access to it.",
        code="model_not_found",
    ),
    "not_json": Refusal(400, "We could not parse the JSON body of your request."),
    "empty": _INVALID_INPUT,
    "items": _INVALID_INPUT,
    "too_long": Refusal(400, "Invalid 'input[{index}]': maximum input length is {limit} tokens."),
    "request_tokens": Refusal(
        400, "Invalid 'input': maximum request size is {limit} tokens per request."
    ),
    "dimensions": Refusal(400, "This model does not support specifying dimensions."),
    "dimensions_size": Refusal(
        400,
        "Invalid value for 'dimensions' = {dimensions}. Must be less than or equal to {width}.",
        param="dimensions",
    ),
    "encoding": Refusal(400, "Unsupported encoding_format.", param="encoding_format"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How one server behaves.

    Attributes:
        path: where it answers.
        style: the body it puts errors in.
        says: its own wording, over OpenAI's.
        needs_key: whether it looks at the key at all.
        base64: whether it can answer base64.
        dimensions: what it does about them; ``refuse`` for all models, ``openai`` for ada only.
        checks_model: whether a wrong model's name is refused.
        takes_empty: whether an empty text is embedded.
        truncates: whether a too long text is cut without a word.
        items, tokens_per_text, tokens: its limits.
        strips: whether white space around a text is dropped before it is embedded.
        echoes_encoding: whether items have an extra ``encoding_format``.
        null_dimensions: whether ``"dimensions": null`` is taken.
    """

    name: str
    path: str = "/v1/embeddings"
    style: Style = openai_error
    says: Mapping[Reason, Refusal] = field(default_factory=dict)
    needs_key: bool = True
    base64: bool = True
    dimensions: Literal["openai", "shorten", "clip", "refuse", "ignore"] = "openai"
    checks_model: bool = True
    takes_empty: bool = False
    truncates: bool = False
    items: int | None = 2048
    tokens_per_text: int = 8192
    tokens: int | None = 300_000
    strips: bool = False
    echoes_encoding: bool = False
    null_dimensions: bool = True

    def refusal(self, reason: Reason) -> Refusal:
        """What it says for a reason."""
        return self.says.get(reason, _OPENAI[reason])


AZURE = Profile(
    name="azure",
    path="",
    style=azure_error,
    says={
        "no_key": Refusal(
            401,
            "Access denied due to missing subscription key. Make sure to include subscription "
            "key when making requests to an API.",
        ),
        "wrong_key": Refusal(
            401,
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to "
            "provide a valid key for an active subscription and use a correct regional API "
            "endpoint for your resource.",
        ),
        "path": Refusal(404, "Resource not found"),
        "model": Refusal(
            404,
            "The API deployment for this resource does not exist. If you created the deployment "
            "within the last 5 minutes, please wait a moment and try again.",
            code="DeploymentNotFound",
        ),
        "items": Refusal(
            400,
            "Too many inputs. The max number of inputs is {limit}. We hope to increase the "
            "number of inputs per request soon. Please contact us through an Azure support "
            "request at: https://go.microsoft.com/fwlink/?linkid=2213926 for further questions.",
        ),
    },
)

_VLLM = Profile(
    name="vllm",
    style=integer_code_error,
    dimensions="refuse",
    takes_empty=True,
    items=None,
    tokens=None,
    says={
        "no_key": Refusal(401, "Unauthorized"),
        "wrong_key": Refusal(401, "Unauthorized"),
        "path": Refusal(404, "Not Found"),
        "model": Refusal(
            404, "The model `{model}` does not exist.", "NotFoundError", None, "model"
        ),
        "too_long": Refusal(
            400,
            "This model's maximum context length is {limit} tokens. However, you requested "
            "{count} tokens in the input for embedding generation. Please reduce the length of "
            "the input.",
            "BadRequestError",
        ),
        "dimensions": Refusal(
            400,
            "Model {model!r} does not support matryoshka representation, changing output "
            "dimensions will lead to poor results.",
            "BadRequestError",
        ),
    },
)

_TEI = Profile(
    name="tei",
    style=unwrapped_error,
    dimensions="shorten",
    checks_model=False,
    truncates=True,
    items=32,
    tokens_per_text=512,
    tokens=16384,
    says={
        "empty": Refusal(400, "Input validation error: `inputs` cannot be empty", "Empty"),
        "items": Refusal(
            422, "batch size {count} > maximum allowed batch size {limit}", "Validation"
        ),
        "too_long": Refusal(
            422,
            "Input validation error: `inputs` must have less than {limit} tokens. Given: {count}",
            "Validation",
        ),
        "dimensions_size": Refusal(
            422,
            "Input validation error: `dimensions` should be smaller than the maximum embedding "
            "dimension.",
            "Validation",
        ),
    },
)

_OLLAMA = Profile(
    name="ollama",
    needs_key=False,
    dimensions="clip",
    takes_empty=True,
    truncates=True,
    items=None,
    tokens=None,
    says={
        "model": Refusal(404, 'model "{model}" not found, try pulling it first', "not_found_error"),
    },
)

_LM_STUDIO = Profile(
    name="lmstudio",
    style=bare_error,
    needs_key=False,
    base64=False,
    dimensions="ignore",
    items=None,
    tokens=None,
    truncates=True,
    says={
        "path": Refusal(200, "Unexpected endpoint or method. ({method} {path})"),
        "model": Refusal(404, "Model not found: {model}"),
        "empty": Refusal(400, "'input' field must be a string or an array of strings"),
    },
)

_INFINITY = Profile(
    name="infinity",
    path="/embeddings",
    style=integer_code_error,
    dimensions="shorten",
    truncates=True,
    strips=True,
    null_dimensions=False,
    says={
        "no_key": Refusal(401, "Unauthorized"),
        "wrong_key": Refusal(401, "Unauthorized"),
        "path": Refusal(404, "Not Found"),
        "model": Refusal(400, "Invalid model: {model}; not loaded."),
        "items": Refusal(422, "List should have at most {limit} items after validation"),
        "empty": Refusal(422, "String should have at least 1 character"),
    },
)

_LLAMA_CPP = Profile(
    name="llamacpp",
    style=integer_code_error,
    dimensions="ignore",
    checks_model=False,
    items=None,
    tokens=None,
    tokens_per_text=512,
    echoes_encoding=True,
    says={
        "no_key": Refusal(401, "Invalid API Key", "authentication_error"),
        "wrong_key": Refusal(401, "Invalid API Key", "authentication_error"),
        "path": Refusal(404, "File Not Found", "not_found_error"),
        "empty": Refusal(400, "Input content cannot be empty"),
        "too_long": Refusal(
            500,
            "input is too large to process. increase the physical batch size",
            "server_error",
        ),
    },
)

PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(name="openai"),
        AZURE,
        _VLLM,
        replace(_VLLM, name="old_vllm", style=old_vllm_error),
        _TEI,
        replace(_TEI, name="tei_strict", truncates=False),
        _OLLAMA,
        _LM_STUDIO,
        _INFINITY,
        replace(_INFINITY, name="fastapi", style=fastapi_error),
        _LLAMA_CPP,
        Profile(name="gateway", style=gateway_error),
    )
}
