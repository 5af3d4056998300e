"""Every variable of the core: its default, what it takes, where it came from."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field
from settings_cases import (
    DEFAULTS,
    KEY,
    AcmeSettings,
    acme,
    clear_environment,
    core,
    rows,
    write_env_file,
)

from ellmental_embeddings import BackendSettings, ConfigurationError, CoreSettings, Variables
from ellmental_embeddings.settings import policy_of, variable_names


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable that these tests are about is set."""
    clear_environment(monkeypatch)


# Defaults and parsing


def test_core_defaults_are_those_of_the_design() -> None:
    """With nothing set, every variable has the default that the design fixes; none is extra."""
    settings = core()
    found = {field.upper(): getattr(settings, field) for field in CoreSettings.model_fields}
    assert found == DEFAULTS


def test_list_variables_agrees_with_the_settings_where_nothing_is_set() -> None:
    """What is listed as default is the default, and says so; nothing of the core is required."""
    for name, row in rows().items():
        assert row.default == (None if DEFAULTS[name] is None else row.value)
        assert row.source == "default"
        assert not row.required
        assert not row.secret
        assert row.meaning.endswith("."), f"{name} has no meaning to show"
    assert list(rows()) == list(DEFAULTS)


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("EMBEDDING_GENERATOR", " openai ", "OPENAI"),
        ("EMBEDDING_GENERATOR", "Spaces_Text", "SPACES_TEXT"),
        ("BATCH_SIZE", "1", 1),
        ("BATCH_SIZE", " 100 ", 100),
        ("EMBEDDING_MAX_CONCURRENCY", "1", 1),
        ("EMBEDDING_RPM", "3000", 3000),
        ("EMBEDDING_TPM", "1000000", 1_000_000),
        ("EMBEDDING_TIMEOUT", "0.5", 0.5),
        ("EMBEDDING_TIMEOUT", "1e2", 100.0),
        ("EMBEDDING_DEADLINE", "10", 10.0),
        ("EMBEDDING_DIMENSIONS", "256", 256),
        ("EMBEDDING_OVERLONG", "TRUNCATE", "truncate"),
        ("EMBEDDING_OVERLONG", " Average", "average"),
        ("EMBEDDING_DOCUMENT_INSTRUCTION", "passage: ", "passage: "),
        ("EMBEDDING_QUERY_INSTRUCTION", "query: ", "query: "),
        ("EMBEDDING_PLUGINS_BLOCKED", "a,b", "a,b"),
    ],
)
def test_environment_is_parsed(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, value: object
) -> None:
    """A value in the environment becomes what the field holds, in any case of letters."""
    monkeypatch.setenv(variable, text)
    assert getattr(core(), variable.lower()) == value
    assert rows()[variable].source == "environment"


@pytest.mark.parametrize("variable", list(DEFAULTS))
def test_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """``BATCH_SIZE=`` in the environment, or in .env, means the default."""
    monkeypatch.setenv(variable, "")
    write_env_file(f"{variable}=\n")
    assert getattr(core(), variable.lower()) == DEFAULTS[variable]
    assert rows()[variable].source == "default"


def test_empty_variable_lets_the_env_file_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable in the environment does not hide the one in .env."""
    monkeypatch.setenv("BATCH_SIZE", "")
    write_env_file("BATCH_SIZE=9\n")
    assert core().batch_size == 9
    assert rows()["BATCH_SIZE"].source == ".env"


def test_empty_argument_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty instruction given in code wins over the environment's, and is listed so."""
    monkeypatch.setenv("EMBEDDING_QUERY_INSTRUCTION", "query: ")
    assert core(EMBEDDING_QUERY_INSTRUCTION="").embedding_query_instruction == ""
    row = rows(EMBEDDING_QUERY_INSTRUCTION="")["EMBEDDING_QUERY_INSTRUCTION"]
    assert (row.value, row.source) == ("", "argument")


def test_variable_names_ignore_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable in lower case is the same variable, wherever it stands."""
    monkeypatch.setenv("batch_size", "7")
    write_env_file("embedding_rpm=11\n")
    settings = core(embedding_TIMEOUT=3)
    assert (settings.batch_size, settings.embedding_rpm, settings.embedding_timeout) == (7, 11, 3)
    found = rows()
    assert (found["BATCH_SIZE"].value, found["EMBEDDING_RPM"].value) == ("7", "11")


# Precedence and provenance


def test_argument_wins_over_environment_over_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place hides those behind it, and the listing names the one that won."""
    steps = [(core().batch_size, rows()["BATCH_SIZE"].source)]
    write_env_file("BATCH_SIZE=2\n")
    steps.append((core().batch_size, rows()["BATCH_SIZE"].source))
    monkeypatch.setenv("BATCH_SIZE", "3")
    steps.append((core().batch_size, rows()["BATCH_SIZE"].source))
    steps.append((core(BATCH_SIZE=4).batch_size, rows(BATCH_SIZE=4)["BATCH_SIZE"].source))
    assert steps == [(50, "default"), (2, ".env"), (3, "environment"), (4, "argument")]


def test_argument_none_is_no_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    """None stands for "not given", so that a function can pass its own default on."""
    monkeypatch.setenv("BATCH_SIZE", "3")
    assert core(BATCH_SIZE=None).batch_size == 3
    assert rows(BATCH_SIZE=None)["BATCH_SIZE"].source == "environment"


@pytest.mark.parametrize(
    ("env_file", "environment", "arguments", "value", "source"),
    [
        ("", {}, {}, "https://acme.example", "default"),
        ("A_URL=file-a", {}, {}, "file-a", ".env"),
        ("A_URL=file-a", {"B_URL": "env-b"}, {}, "env-b", "environment"),
        ("", {"A_URL": "env-a", "B_URL": "env-b"}, {}, "env-a", "environment"),
        ("", {"A_URL": "", "B_URL": "env-b"}, {}, "env-b", "environment"),
        ("", {"A_URL": "env-a"}, {"B_URL": "arg-b"}, "arg-b", "argument"),
        ("A_URL=file-a", {"A_URL": "env-a"}, {"A_URL": "arg-a"}, "arg-a", "argument"),
        ("", {"ACME_URL": "env-field"}, {}, "env-field", "environment"),
        ("", {"A_URL": "env-a"}, {"ACME_URL": "arg-field"}, "arg-field", "argument"),
    ],
)
def test_two_spellings_of_one_setting(
    monkeypatch: pytest.MonkeyPatch,
    *,
    env_file: str,
    environment: dict[str, str],
    arguments: dict[str, str],
    value: str,
    source: str,
) -> None:
    """With AliasChoices, what is in force is what is listed, under the first of the names."""
    write_env_file(env_file)
    monkeypatch.setenv("ACME_KEY", KEY)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    row = rows(AcmeSettings, **arguments)["A_URL"]
    assert (acme(**arguments).acme_url, row.value, row.source) == (value, value, source)


def test_names_of_a_setting_begin_with_the_documented_one() -> None:
    """A field is set by its aliases in their order, and by its own name."""
    assert variable_names(AcmeSettings, "acme_url") == ("A_URL", "B_URL", "ACME_URL")
    assert variable_names(AcmeSettings, "acme_key") == ("ACME_KEY",)


# The .env file


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("BATCH_SIZE=7", 7),
        ("BATCH_SIZE=7 # a comment\r\nOTHER=1\r\n", 7),
        ("export BATCH_SIZE='7'\n", 7),
        ("# BATCH_SIZE=7\n", 50),
        ("BATCH_SIZE\n", 50),
    ],
)
def test_env_file_as_people_write_it(content: str, value: int) -> None:
    """Windows line ends, quotes, ``export`` and comments are read as they are meant."""
    write_env_file(content)
    assert core().batch_size == value
    assert rows()["BATCH_SIZE"].value == str(value)


def test_env_file_with_byte_order_mark() -> None:
    """The mark that Windows' Notepad puts first is no part of the first variable's name."""
    write_env_file("BATCH_SIZE=7\n", "utf-8-sig")
    assert core().batch_size == 7
    assert rows()["BATCH_SIZE"].source == ".env"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_env_file_that_is_not_utf8(encoding: str) -> None:
    """The error names the file and says what to do; it quotes nothing of the content."""
    write_env_file(f"ACME_KEY={KEY}\nNAME=Müller\n", encoding)
    with pytest.raises(ConfigurationError, match=r"\.env is not UTF-8 text\. Save it as") as caught:
        Variables()
    assert str(Path(".env").resolve()) in str(caught.value)
    assert KEY not in str(caught.value)


def test_env_that_is_a_folder_is_no_env_file() -> None:
    """A folder called .env is passed over, and told of where it is no virtual environment."""
    Path(".env").mkdir()
    assert core().batch_size == 50
    assert Variables().passed_over() == (
        f"{Path('.env').resolve()} is a folder: no settings are read from it."
    )
    Path(".env", "pyvenv.cfg").touch()
    assert Variables().passed_over() is None


def test_unknown_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of other programs are no business of the settings."""
    monkeypatch.setenv("PATH_TO_SOMETHING", "x")
    write_env_file("DATABASE_URL=postgres://\n")
    assert core().batch_size == 50


# The rest of what is listed


def test_choices_are_listed() -> None:
    """Where few values are possible, they are told; elsewhere there are none."""
    found = rows()
    assert found["EMBEDDING_OVERLONG"].choices == ("error", "truncate", "average")
    assert not [row.name for row in found.values() if row.choices and "OVERLONG" not in row.name]


def test_default_made_by_a_function_is_not_listed_as_a_value() -> None:
    """A default that is not known before it is made does not show pydantic's innards."""

    class Made(BackendSettings):
        made: list[str] = Field(default_factory=list, description="Made anew.")

    assert (rows(Made)["MADE"].value, rows(Made)["MADE"].default) == (None, None)


def test_policy_carries_the_settings_to_the_engine() -> None:
    """What the user set is what the engine is told."""
    policy = policy_of(
        core(
            BATCH_SIZE=3,
            EMBEDDING_MAX_CONCURRENCY=4,
            EMBEDDING_RPM=5,
            EMBEDDING_TPM=6,
            EMBEDDING_TIMEOUT=7,
            EMBEDDING_DEADLINE=8,
            EMBEDDING_DIMENSIONS=9,
            EMBEDDING_OVERLONG="average",
        )
    )
    assert (policy.batch_size, policy.max_concurrency, policy.rpm, policy.tpm) == (3, 4, 5, 6)
    assert (policy.timeout, policy.deadline, policy.dimensions) == (7, 8, 9)
    assert policy.overlong == "average"
    assert not policy.secrets


def test_settings_cannot_be_changed() -> None:
    """What was validated stays as it is."""
    with pytest.raises(ValueError, match="frozen"):
        core().batch_size = 0


def test_text_of_a_variable_is_stripped(monkeypatch: pytest.MonkeyPatch) -> None:
    """``text`` gives a value without the blanks around it, and None for nothing but blanks."""
    monkeypatch.setenv("BATCH_SIZE", " 7 ")
    assert Variables().text("batch_size") == "7"
    assert Variables({"BATCH_SIZE": "  "}).text("BATCH_SIZE") is None
    assert Variables().text("EMBEDDING_RPM") is None
