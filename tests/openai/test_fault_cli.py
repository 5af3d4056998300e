"""The command line against a service that refuses: exit code, one message, no traceback, no key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from server_vectors import vector_of
from server_witness import SMALL, leaked

if TYPE_CHECKING:
    from pathlib import Path

    from openai_server import OpenAIServer

WRONG = "sk-proj-qV7nRd2MxZ9aLk4TfGw8BhUy6CsPj3Ne"


def ellmental(
    server: OpenAIServer, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command as users do, configured by variables alone."""
    environment = {
        **os.environ,
        "EMBEDDING_GENERATOR": "OPENAI",
        "OPENAI_BASE_URL": server.url,
        "OPENAI_API_KEY": server.key,
        "OPENAI_MODEL": SMALL,
        **variables,
    }
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "ellmental_embeddings", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", [["doctor"], ["vector", "a"], ["--debug", "vector", "a"]])
def test_a_wrong_key_on_the_command_line(server: OpenAIServer, command: list[str]) -> None:
    """Exit code 1, the variable's name, no traceback unless asked for, no part of the key."""
    ran = ellmental(server, *command, OPENAI_API_KEY=WRONG)
    assert ran.returncode == 1
    assert "OPENAI_API_KEY" in ran.stderr
    assert "401" in ran.stderr
    assert ("Traceback" in ran.stderr) == ("--debug" in command)
    assert not leaked(WRONG.removeprefix("sk-proj-"), ran.stdout, ran.stderr)
    assert len(server.bill.requests) == 1


@pytest.mark.parametrize(
    ("variables", "code", "word"),
    [
        ({"OPENAI_BASE_URL": "localhost:8000"}, 3, "OPENAI_BASE_URL"),
        ({"OPENAI_MODEL": ""}, 3, "OPENAI_MODEL"),
        ({"OPENAI_TYPE": "opnai"}, 3, "OPENAI_TYPE"),
        ({"OPENAI_MODEL": "text-embeddings-ada-002"}, 3, "OPENAI_MODEL"),
        ({"OPENAI_API_KEY": "ké" * 8}, 3, "OPENAI_API_KEY"),
    ],
    ids=["url", "no model", "type", "model", "key"],
)
def test_wrong_variables_on_the_command_line(
    server: OpenAIServer, variables: dict[str, str], code: int, word: str
) -> None:
    """Configuration errors are exit code 3 and name the variable."""
    ran = ellmental(server, "vector", "a", **variables)
    assert ran.returncode == code, ran.stderr
    assert word in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not ran.stdout
    assert not server.bill.paid


def test_a_key_with_a_newline_on_the_command_line(server: OpenAIServer) -> None:
    """The right key with the newline of its file: a vector on stdout, nothing odd on stderr."""
    ran = ellmental(server, "vector", "a", OPENAI_API_KEY=f"{server.key}\n")
    assert ran.returncode == 0, ran.stderr
    assert np.allclose(json.loads(ran.stdout), vector_of(SMALL, "a"), atol=1e-6)
    assert not leaked(server.key, ran.stdout, ran.stderr)
    assert "Warning" not in ran.stderr


def test_what_is_cut_is_said_on_the_command_line(server: OpenAIServer) -> None:
    """A text that EMBEDDING_OVERLONG cuts has a vector on stdout, and a line on stderr."""
    limit = {"OPENAI_MAX_TEXT_TOKENS": "5", "OPENAI_TOKENIZER": "bytes"}
    ran = ellmental(server, "vector", "tiny", "too long", **limit, EMBEDDING_OVERLONG="truncate")
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == 2
    assert ran.stderr.splitlines()[1:] == ["text 1 ('too long'): truncated from 8 to 4 tokens"]


def test_doctor_finds_all_well(server: OpenAIServer) -> None:
    """With the right key doctor says so, and shows the model and the width."""
    ran = ellmental(server, "doctor", "--json")
    assert ran.returncode == 0, ran.stderr
    found = {finding["what"]: finding for finding in json.loads(ran.stdout)}
    assert found["model"]["found"] == SMALL
    assert found["width"]["found"] == "1536 dimensions"
    assert not leaked(server.key, ran.stdout, ran.stderr)


def test_search_with_another_model_names_its_variable(server: OpenAIServer, tmp_path: Path) -> None:
    """The remedy is what to set, and only what differs: the same generator is not spelt out."""
    text, out = tmp_path / "a.txt", tmp_path / "out"
    text.write_text("one\n")
    assert ellmental(server, "embed", str(text), "-o", str(out)).returncode == 0
    ran = ellmental(server, "search", str(out), "one", OPENAI_MODEL="text-embedding-ada-002")
    assert ran.returncode == 1
    assert f"\nSet OPENAI_MODEL={SMALL}; or embed the sources again" in ran.stderr
    assert "set OPENAI_TYPE" not in ran.stderr
