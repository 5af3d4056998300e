"""``ellmental`` when something is wrong: exit codes, messages, pipes, signals, and no key."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from plugin_site import KEY, PluginSite, link_installed

from ellmental_embeddings.cli import exit_codes
from ellmental_embeddings.cli.lines import lines_of_stdin

if TYPE_CHECKING:
    from pathlib import Path

TINY = {"EMBEDDING_GENERATOR": "TINY", "TINY_KEY": KEY}


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


# What is wrong: exit codes and messages


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "said"),
    [
        (["vector", "a"], {"BATCH_SIZE": "fifty"}, 3, "Error: BATCH_SIZE='fifty' (from the env"),
        (["vector", "a"], {"TINY_KEY": ""}, 3, "TINY_KEY: Key of your Tiny account."),
        (["vector", "-g", "TINNY", "a"], {}, 3, "Did you mean TINY?"),
        (["vector", "-g", "", "a"], {}, 3, "EMBEDDING_GENERATOR is blank"),
        (["vector", "-g", "import", "a"], {}, 3, "IMPORT: bad-import is broken: "),
        (["vector", "-g", b"\xff", "a"], {}, 3, "No installed plugin offers"),
        (["vector", "refuse the key"], {}, 1, "Error: key ******** is not accepted"),
        (["vector", "--role", "boss", "a"], {}, 2, "'boss' is not one of"),
        (["vektor", "a"], {}, 2, "No such command 'vektor'. Did you mean 'vector'?"),
        (["vectors", "a"], {}, 2, "No such command 'vectors'. Did you mean 'vector'?"),
        (["serch", "a"], {}, 2, "No such command 'serch'. Did you mean 'search'?"),
        (["qqqqqq"], {}, 2, "No such command 'qqqqqq'.\n"),
        (["--qqqqqq"], {}, 2, "No such option"),
        (["generators", "NONE"], {}, 3, "No installed plugin offers the generator NONE"),
        (["generators", "IMPORT"], {}, 3, "No module named 'surely_not_there'"),
        (["config", "-g", "NONE"], {}, 3, "No installed plugin offers the generator NONE"),
        (["config"], {"BATCH_SIZE": "0"}, 3, "greater than or equal to 1"),
        (["vector", "a"], {"EMBEDDING_CACHE": "~nobody-has-this/c"}, 3, "EMBEDDING_CACHE='~nobody"),
        (["doctor", "--load", "9" * 20], {}, 2, "--load"),
        (["doctor"], {"TINY_KEY": ""}, 3, "TINY_KEY: Key of your Tiny account."),
        (["embed", "x.txt", "-o", "out"], {}, 3, "pip install ellmental-embeddings-jobs"),
        (["search", "out", "question"], {}, 3, "pip install ellmental-embeddings-jobs"),
        (["completion", "tcsh"], {}, 2, "'tcsh' is not one of"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(
    site: PluginSite,
    *,
    arguments: list[str | bytes],
    variables: dict[str, str],
    code: int,
    said: str,
) -> None:
    """One message with the remedy on stderr, the exit code of its kind, and no key in it."""
    ran = site.run(*arguments, env={**TINY, **variables})
    assert ran.returncode == code
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert KEY not in ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--debug", "vector", "-g", "NONE", "a"], 3),
        (["vector", "-g", "NONE", "--debug", "a"], 3),
        (["vector", "refuse the key", "--debug"], 1),
        (["vector", "--debug", "crash"], 3),
        (["doctor", "--debug", "-g", "IMPORT"], 3),
    ],
)
def test_debug_shows_a_traceback_wherever_it_stands(
    site: PluginSite, arguments: list[str], code: int
) -> None:
    """The exit code and the message stay as they are, and the key stays hidden."""
    ran = site.run(*arguments, env=TINY)
    assert "Traceback (most recent call last):" in ran.stderr
    assert "\nError: " in ran.stderr
    assert ran.returncode == code
    assert KEY not in ran.stdout + ran.stderr


def test_debug_after_two_dashes_is_a_text(site: PluginSite) -> None:
    """Behind ``--`` everything is text."""
    ran = site.run("vector", "--", "--debug", env=TINY)
    assert json.loads(ran.stdout)[0] == len("--debug")


def test_unexpected_error_of_a_backend_is_one_line(site: PluginSite) -> None:
    """A backend that crashes is a fault of its plugin: named, with the key masked."""
    ran = site.run("vector", "crash", env=TINY)
    assert ran.returncode == exit_codes.CONFIGURATION
    assert "TinyBackend raised RuntimeError: no idea what ******** is" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert KEY not in ran.stdout + ran.stderr


def test_near_miss_of_a_variable_is_warned_of(site: PluginSite) -> None:
    """The warning is one line on stderr; the vectors come all the same."""
    ran = site.run("vector", "a", env={**TINY, "BATCH_SIZES": "3"})
    assert ran.returncode == exit_codes.DONE
    assert "warning: BATCH_SIZES is set; did you mean BATCH_SIZE?" in ran.stderr.splitlines()


@pytest.mark.parametrize("command", [("vector", "a"), ("config",)])
def test_env_that_is_a_folder_is_told_of(site: PluginSite, command: tuple[str, ...]) -> None:
    """As Docker makes one where the file to mount is missing; the work is done all the same."""
    folder = site.cwd / ".env"
    folder.mkdir()
    ran = site.run(*command, env=TINY)
    assert ran.returncode == exit_codes.DONE
    said = f"warning: {folder.resolve()} is a folder: no settings are read from it."
    assert said in ran.stderr.splitlines()


# Pipes and signals


@pytest.mark.parametrize("arguments", [["--help"], ["generators"], ["vector", *"abc" * 5000]])
def test_broken_pipe_is_silent(site: PluginSite, arguments: list[str]) -> None:
    """Whoever reads the output may stop at any time (``| head -1``): nothing is said."""
    with subprocess.Popen(
        [sys.executable, "-S", "-m", "ellmental_embeddings", *arguments],
        env=site.environment(TINY),
        cwd=site.cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read().decode()
        code = process.wait(50)
    assert not [line for line in said.splitlines() if "IMPORT" not in line and "TINY" not in line]
    assert code == exit_codes.DONE


@pytest.mark.skipif(os.name == "nt", reason="written for a POSIX shell")
@pytest.mark.parametrize(
    ("without", "arguments", "code", "said"),
    [
        (
            ">&-",
            "config",
            exit_codes.DONE,
            "warning: standard output is closed",
        ),
        ("<&-", "vector -", exit_codes.USAGE, "No text given"),
        ("<&-", "new-plugin acme --author me -o written", exit_codes.DONE, "written"),
        ("2>&-", "vector ab", exit_codes.DONE, "[2.0, "),
        ("2>/dev/full", "vector ab", exit_codes.DONE, "[2.0, "),
    ],
)
def test_a_stream_that_is_closed_or_full_stops_nothing_else(
    site: PluginSite, *, without: str, arguments: str, code: int, said: str
) -> None:
    """As daemons and cron start programs: no traceback, no hang, and no data lost for a note."""
    if without.endswith("full") and not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("no /dev/full here")
    ran = site.run(*arguments.split(), env=TINY, redirected=without)
    assert ran.returncode == code, ran.stderr
    assert said in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_long_line_is_put_together_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with every chunk that comes, which would take hours for a line of a gigabyte."""

    class Chunk(bytes):
        def __radd__(self, other: bytes) -> bytes:
            raise AssertionError("copied once more")

    chunks = iter([Chunk(b"ab"), Chunk(b"c"), Chunk(b"d\r\n\ne"), Chunk(b"f\n"), Chunk(b"g"), b""])
    monkeypatch.setattr("ellmental_embeddings.cli.lines._reader", lambda: lambda: next(chunks))

    async def read() -> list[str]:
        return [line async for line in lines_of_stdin()]

    assert asyncio.run(read()) == ["abcd", "", "ef", "g"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_with_130(site: PluginSite) -> None:
    """SIGINT while the generator hangs ends the process soon, with one line and no traceback."""
    with subprocess.Popen(
        [sys.executable, "-S", "-m", "ellmental_embeddings", "vector", "hang"],
        env=site.environment(TINY),
        cwd=site.cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "generator: TINY (tiny-1, 4 dimensions)\n"
        assert process.stderr.readline() == "HANGS\n"
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=20)
    assert process.returncode == exit_codes.INTERRUPTED
    assert (printed, said.strip()) == ("", "Interrupted.")


# One key, everywhere


def test_key_is_shown_by_no_command(site: PluginSite) -> None:
    """Whatever is asked, the key is neither on stdout nor on stderr."""
    (site.cwd / ".env").write_text(f"TINY_KEY={KEY}\nTINY_KEYS={KEY}\n", "utf-8")
    environment = {"EMBEDDING_GENERATOR": "TINY", "BATCH_SIZE": "0"}
    for arguments in (["config"], ["config", "--template"], ["doctor", "--debug"]):
        ran = site.run(*arguments, env=environment)
        assert KEY not in ran.stdout + ran.stderr
        assert ran.stdout


def test_test_site_is_isolated(site: PluginSite) -> None:
    """The processes of these tests see the made-up plugins and no installed one."""
    names = site.python("""
        from ellmental_embeddings.registry import COMMANDS, Registry, _entry_points
        print(Registry().names(), len(_entry_points(COMMANDS)))
    """)
    assert names == "['IMPORT', 'TINY'] 0\n"
