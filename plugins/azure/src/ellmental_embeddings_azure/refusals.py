"""What Azure's own refusals mean; OpenAI's table comes after these rows."""

from __future__ import annotations

from ellmental_embeddings import AuthenticationFailed, ConfigurationError
from ellmental_embeddings_openai import Rule

__all__ = ["AZURE_RULES", "DIRECTORY_RULES"]

_GIVE_ROLE = (
    "Give the identity the role 'Cognitive Services OpenAI User' on the resource; a new role takes "
    "some minutes."
)
_DEPLOYMENT = "Check {model}: it must be the deployment's name. A new one takes some minutes."

_SHARED = (
    Rule(
        status={401, 403},
        code="permissiondenied",
        becomes=AuthenticationFailed,
        remedy=_GIVE_ROLE,
    ),
    Rule(
        status={401, 403},
        words=r"lacks the required data action",
        becomes=AuthenticationFailed,
        remedy=_GIVE_ROLE,
    ),
    Rule(
        status={401},
        words=r"access token is missing|audience is incorrect",
        becomes=AuthenticationFailed,
        remedy="A token in {key} lives an hour or so: fetch a new one, or unset it to have "
        "azure-identity do so. For another audience set AZURE_OPENAI_SCOPE. A key instead of a "
        "token needs AZURE_OPENAI_USE_ACTIVE_DIRECTORY=False.",
    ),
    Rule(
        status={403},
        code="authenticationtypedisabled",
        becomes=AuthenticationFailed,
        remedy="The resource takes no keys: set AZURE_OPENAI_USE_ACTIVE_DIRECTORY=True and unset "
        "{key}.",
    ),
    Rule(
        status={403},
        words=r"virtual network|firewall",
        becomes=AuthenticationFailed,
        remedy="The resource lets in no requests from this network, whatever the key.",
    ),
    Rule(
        status={404},
        code="deploymentnotfound",
        becomes=ConfigurationError,
        remedy=_DEPLOYMENT,
    ),
    Rule(
        status={404},
        words=r"^resource not found",
        becomes=ConfigurationError,
        remedy="Check {url}, and that {version} exists: v1, or a date such as 2024-10-21.",
    ),
    Rule(
        code="model_not_found",
        becomes=ConfigurationError,
        remedy=_DEPLOYMENT,
    ),
    Rule(
        status={404, 405, 410},
        becomes=ConfigurationError,
        remedy="There is no Azure OpenAI at {address}: check {url}. What stands before /openai in "
        "it is kept.",
    ),
)

AZURE_RULES: tuple[Rule, ...] = (
    *_SHARED,
    Rule(
        status={401},
        becomes=AuthenticationFailed,
        remedy="Check that {key} holds a key of the resource at {url}; an Entra ID token needs "
        "AZURE_OPENAI_USE_ACTIVE_DIRECTORY=True.",
    ),
)
"""Where a key is sent."""

DIRECTORY_RULES: tuple[Rule, ...] = (
    *_SHARED,
    Rule(
        status={401},
        becomes=AuthenticationFailed,
        remedy="AZURE_OPENAI_USE_ACTIVE_DIRECTORY=True: what {key} holds is sent as an Entra ID "
        "token; a key of the resource needs False. Without {key} the token is azure-identity's: "
        "check that it is of the tenant of {url}.",
    ),
)
"""Where an Entra ID token is sent."""
