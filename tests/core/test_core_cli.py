"""The command ``ellmental`` as users run it: real processes, a made-up generator."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from plugin_site import KEY, PluginSite, link_installed, plugin_code

from ellmental_embeddings.cli import exit_codes
from ellmental_embeddings.cli.output import table

if TYPE_CHECKING:
    from pathlib import Path

TINY = {"EMBEDDING_GENERATOR": "TINY", "TINY_KEY": KEY}
FROM_JOBS = ["embed", "eval", "map", "plan", "search"]
OWN = ["completion", "config", "doctor", "generators", "new-plugin", "vector"]
COMMANDS = sorted([*OWN, *FROM_JOBS])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> PluginSite:
    """A site with TINY, and a broken plugin beside it."""
    folder = tmp_path_factory.mktemp("cli")
    made = PluginSite(folder, link_installed(folder / "installed"))
    made.add_tiny()
    made.add("bad-import", "import surely_not_there\n", offers=["IMPORT"])
    return made


@pytest.fixture
def site(shared: PluginSite, tmp_path: Path) -> PluginSite:
    """The shared site, with a working folder of the test's own."""
    shared.cwd = tmp_path
    return shared


def vectors(printed: str) -> list[list[float] | None]:
    """The lines of ``ellmental vector``."""
    return [json.loads(line) for line in printed.splitlines()]


# vector


def test_vector_prints_one_line_of_json_a_text(site: PluginSite) -> None:
    """Vectors alone are on stdout, in order; stderr says in one line which generator it was."""
    ran = site.run("vector", "a", "ccc", "bb", "a", "dddd", env=TINY)
    assert ran.returncode == exit_codes.DONE
    assert [row and row[0] for row in vectors(ran.stdout)] == [1, 3, 2, 1, 4]
    assert ran.stdout.startswith("[1.0, 1.5, 0.100000001, -2.0]\n")
    assert ran.stderr == "generator: TINY (tiny-1, 4 dimensions)\n"


def test_vector_of_failed_texts_is_null_and_the_exit_code_1(site: PluginSite) -> None:
    """Blank, refused and undecodable texts cost themselves alone, and are named on stderr."""
    ran = site.run("vector", "fine", "", "  ", "reject me", b"\xff\xfe", "good", env=TINY)
    assert ran.returncode == exit_codes.FAILED
    found = vectors(ran.stdout)
    assert [row is None for row in found] == [False, True, True, True, True, False]
    lines = ran.stderr.splitlines()[1:]
    assert [line[:13] for line in lines] == [f"Error: text {position}" for position in (1, 2, 3, 4)]
    assert "this one is refused" in lines[2]
    assert "udcff" in lines[3]
    assert "Traceback" not in ran.stderr


def test_vector_reads_lines_of_standard_input(site: PluginSite) -> None:
    """Only line ends end a text: U+2028, form feeds and NEL stay inside; the mark is dropped."""
    texts = ["one", "a\u2028b\x0cc\x85d", "\u00e4\u6f22", "last"]
    given = ("\ufeff" + "\r\n".join(texts)).encode()
    ran = site.run("vector", "-", env=TINY, given=given)
    assert ran.returncode == exit_codes.DONE, ran.stderr
    assert [row and row[0] for row in vectors(ran.stdout)] == [len(text) for text in texts]


def test_vector_reads_utf8_whatever_the_locale(site: PluginSite) -> None:
    """Standard input means the same texts under another encoding of the system."""
    environment = {**TINY, "PYTHONIOENCODING": "latin-1"}
    ran = site.run("vector", "-", env=environment, given="\u6f22\u5b57\n".encode())
    assert [row and row[0] for row in vectors(ran.stdout)] == [2]


def test_vector_of_input_that_is_not_utf8(site: PluginSite) -> None:
    """The error names the line; nothing is embedded in part."""
    ran = site.run("vector", "-", env=TINY, given=b"fine\nna\xefve\n")
    assert (ran.returncode, ran.stdout) == (exit_codes.FILES, "")
    assert ran.stderr.endswith("Error: standard input is not UTF-8 text: see line 2.\n")


@pytest.mark.parametrize("arguments", [["vector"], ["vector", "-"]])
def test_vector_without_texts_is_a_usage_error(site: PluginSite, arguments: list[str]) -> None:
    """No text, or an empty input: the error shows an example."""
    ran = site.run(*arguments, env=TINY)
    assert (ran.returncode, ran.stdout) == (exit_codes.USAGE, "")
    assert 'No text given. Try: ellmental vector "a text"' in ran.stderr


def test_vector_of_a_chosen_generator(site: PluginSite) -> None:
    """``-g`` wins over EMBEDDING_GENERATOR, in any case of letters."""
    ran = site.run("vector", "-g", "tiny", "a", env={**TINY, "EMBEDDING_GENERATOR": "NONE"})
    assert ran.returncode == exit_codes.DONE
    assert len(vectors(ran.stdout)) == 1


def test_vector_with_an_instruction(site: PluginSite) -> None:
    """The instruction is put before the text of a plain model."""
    options = ["--role", "query", "--instruction", "ask: "]
    ran = site.run("vector", *options, "a", env=TINY)
    assert [row and row[0] for row in vectors(ran.stdout)] == [6]


# generators


def test_generators_lists_states_and_reasons(site: PluginSite) -> None:
    """A table on stdout; the reason why a plugin cannot be used on stderr; exit 0."""
    ran = site.run("generators", env=TINY)
    assert ran.returncode == exit_codes.DONE
    rows = [line.split() for line in ran.stdout.splitlines()]
    assert rows[0] == ["GENERATOR", "STATE", "FROM", "SUMMARY"]
    assert rows[1][:4] == ["IMPORT", "broken", "bad-import", "1.2"]
    assert rows[2] == ["TINY", "ready", "ellmental-tiny", "1.2", "made", "up"]
    assert "IMPORT: bad-import is broken: " in ran.stderr


def test_generators_says_each_trouble_once(tmp_path: Path, shared: PluginSite) -> None:
    """Two dists that claim one name share a line, and no label stands twice in a row."""
    site = PluginSite(tmp_path, shared.plugins.parent / "installed")
    site.add_tiny()
    site.add("second-tiny", plugin_code("TINY"), offers=["TINY"])
    site.add("odd-azure", plugin_code("ODD", variant=("ODD_TYPE", "azure")), offers=["ODD"])
    said = site.run("generators", env={"TINY_KEY": ""}).stderr
    assert said.count("both claim TINY") == 1
    assert said.count("ODD (ODD_TYPE=azure)") == 1


def test_a_table_fits_its_terminal() -> None:
    """The last cells are wrapped beside the others, or below them where too little is left."""
    rows = [("NAME", "MEANING"), ("A", "many words " * 9), ("LONG", "few")]
    whole = table(rows)
    assert [len(line) for line in whole.splitlines()] == [13, 104, 9]
    beside = table(rows, columns=60).splitlines()
    assert max(map(len, beside)) <= 60
    assert beside[0] == "NAME  MEANING"
    assert beside[2].startswith("      many") or beside[2].startswith("      words")
    below = table(rows, columns=36).splitlines()
    assert below[:2] == ["NAME", "    MEANING"]
    assert max(map(len, below)) <= 36
    assert " ".join(" ".join(below).split()) == " ".join(whole.split())


def test_generators_json(site: PluginSite) -> None:
    """For programs: the same with variables, the key masked."""
    ran = site.run("generators", "--json", env=TINY)
    broken, tiny = json.loads(ran.stdout)
    assert (broken["state"], tiny["state"], tiny["missing"]) == ("broken", "ready", [])
    values = {row["name"]: row["value"] for row in tiny["variables"]}
    assert values["TINY_KEY"] == "********"
    assert ran.stderr == ""
    assert KEY not in ran.stdout


def test_generators_describes_one(site: PluginSite) -> None:
    """Limits, model and variables of one generator; not ready, it says what is missing."""
    ran = site.run("generators", "tiny", env={"TINY_KEY": ""})
    assert ran.returncode == exit_codes.DONE
    assert "state:      not ready" in ran.stdout
    assert "not known" not in ran.stdout
    assert "TINY_KEY: Key of your Tiny account." in ran.stdout
    one = json.loads(site.run("generators", "TINY", "--json", env=TINY).stdout)
    assert one["limits"]["items"] == 3
    assert one["model"]["name"] == "tiny-1"


def test_generators_where_none_is_installed(tmp_path: Path, shared: PluginSite) -> None:
    """The remedy is on stderr, and --json is an empty list."""
    bare = PluginSite(tmp_path, shared.plugins.parent / "installed")
    ran = bare.run("generators")
    assert (ran.returncode, ran.stdout) == (exit_codes.DONE, "")
    assert "pip install ellmental-embeddings-local" in ran.stderr
    assert json.loads(bare.run("generators", "--json").stdout) == []


# config


def test_config_shows_values_and_where_they_came_from(site: PluginSite) -> None:
    """Argument, environment, .env and default are told apart; the key is masked."""
    (site.cwd / ".env").write_text("EMBEDDING_RPM=7\nTINY_BASE_URL=https://x\n", "utf-8")
    ran = site.run("config", "--json", "-g", "Tiny", env={"TINY_KEY": KEY, "BATCH_SIZE": "3"})
    assert ran.returncode == exit_codes.DONE, ran.stderr
    found = {row["name"]: (row["value"], row["source"]) for row in json.loads(ran.stdout)}
    assert found["EMBEDDING_GENERATOR"] == ("Tiny", "argument")
    assert found["BATCH_SIZE"] == ("3", "environment")
    assert found["EMBEDDING_RPM"] == ("7", ".env")
    assert found["TINY_URL"] == ("https://x", ".env")
    assert found["EMBEDDING_TIMEOUT"] == ("60", "default")
    assert found["TINY_KEY"] == ("********", "environment")


def test_config_of_what_cannot_be_chosen_shows_the_core(site: PluginSite) -> None:
    """The core's settings are shown, then the error; also with --json."""
    ran = site.run("config", "--json", env={"EMBEDDING_GENERATOR": "NONE"})
    assert ran.returncode == exit_codes.CONFIGURATION
    assert json.loads(ran.stdout)[0]["value"] == "NONE"
    assert "No installed plugin offers the generator NONE" in ran.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows' variables are always text")
def test_config_shows_bytes_that_are_no_text(site: PluginSite) -> None:
    """A variable that is no UTF-8 does not end the listing."""
    command = [sys.executable, "-S", "-m", "ellmental_embeddings", "config"]
    environment = {os.fsencode(name): os.fsencode(text) for name, text in TINY.items()}
    for name, text in site.environment().items():
        environment[os.fsencode(name)] = os.fsencode(text)
    environment[b"EMBEDDING_QUERY_INSTRUCTION"] = b"na\xefve"
    ran = subprocess.run(
        command, env=environment, cwd=site.cwd, capture_output=True, timeout=50, check=False
    )
    assert ran.returncode == exit_codes.DONE, ran.stderr
    assert b"na\\udcefve" in ran.stdout


def test_config_template_round_trip(site: PluginSite) -> None:
    """Written as .env and filled in, the template is read as the defaults it shows."""
    made = site.run("config", "--template", "-g", "TINY")
    assert made.returncode == exit_codes.DONE, made.stderr
    assert "\nTINY_KEY=\n" in made.stdout
    assert "\n#TINY_URL=https://tiny.example\n" in made.stdout
    assert "\n# Where Tiny is. On two lines.\n" in made.stdout
    words = " ".join(made.stdout.replace("\n# ", " ").split())
    assert " One of: error, truncate, average. " in words
    filled = made.stdout.replace("TINY_KEY=\n", f"TINY_KEY={KEY}\n")
    env_file = site.cwd / ".env"
    uncommented = "".join(
        line[1:] if line.startswith("#") and not line.startswith("# ") else line
        for line in filled.splitlines(keepends=True)
    )
    listings = []
    for content in (filled, uncommented):
        env_file.write_text(content, "utf-8")
        listed = json.loads(site.run("config", "--json").stdout)
        listings.append({row["name"]: row["value"] for row in listed})
    env_file.unlink()
    by_default = json.loads(site.run("config", "--json", env=TINY).stdout)
    assert listings[0] == listings[1] == {row["name"]: row["value"] for row in by_default}
    assert listings[0]["EMBEDDING_GENERATOR"] == "TINY"


def test_config_template_names_the_variant(tmp_path: Path, shared: PluginSite) -> None:
    """The template of a variant chooses that variant when it is read."""
    site = PluginSite(tmp_path, shared.plugins.parent / "installed")
    site.add_tiny()
    site.add("odd-azure", plugin_code("ODD", variant=("ODD_TYPE", "azure")), offers=["ODD"])
    made = site.run("config", "--template", env={"EMBEDDING_GENERATOR": "ODD", "ODD_TYPE": "azure"})
    assert max(map(len, made.stdout.splitlines())) <= 80
    assert "\nEMBEDDING_GENERATOR=ODD\nODD_TYPE=azure\n" in made.stdout
    (site.cwd / ".env").write_text(made.stdout, "utf-8")
    assert site.run("vector", "a", env={"TINY_KEY": KEY}).returncode == exit_codes.DONE


# doctor


def test_doctor_embeds_one_text_for_real(site: PluginSite) -> None:
    """A broken plugin is reported, and does not fail the check of another."""
    ran = site.run("doctor", env=TINY)
    assert ran.returncode == exit_codes.DONE, ran.stderr
    lines = ran.stdout.splitlines()
    assert any(line.startswith("BAD  IMPORT: bad-import 1.2, broken") for line in lines)
    assert "ok   chosen: TINY from ellmental-tiny" in lines
    assert "ok   width: 4 dimensions" in lines


@pytest.mark.parametrize(("key", "code"), [(KEY, exit_codes.DONE), ("", exit_codes.CONFIGURATION)])
def test_doctor_json_parses_whether_it_ends_well_or_not(
    site: PluginSite, key: str, code: int
) -> None:
    """A program reads what was found up to the failure, the failure included."""
    ran = site.run("doctor", "--json", env={**TINY, "TINY_KEY": key})
    assert ran.returncode == code
    findings = json.loads(ran.stdout)
    assert findings[0]["what"] == "python"
    assert findings[-1]["ok"] is (code == exit_codes.DONE)


# help, version, completion


def test_every_command_is_in_the_help_with_examples(site: PluginSite) -> None:
    """``ellmental --help`` lists all commands; each command's own help shows how it is used."""
    shown = site.run("--help")
    assert (shown.returncode, shown.stderr) == (exit_codes.DONE, "")
    listed = [line.split()[0] for line in shown.stdout.split("Commands:")[1].splitlines() if line]
    assert [name for name in listed if name in COMMANDS] == COMMANDS
    assert "Examples:\n" in shown.stdout
    assert "Exit codes: 0 done" in shown.stdout
    for name in COMMANDS:
        if name in FROM_JOBS:
            continue  # these come with another dist; what stands in for them is tested above
        help_text = site.run(name, "-h")
        assert help_text.returncode == exit_codes.DONE
        assert f"Examples:\n    ellmental {name}" in help_text.stdout.replace('eval "$(', "")


def test_version_is_the_dists(site: PluginSite) -> None:
    """``--version`` says the version of the core."""
    from importlib.metadata import version

    assert site.run("--version").stdout == f"ellmental, version {version('ellmental-embeddings')}\n"


def test_without_arguments_the_help_is_shown(site: PluginSite) -> None:
    """``ellmental`` alone explains itself."""
    ran = site.run()
    assert ran.returncode in (exit_codes.DONE, exit_codes.USAGE)
    assert "Examples:" in ran.stdout + ran.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(site: PluginSite, shell: str) -> None:
    """Each shell gets a script that calls back through _ELLMENTAL_COMPLETE."""
    ran = site.run("completion", shell)
    assert ran.returncode == exit_codes.DONE
    assert f"_ELLMENTAL_COMPLETE={shell}_complete" in ran.stdout
    if program := shutil.which(shell):
        checked = subprocess.run([program, "-n"], input=ran.stdout, text=True, check=False)
        assert checked.returncode == 0


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("ellmental gen", ["generators"]),
        ("ellmental vector --ro", ["--role"]),
        ("ellmental completion f", ["fish"]),
    ],
)
def test_bash_completes_words(
    site: PluginSite, tmp_path: Path, words: str, offered: list[str]
) -> None:
    """The script is sourced by a real bash, and completes; broken plugins do not speak between."""
    hook = "from ellmental_embeddings import hookimpl\nraise RuntimeError('bad')\n"
    made = PluginSite(tmp_path, site.plugins.parent / "installed")
    made.add("bad-commands", hook, commands=True)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "ellmental"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -m ellmental_embeddings "$@"\n')
    program.chmod(0o755)
    environment = made.environment()
    environment["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{environment['PATH']}"
    last = len(words.split()) - 1
    script = f"""
        eval "$(ellmental completion bash 2>/dev/null)"
        COMP_WORDS=({words}); COMP_CWORD={last}
        _ellmental_completion ellmental "${{COMP_WORDS[{last}]}}" ""
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    ran = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert ran.stdout.split() == offered
    assert ran.stderr == ""


def test_a_line_of_stdin_is_answered_before_the_next_one_is_there(site: PluginSite) -> None:
    """Whoever types, or pipes from something slow, sees each vector as it comes."""
    with subprocess.Popen(
        [sys.executable, "-S", "-m", "ellmental_embeddings", "vector", "-"],
        env=site.environment(TINY),
        cwd=site.cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in (b"one\n", b"two\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert len(json.loads(process.stdout.readline())) == 4
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(30) == 0
