"""What settings say when something is wrong, and what they never say: a key."""

from __future__ import annotations

import traceback

import pytest
from pydantic import Field, SecretStr
from settings_cases import (
    DEFAULTS,
    KEY,
    AcmeSettings,
    acme,
    clear_environment,
    error_of,
    rows,
    write_env_file,
)

from ellmental_embeddings import ConfigurationError, Variables
from ellmental_embeddings.settings import MASK, policy_of, secrets_of, without_secrets


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable that these tests are about is set."""
    clear_environment(monkeypatch)


# What is wrong


@pytest.mark.parametrize(
    ("variable", "text", "reason"),
    [
        ("BATCH_SIZE", "0", "greater than or equal to 1"),
        ("BATCH_SIZE", "-5", "greater than or equal to 1"),
        ("BATCH_SIZE", "fifty", "valid integer"),
        ("BATCH_SIZE", "2.5", "valid integer"),
        ("BATCH_SIZE", "50 # comment", "valid integer"),
        ("BATCH_SIZE", "   ", "valid integer"),
        ("EMBEDDING_MAX_CONCURRENCY", "0", "greater than or equal to 1"),
        ("EMBEDDING_RPM", "0", "greater than or equal to 1"),
        ("EMBEDDING_TPM", "none", "valid integer"),
        ("EMBEDDING_TIMEOUT", "nan", "finite number"),
        ("EMBEDDING_TIMEOUT", "0", "greater than 0"),
        ("EMBEDDING_TIMEOUT", "-1", "greater than 0"),
        ("EMBEDDING_DEADLINE", "inf", "finite number"),
        ("EMBEDDING_DEADLINE", "NaN", "finite number"),
        ("EMBEDDING_DIMENSIONS", "0", "greater than or equal to 1"),
        ("EMBEDDING_OVERLONG", "cut", "'error', 'truncate' or 'average'"),
    ],
)
def test_wrong_value_names_variable_value_source_and_meaning(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, reason: str
) -> None:
    """The user reads which variable is wrong, what it holds, where from, and what it is for."""
    monkeypatch.setenv(variable, text)
    message = error_of()
    assert message.startswith(f"{variable}={text!r} (from the environment): ")
    assert reason in message
    assert message.endswith(f"It means: {rows()[variable].meaning}")
    assert "\n" not in message


def test_wrong_value_says_which_place_it_came_from() -> None:
    """An argument and a line of .env are told apart."""
    write_env_file("EMBEDDING_RPM=many\n")
    message = error_of(BATCH_SIZE="")
    assert "BATCH_SIZE='' (from an argument): " in message
    assert "EMBEDDING_RPM='many' (from .env): " in message


def test_everything_that_is_wrong_or_missing_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One run shows all that there is to put right."""

    class TwoKeys(AcmeSettings):
        other_key: SecretStr = Field(description="Another key.")

    monkeypatch.setenv("EMBEDDING_TIMEOUT", "nan")
    write_env_file("EMBEDDING_OVERLONG=cut\n")
    lines = error_of(TwoKeys, BATCH_SIZE=0).splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("BATCH_SIZE='0' (from an argument): ")
    assert lines[1].startswith("EMBEDDING_TIMEOUT='nan' (from the environment): ")
    assert lines[2].startswith("EMBEDDING_OVERLONG='cut' (from .env): ")
    assert lines[3:] == [
        "ACME needs variables that are not set, in the environment or in .env:",
        "  ACME_KEY: Key of your Acme account.",
        "  OTHER_KEY: Another key.",
    ]


def test_one_missing_variable_is_spoken_of_in_the_singular() -> None:
    """The message reads well where one variable is missing."""
    assert error_of(AcmeSettings).splitlines() == [
        "ACME needs a variable that is not set, in the environment or in .env:",
        "  ACME_KEY: Key of your Acme account.",
    ]


def test_unknown_argument_gets_the_nearest_name() -> None:
    """A misspelt argument is refused, never ignored, and the right spelling is suggested."""
    message = error_of(BATCHSIZE=3, ACME_REGON="us", EMBEDDING_RPM=1, WHATEVER_ELSE=2)
    lines = message.splitlines()
    assert lines[0] == "BATCHSIZE is no setting of ACME. Did you mean BATCH_SIZE?"
    assert lines[1] == "ACME_REGON is no setting of ACME."
    assert lines[2] == "WHATEVER_ELSE is no setting of ACME."
    assert lines[3] == f"Known: {', '.join(sorted(DEFAULTS))}."
    assert error_of(AcmeSettings, ACME_REGON="us").startswith(
        "ACME_REGON is no setting of ACME. Did you mean ACME_REGION?"
    )


def test_unknown_argument_does_not_show_its_value() -> None:
    """A key given under a misspelt name is not repeated."""
    assert KEY not in error_of(AcmeSettings, ACME_KEYY=KEY)


# Near misses


@pytest.mark.parametrize(
    ("as_set", "meant"),
    [
        ("EMBEDDING_GENERATR", "EMBEDDING_GENERATOR"),
        ("EMBEDING_GENERATOR", "EMBEDDING_GENERATOR"),
        ("BATCH_SIZES", "BATCH_SIZE"),
        ("BATCHSIZE", "BATCH_SIZE"),
        ("EMBEDDING_DIMENSION", "EMBEDDING_DIMENSIONS"),
        ("embedding_time_out", "EMBEDDING_TIMEOUT"),
    ],
)
def test_near_miss_of_a_variable_is_found(
    monkeypatch: pytest.MonkeyPatch, as_set: str, meant: str
) -> None:
    """A variable that looks like a known one is found, in the environment and in .env."""
    monkeypatch.setenv(as_set, "1")
    assert (as_set.upper(), meant) in Variables().near_misses(DEFAULTS)
    monkeypatch.delenv(as_set)
    write_env_file(f"{as_set}=1\n")
    assert (as_set.upper(), meant) in Variables().near_misses(DEFAULTS)


@pytest.mark.parametrize(
    "name", ["EMBEDDING_MODEL", "AZURE_OPENAI_API_KEY", "BATCH", "PATH", "SIZE", "EMBEDDINGS_URL"]
)
def test_other_variables_are_no_near_misses(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A variable of another program is not warned of."""
    monkeypatch.setenv(name, "1")
    known = [*DEFAULTS, "OPENAI_API_KEY", "EMBEDDINGS_GENERATION_URL"]
    assert name not in dict(Variables().near_misses(known))


def test_known_variables_are_no_near_misses_of_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """EMBEDDING_RPM is not taken for a misspelt EMBEDDING_TPM."""
    for name in DEFAULTS:
        monkeypatch.setenv(name, "1")
    assert not [pair for pair in Variables().near_misses(DEFAULTS) if pair[0] in DEFAULTS]


# Secrets


def test_secret_is_masked_wherever_it_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """repr, str and the listing show stars; the settings themselves hold the key."""
    monkeypatch.setenv("ACME_KEY", KEY)
    settings = acme(ACME_TOKEN=SecretStr("token-0123"))
    row = rows(AcmeSettings)["ACME_KEY"]
    assert (row.value, row.source, row.secret, row.required) == (MASK, "environment", True, True)
    for shown in (repr(settings), str(settings), f"{rows(AcmeSettings)}", repr(row)):
        assert KEY not in shown
    assert settings.acme_key.get_secret_value() == KEY
    assert secrets_of(settings) == (KEY, "token-0123")
    assert policy_of(settings).secrets.shown_by(f"Bearer {KEY}")
    assert policy_of(settings).secrets.shown_by("token-0123")
    assert KEY not in repr(settings.model_dump())


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:S3CRET:x@host/v1", f"https://{MASK}@host/v1"),
        ("https://host/?a=1&__sign=S3CRET#top", f"https://host/?a=1&__sign={MASK}#top"),
        ("https://host?subscription-key=S3CRET&b=2", f"https://host?subscription-key={MASK}&b=2"),
        ("https://host/a@b?api-version=2024-10-21", "https://host/a@b?api-version=2024-10-21"),
    ],
)
def test_key_within_an_address_is_masked(
    address: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address with a key in it is pasted into a variable that is no secret."""
    monkeypatch.setenv("A_URL", address)
    assert rows(AcmeSettings)["A_URL"].value == shown


def test_missing_secret_is_listed_as_missing() -> None:
    """A required variable that is not set has neither value nor default."""
    row = rows(AcmeSettings)["ACME_KEY"]
    assert (row.value, row.default, row.source) == (None, None, "missing")


@pytest.mark.parametrize("wrong", ["WRONG-KEY-987", SecretStr("WRONG-KEY-987")])
def test_secret_does_not_show_in_an_error(wrong: object) -> None:
    """Not even where the plugin's own validator repeats it."""
    message = error_of(AcmeSettings, ACME_KEY=wrong)
    assert "ACME_KEY" in message
    assert "begin with sk-" in message
    assert "WRONG-KEY-987" not in message


def test_secret_does_not_show_in_an_error_of_the_whole() -> None:
    """Nor where a validator over all fields repeats it."""
    message = error_of(AcmeSettings, ACME_KEY=KEY, ACME_REGION="moon")
    assert message == f"no Acme on the moon for {MASK}"


def test_secret_of_a_wrong_type_does_not_show() -> None:
    """Pydantic's own message about a secret does not quote it."""
    assert "123456" not in error_of(AcmeSettings, ACME_KEY=123456)


def test_error_chain_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """A printed traceback stops at our error: pydantic's, with its input, is not shown."""
    monkeypatch.setenv("ACME_KEY", "WRONG-KEY-987")
    with pytest.raises(ConfigurationError) as caught:
        acme()
    printed = "".join(traceback.format_exception(caught.value))
    assert "WRONG-KEY-987" not in printed


def test_without_secrets_masks_what_is_set_and_nothing_else() -> None:
    """Keys are masked as they were given, also without the blanks around them."""
    variables = Variables({"ACME_KEY": f" {KEY} "})
    assert without_secrets(f"<{KEY}> eu", AcmeSettings, variables) == f"<{MASK}> eu"
    assert without_secrets("no key", AcmeSettings, Variables()) == "no key"
    assert without_secrets("no key", AcmeSettings, Variables({"ACME_KEY": " "})) == "no key"
