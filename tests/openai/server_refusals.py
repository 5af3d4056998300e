"""How services say no: a refusal and the body each family of servers puts it in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from server_http import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "STYLES",
    "Refusal",
    "Style",
    "azure_error",
    "bare_error",
    "fastapi_error",
    "gateway_error",
    "integer_code_error",
    "masked",
    "openai_error",
    "unwrapped_error",
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a server has against a request; the message may have {fields}."""

    status: int
    message: str
    type: str | None = "invalid_request_error"
    code: str | None = None
    param: str | None = None

    def about(self, **fields: object) -> Refusal:
        """The same with the message's fields filled in."""
        return replace(self, message=self.message.format(**fields))


Style = Callable[[Refusal], Response]


def openai_error(refusal: Refusal) -> Response:
    """OpenAI's form: wrapped, ``code`` null or a string."""
    return json_response(
        refusal.status,
        {
            "error": {
                "message": refusal.message,
                "type": refusal.type,
                "param": refusal.param,
                "code": refusal.code,
            }
        },
    )


def azure_error(refusal: Refusal) -> Response:
    """Azure's form: wrapped, ``code`` a string (the status, or a word), no type."""
    code = refusal.code or str(refusal.status)
    return json_response(refusal.status, {"error": {"code": code, "message": refusal.message}})


def integer_code_error(refusal: Refusal) -> Response:
    """The form of vLLM, infinity, llama.cpp: wrapped, ``code`` the status as a number."""
    error = {
        "message": refusal.message,
        "type": refusal.type,
        "param": refusal.param,
        "code": refusal.status,
    }
    return json_response(refusal.status, {"error": error})


def unwrapped_error(refusal: Refusal) -> Response:
    """TEI's form: not under ``error``; a wrong key has no body at all."""
    if refusal.status == 401:
        return Response(401)
    return json_response(
        refusal.status,
        {"message": refusal.message, "code": refusal.status, "type": refusal.type},
    )


def old_vllm_error(refusal: Refusal) -> Response:
    """The form of vLLM before 0.10: not under ``error``, with ``object``."""
    return json_response(
        refusal.status,
        {
            "object": "error",
            "message": refusal.message,
            "type": refusal.type,
            "param": refusal.param,
            "code": refusal.status,
        },
    )


def bare_error(refusal: Refusal) -> Response:
    """LM Studio's form: ``error`` is a text."""
    return json_response(refusal.status, {"error": refusal.message})


def fastapi_error(refusal: Refusal) -> Response:
    """FastAPI's form: a text, or a list of problems where the body is not as declared."""
    if refusal.status != 422:
        return json_response(refusal.status, {"detail": refusal.message})
    problem = {
        "type": "value_error",
        "loc": ["body", refusal.param or "input"],
        "msg": refusal.message,
    }
    return json_response(422, {"detail": [problem]})


def gateway_error(refusal: Refusal) -> Response:
    """The form of some gateways: HTTP 200, and the error inside."""
    return json_response(200, {"error": {"message": refusal.message, "code": refusal.status}})


STYLES: Mapping[str, Style] = {
    "openai": openai_error,
    "azure": azure_error,
    "integer_code": integer_code_error,
    "unwrapped": unwrapped_error,
    "old_vllm": old_vllm_error,
    "bare": bare_error,
    "fastapi": fastapi_error,
    "gateway": gateway_error,
}


def masked(key: str) -> str:
    """A key as OpenAI repeats it in its 401: both ends stand there for all to read."""
    if len(key) <= 12:
        return key
    return f"{key[:8]}{'*' * (len(key) - 12)}{key[-4:]}"


def parsed(response: Response) -> object:
    """The JSON of a body, for tests."""
    return json.loads(response.body)
