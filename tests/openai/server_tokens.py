"""Where Entra ID tokens come from: managed identity (App Service, IMDS) and client credentials.

With ``OpenAIServer.identity_variables()`` in the environment, azure-identity's managed identity
asks here, as B4 of the protocols has it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from server_http import Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AUDIENCE", "CLIENT_SECRET", "IDENTITY_HEADER", "TokenOffice"]

AUDIENCE = "https://cognitiveservices.azure.com"
IDENTITY_HEADER = "standin-identity-header"
CLIENT_SECRET = "standin-client-secret"


@dataclass(slots=True)
class TokenOffice:
    """Issues tokens and knows which of them are still good.

    Attributes:
        lifetime: seconds a token is good.
        status: another status than 200 makes every request for a token fail with it.
        audience: for whom tokens must be asked.
        asked: the paths that were asked, one a request.
    """

    lifetime: float = 86_400.0
    status: int = 200
    audience: str = AUDIENCE
    asked: list[str] = field(default_factory=list)
    _good_until: dict[str, float] = field(default_factory=dict)

    def accept(self, token: str, *, seconds: float = 86_400.0) -> None:
        """A token made elsewhere is good, too."""
        self._good_until[token] = time.time() + seconds

    def expire(self) -> None:
        """All tokens issued so far are no longer good."""
        self._good_until.clear()

    def is_good(self, token: str) -> bool:
        """Whether a request with this token is let in."""
        return self._good_until.get(token, 0.0) > time.time()

    def answer(self, request: Request) -> Response | None:
        """The answer to a request for a token; None where it is none."""
        path = request.path
        if path == "/msi/token":
            right = request.headers.get("x-identity-header") == IDENTITY_HEADER
            return self._managed(request, right=right)
        if path == "/metadata/identity/oauth2/token":
            return self._managed(request, right=request.headers.get("metadata") == "true")
        if path.endswith(("/oauth2/v2.0/token", "/oauth2/token")):
            return self._client(request)
        if path.endswith("/.well-known/openid-configuration"):
            return self._configuration(request)
        return None

    def _issue(self, audience: str) -> str:
        token = f"eyJ0eXAiOiJKV1Qi.standin-{len(self.asked)}.signature"
        if audience.removesuffix("/.default") == self.audience:
            self.accept(token, seconds=self.lifetime)
        return token

    def _managed(self, request: Request, *, right: bool) -> Response:
        self.asked.append(request.path)
        if self.status != 200 or not right:
            status = self.status if self.status != 200 else 400
            return json_response(status, {"error": "invalid_request", "error_description": "no"})
        resource = request.query.get("resource", "")
        return json_response(
            200,
            {
                "access_token": self._issue(resource),
                "expires_in": f"{self.lifetime:.0f}",
                "expires_on": f"{time.time() + self.lifetime:.0f}",
                "resource": resource,
                "token_type": "Bearer",
            },
        )

    def _client(self, request: Request) -> Response:
        self.asked.append(request.path)
        # A tenant named "adfs" is the one that msal takes without asking Microsoft about it.
        form: Mapping[str, str] = dict(parse_qsl(request.body.decode()))
        if self.status != 200 or form.get("client_secret") != CLIENT_SECRET:
            said = {
                "error": "invalid_client",
                "error_description": "AADSTS7000215: Invalid client secret provided.",
                "error_codes": [7000215],
            }
            return json_response(self.status if self.status != 200 else 401, said)
        return json_response(
            200,
            {
                "token_type": "Bearer",
                "expires_in": int(self.lifetime),
                "ext_expires_in": int(self.lifetime),
                "access_token": self._issue(form.get("scope", "").split(" ")[0]),
            },
        )

    def _configuration(self, request: Request) -> Response:
        origin = f"https://{request.headers.get('host', '')}"
        tenant = request.path.strip("/").split("/")[0]
        said = {
            "token_endpoint": f"{origin}/{tenant}/oauth2/v2.0/token",
            "authorization_endpoint": f"{origin}/{tenant}/oauth2/v2.0/authorize",
            "issuer": f"{origin}/{tenant}/v2.0",
            "tenant_region_scope": "EU",
        }
        return Response(200, json.dumps(said).encode(), {"content-type": "application/json"})
