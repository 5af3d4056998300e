"""What Azure's own refusals mean; OpenAI's table comes after these rows."""

from __future__ import annotations

from ellmental_embeddings import AuthenticationFailed, ConfigurationError
from ellmental_embeddings_openai import Rule

__all__ = ["AZURE_RULES"]

AZURE_RULES: tuple[Rule, ...] = (
    Rule(
        status={401, 403},
        code="permissiondenied",
        becomes=AuthenticationFailed,
        remedy="Give the identity the role 'Cognitive Services OpenAI User' on the resource; a "
        "new role takes some minutes.",
    ),
    Rule(
        status={401, 403},
        words=r"lacks the required data action",
        becomes=AuthenticationFailed,
        remedy="Give the identity the role 'Cognitive Services OpenAI User' on the resource; a "
        "new role takes some minutes.",
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
        status={401},
        becomes=AuthenticationFailed,
        remedy="Check that {key} holds a key of the resource at {url}; an Entra ID token needs "
        "AZURE_OPENAI_USE_ACTIVE_DIRECTORY=True.",
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
        remedy="Check {model}: it must be the deployment's name. A new one takes some minutes.",
    ),
    Rule(
        status={404},
        words=r"^resource not found",
        becomes=ConfigurationError,
        remedy="Check {url}, and that {version} exists: v1, or a date such as 2024-10-21.",
    ),
)
