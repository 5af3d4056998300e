"""Misbehaviour on demand: every fault by its name, with its arguments.

``FAULTS["rate_limited"](after=2, how="date")`` makes one; ``OpenAIServer.fail_next`` takes the
name and the arguments, also from another process.
"""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING

from server_answers import CHANGES, SPELLINGS
from server_http import (
    Delivery,
    Response,
    chunked,
    cut_off,
    drip,
    hang,
    json_response,
    reset,
    until_close,
    whole,
    whole_and_close,
)
from server_refusals import STYLES, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["AZURE_REFUSALS", "FAULTS", "HEADER_FORMS", "OPENAI_REFUSALS", "Fault", "make_fault"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What becomes of one request instead of its good answer.

    Attributes:
        name: as it was asked for.
        instead: said instead of embedding; nothing is billed then.
        change: makes another answer of the good one.
        spell: writes the answer; as usual where None.
        wrap: makes another response of the whole, e.g. compresses it.
        deliver: puts it on the wire.
        delay: seconds before anything is said.
        broken: whether no client could use the answer, or should.
    """

    name: str
    instead: Callable[[], Response] | None = None
    change: Callable[[dict[str, object]], object] | None = None
    spell: Callable[[object], bytes] | None = None
    wrap: Callable[[Response], Response] | None = None
    deliver: Delivery = whole
    delay: float = 0.0
    broken: bool = True


OPENAI_REFUSALS: Mapping[str, Refusal] = {
    "wrong_key": Refusal(
        401,
        "Incorrect API key provided: sk-ab***. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
        code="invalid_api_key",
    ),
    "no_key": Refusal(401, "You didn't provide an API key."),
    "missing_scope": Refusal(
        401,
        "You have insufficient permissions for this operation. Missing scopes: model.request. "
        "Check that you have the correct role in your organization (Reader, Writer, Owner).",
    ),
    "model_forbidden": Refusal(403, "You are not allowed to generate embeddings from this model"),
    "country": Refusal(
        403,
        "Country, region, or territory not supported",
        "request_forbidden",
        "unsupported_country_region_territory",
    ),
    "model_not_found": Refusal(
        404,
        "The model `x` does not exist or you do not have access to it.",
        code="model_not_found",
    ),
    "no_dimensions": Refusal(400, "This model does not support specifying dimensions."),
    "invalid_input": Refusal(
        400,
        "'$.input' is invalid. Please check the API reference: "
        "https://platform.openai.com/docs/api-reference.",
    ),
    "empty_input": Refusal(400, "input cannot be an empty string"),
    "too_long_old": Refusal(
        400,
        "This model's maximum context length is 8192 tokens, however you requested 8610 tokens "
        "(8610 in your prompt; 0 for the completion). Please reduce your prompt; or completion "
        "length.",
    ),
    "request_tokens": Refusal(
        400, "Invalid 'input': maximum request size is 300000 tokens per request."
    ),
    "request_tokens_2025": Refusal(
        400,
        "Requested 416735 tokens, max 300000 tokens per request",
        "max_tokens_per_request",
        "max_tokens_per_request",
    ),
    "insufficient_quota": Refusal(
        429,
        "You exceeded your current quota, please check your plan and billing details. For more "
        "information on this error, read the docs: "
        "https://platform.openai.com/docs/guides/error-codes/api-errors.",
        "insufficient_quota",
        "insufficient_quota",
    ),
    "server_error": Refusal(
        500, "The server had an error while processing your request.", "server_error"
    ),
    "bad_gateway": Refusal(502, "Bad gateway.", "server_error"),
    "overloaded": Refusal(
        503, "The engine is currently overloaded, please try again later.", "server_error"
    ),
    "gateway_timeout": Refusal(504, "Gateway timeout.", "server_error"),
    "payment": Refusal(402, "Payment required: your credits are used up.", "billing", "402"),
    "request_timeout": Refusal(408, "Request timeout."),
    "conflict": Refusal(409, "Conflict."),
    "payload_too_large": Refusal(413, "Payload too large."),
    "teapot": Refusal(418, "I am a teapot."),
    "backend": Refusal(424, "Backend error: inference failed", "Backend"),
    "input_too_large": Refusal(
        500,
        "input is too large to process. increase the physical batch size",
        "server_error",
    ),
    "context_size": Refusal(
        400,
        "the request exceeds the available context size. try increasing the context size or "
        "enable context shift",
        "exceed_context_size_error",
    ),
    "token_ids": Refusal(400, "invalid input type"),
    "loading": Refusal(503, "Loading model", "unavailable_error"),
}
"""Part A3 of the protocols, and what compatible servers add; in any style."""

_ROLE = (
    "The principal `00000000-0000-0000-0000-000000000000` lacks the required data action "
    "`Microsoft.CognitiveServices/accounts/OpenAI/deployments/embeddings/action` to perform "
    "`POST /openai/deployments/{deployment-id}/embeddings` operation."
)

AZURE_REFUSALS: Mapping[str, Refusal] = {
    "azure_wrong_key": Refusal(
        401,
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to "
        "provide a valid key for an active subscription and use a correct regional API endpoint "
        "for your resource.",
    ),
    "azure_no_role": Refusal(401, _ROLE, code="PermissionDenied"),
    "azure_firewall": Refusal(403, "Access denied due to Virtual Network/Firewall rules."),
    "azure_key_auth_disabled": Refusal(
        403,
        "Key based authentication is disabled for this resource.",
        code="AuthenticationTypeDisabled",
    ),
    "azure_deployment": Refusal(
        404,
        "The API deployment for this resource does not exist. If you created the deployment "
        "within the last 5 minutes, please wait a moment and try again.",
        code="DeploymentNotFound",
    ),
    "azure_not_found": Refusal(404, "Resource not found"),
    "azure_chat_model": Refusal(
        400,
        "The embeddings operation does not work with the specified model, gpt-4o. Please choose "
        "different model and try again. You can learn more about which models can be used with "
        "each operation here: https://go.microsoft.com/fwlink/?linkid=2197993.",
        code="OperationNotSupported",
    ),
    "azure_too_many": Refusal(
        400,
        "Too many inputs. The max number of inputs is 16. We hope to increase the number of "
        "inputs per request soon. Please contact us through an Azure support request at: "
        "https://go.microsoft.com/fwlink/?linkid=2213926 for further questions.",
    ),
}
"""Part B3 of the protocols; ``azure_token``, ``azure_filter`` and 429s are functions below."""

HEADER_FORMS = ("seconds", "float", "date", "ms", "text", "both", "nothing")


def _after(after: float, how: str) -> dict[str, str]:
    """The headers of a 429 that asks to wait, in one of the forms seen."""
    forms = {
        "seconds": {"retry-after": f"{after:.0f}"},
        "float": {"retry-after": f"{after:g}"},
        "date": {"retry-after": formatdate(time.time() + after, usegmt=True)},
        "ms": {"retry-after-ms": f"{after * 1000:.0f}"},
        "both": {"retry-after-ms": f"{after * 1000:.0f}", "retry-after": "60"},
        "text": {},
        "nothing": {},
    }
    return forms[how]


def _rate_limited(*, after: float = 1.0, how: str = "seconds", of: str = "tokens") -> Response:
    asked = "" if how == "nothing" else f" Please try again in {after:g}s."
    refusal = Refusal(
        429,
        "Rate limit reached for text-embedding-3-small in organization org-x on "
        f"{of} per min: Limit 1000000, Used 976163, Requested 70716.{asked}",
        of,
        "rate_limit_exceeded",
    )
    said = STYLES["openai"](refusal)
    return replace(said, headers={**said.headers, **_after(after, how)})


def _azure_rate_limited(*, after: float = 2.0, how: str = "seconds", code: str = "429") -> Response:
    asked = "" if how == "nothing" else f" Please retry after {after:g} seconds."
    refusal = Refusal(
        429,
        "Requests to the Embeddings_Create Operation under Azure OpenAI API version 2024-10-21 "
        f"have exceeded call rate limit of your current OpenAI S0 pricing tier.{asked} Please go "
        "here: https://aka.ms/oai/quotaincrease if you would like to further increase the "
        "default rate limit.",
        code=code,
    )
    said = STYLES["azure"](refusal)
    return replace(said, headers={**said.headers, **_after(after, how)})


def _azure_token(*, audience: str = "https://cognitiveservices.azure.com") -> Response:
    message = (
        "Unauthorized. Access token is missing, invalid, audience is incorrect "
        f"({audience}), or have expired."
    )
    return json_response(401, {"statusCode": 401, "message": message})


def _azure_filter() -> Response:
    error = {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's "
        "content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}},
    }
    return json_response(400, {"error": error})


def _refusal(name: str, *, style: str = "openai", message: str | None = None) -> Response:
    refusal = OPENAI_REFUSALS.get(name) or AZURE_REFUSALS[name]
    return STYLES[style](replace(refusal, message=message) if message else refusal)


def _too_long(*, index: int = 0) -> Response:
    message = f"Invalid 'input[{index}]': maximum input length is 8192 tokens."
    return STYLES["openai"](Refusal(400, message))


_PAGES = {
    "login": "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Corporate proxy: "
    "please sign in</body></html>",
    "error": "<html>\r\n<head><title>Service Temporarily Unavailable</title></head>\r\n<body>\r\n"
    "<center><h1>Service Temporarily Unavailable</h1></center>\r\n<hr><center>cloudflare</center>"
    "\r\n</body>\r\n</html>\r\n",
}


def _page(*, status: int = 200, page: str = "login") -> Response:
    return Response(status, _PAGES[page].encode(), {"content-type": "text/html; charset=UTF-8"})


def _redirect(*, to: str, status: int = 307) -> Response:
    return Response(status, b"", {"location": to})


def _body(*, text: str = "", status: int = 200, kind: str = "application/json") -> Response:
    return Response(status, text.encode(), {"content-type": kind})


def _error_in_200(*, message: str = "Provider returned error", code: int = 502) -> Response:
    return json_response(200, {"error": {"message": message, "code": code}})


def _compressed(response: Response) -> Response:
    headers = {**response.headers, "content-encoding": "gzip"}
    return Response(response.status, gzip.compress(response.body), headers)


def _mislabelled(response: Response) -> Response:
    """JSON that is called a web page, as badly set up proxies do."""
    return replace(response, headers={**response.headers, "content-type": "text/html"})


def _garbage() -> Response:
    """Bytes that are no text in any encoding."""
    return Response(200, b"\xff\x00\xfe" * 99, {"content-type": "application/json"})


def _cut_json(answer: object) -> bytes:
    return json.dumps(answer).encode()[:-25]


def _said(make: Callable[..., Response], **arguments: object) -> dict[str, object]:
    return {"instead": partial(make, **arguments)}


_FINE = {"broken": False}
_USABLE = {
    "reordered",
    "floats",
    "without_index",
    "without_usage",
    "null_usage",
    "odd_usage",
    "another_model",
    "extra_fields",
}

FAULTS: dict[str, Callable[..., dict[str, object]]] = {
    **{name: partial(_said, partial(_refusal, name)) for name in OPENAI_REFUSALS},
    **{name: partial(_said, partial(_refusal, name), style="azure") for name in AZURE_REFUSALS},
    "rate_limited": partial(_said, _rate_limited),
    "azure_rate_limited": partial(_said, _azure_rate_limited),
    "azure_token": partial(_said, _azure_token),
    "azure_filter": partial(_said, _azure_filter),
    "too_long": partial(_said, _too_long),
    "html": partial(_said, _page),
    "redirect": partial(_said, _redirect),
    "body": partial(_said, _body),
    "garbage": partial(_said, _garbage),
    "deep": partial(_said, _body, text="[" * 100_000),
    "error_in_200": partial(_said, _error_in_200),
    **{
        name: partial(dict, change=change, broken=name not in _USABLE)
        for name, change in CHANGES.items()
    },
    **{name: partial(dict, spell=spell, **_FINE) for name, spell in SPELLINGS.items()},
    "cut_json": partial(dict, spell=_cut_json),
    "gzip": partial(dict, wrap=_compressed, **_FINE),
    "mislabelled": partial(dict, wrap=_mislabelled, **_FINE),
    "until_close": partial(dict, deliver=until_close, **_FINE),
    "chunked": partial(dict, deliver=chunked, **_FINE),
    "goodbye": partial(dict, deliver=whole_and_close, **_FINE),
    "reset": partial(dict, instead=lambda: Response(0), deliver=reset),
    "reset_unread": partial(dict, deliver=reset),
    "reset_midway": partial(dict, deliver=cut_off(0.5, abort=True)),
    "cut_body": partial(dict, deliver=cut_off(0.5)),
    "hang": lambda: {"deliver": hang()},
    "hang_midway": lambda: {"deliver": hang(0.5)},
    "drip": lambda seconds=0.5: {"deliver": drip(seconds), "broken": False},
    "slow": lambda seconds=0.2: {"delay": seconds, "broken": False},
}
"""Each takes its arguments and gives the fields of a Fault."""


def make_fault(name: str, **arguments: object) -> Fault:
    """A fault by its name."""
    if name not in FAULTS:
        raise ValueError(f"no fault {name!r}; there are: {', '.join(sorted(FAULTS))}")
    return Fault(name=name, **FAULTS[name](**arguments))  # type: ignore[arg-type]
