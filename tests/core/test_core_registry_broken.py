"""Broken plugins: each is one reason that names its dist, and hurts no other."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from types import ModuleType

import click
import pytest
from plugin_site import (
    KEY,
    TINY,
    PluginSite,
    announce,
    choose,
    link_installed,
    listed,
    plugin_code,
)
from pydantic import SecretStr
from scripted import ScriptedBackend

from ellmental_embeddings import (
    Backend,
    BackendSettings,
    ConfigurationError,
    GeneratorSpec,
    PluginError,
    Variables,
    installed_generators,
    load_generator,
    registry,
)
from ellmental_embeddings.registry import Offer, Registry, import_object, make_backend


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Links to all that is installed, but this project's plugins."""
    return link_installed(tmp_path_factory.mktemp("registry") / "installed")


@pytest.fixture
def site(tmp_path: Path, installed: Path) -> PluginSite:
    """A site with TINY's backend, and no plugin yet."""
    made = PluginSite(tmp_path, installed)
    (made.plugins / "tiny_backend.py").write_text(TINY, "utf-8")
    return made


# Plugins that are wrong in themselves

HOOK = "from ellmental_embeddings import GeneratorSpec, hookimpl\n\n@hookimpl\n"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (HOOK + "async def ellmental_generators():\n    return []\n", "is async"),
        (HOOK + "def ellmental_generatorz():\n    return []\n", "unknown hook"),
        (plugin_code("ACME") + "\n@hookimpl\ndef ellmental_x(): ...\n", "'ellmental_x'"),
        ("def ellmental_generators():\n    return []\n", "no ellmental_generators decorated"),
        ("", "no ellmental_generators decorated"),
        (HOOK + "def ellmental_generators(wrong):\n    return []\n", "do not fit"),
        (HOOK + "def ellmental_generators():\n    return 5\n", "'int' object is not iterable"),
        (HOOK + "def ellmental_generators():\n    return ['ACME']\n", "no GeneratorSpec"),
        (HOOK + "def ellmental_generators():\n    return None\n", "offers nothing"),
        (HOOK + "def ellmental_generators():\n    return []\n", "offers nothing"),
        (HOOK + "def ellmental_generators():\n    1 / 0\n", "ZeroDivisionError"),
        (HOOK + "def ellmental_generators():\n    return [GeneratorSpec('A')]\n", "TypeError"),
        (plugin_code("OTHER"), "offers OTHER"),
        ("raise RuntimeError('one\\ntwo')", "(RuntimeError: one two)"),
    ],
)
def test_broken_plugin_is_one_reason_on_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    """Every way to get the hook wrong is a PluginError naming the dist, and listed as broken."""
    module = f"broken_{abs(hash(code))}"
    (tmp_path / f"{module}.py").write_text(code, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    announce(monkeypatch, ("ACME", module, "acme-dist"))
    with pytest.raises(PluginError) as caught:
        Registry().choose("ACME", Variables())
    assert "acme-dist" in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    (status,) = installed_generators()
    assert (status.label, status.dist, status.state) == ("ACME", "acme-dist", "broken")
    assert said in status.reason


def test_settings_that_cannot_be_used_are_listed_and_hurt_no_other(site: PluginSite) -> None:
    """A wrong path in a spec is reported with its dist, beside the plugins that work."""
    cases = {
        "surely_not_there:X": "surely_not_there:X does not import",
        "tiny_backend:NoSuch": "tiny_backend:NoSuch does not import",
        "tiny_backend": "tiny_backend does not import",
        "os:getcwd": "os:getcwd is no subclass of BackendSettings",
        "tiny_backend:TinyBackend": "is no subclass of BackendSettings",
    }
    for number, path in enumerate(cases):
        code = plugin_code(f"ACME{number}", settings=path)
        site.add(f"acme-{number}", code, offers=[f"ACME{number}"])
    site.add("fine", plugin_code("FINE"), offers=["FINE"])
    found = listed(site)
    assert found["FINE", "fine"]["state"] == "ready"
    for number, said in enumerate(cases.values()):
        status = found[f"ACME{number}", f"acme-{number}"]
        assert status["state"] == "broken"
        assert f"acme-{number} is broken: " in status["reason"]
        assert said in status["reason"]


FAULTS = """
from ellmental_embeddings import Backend, ConfigurationError
class Raises(Backend):
    def __init__(self, settings): raise ValueError("no idea about " + key(settings))
    def embed(self, batch): ...
class Refuses(Raises):
    def __init__(self, settings): raise ConfigurationError("wrong key " + key(settings))
def key(settings): return settings.tiny_key.get_secret_value()
"""

DESCRIBE = """
    import json
    from ellmental_embeddings import describe_generator
    found = [describe_generator(f"acme{number}") for number in range(4)]
    print(json.dumps([(status.state, status.reason) for status in found]))
"""


def test_backend_that_cannot_be_made_is_described(site: PluginSite) -> None:
    """``describe_generator`` says what is wrong with a backend, without the key."""
    cases = {
        "surely_not_there:X": ("broken", "acme-0 is broken: surely_not_there:X does not import"),
        "os:getcwd": ("broken", "acme-1 is broken: os:getcwd is no subclass of Backend"),
        "faults:Raises": ("broken", "acme-2 is broken: faults:Raises raised (ValueError: no idea"),
        "faults:Refuses": ("not ready", "wrong key ********"),
    }
    (site.plugins / "faults.py").write_text(FAULTS, "utf-8")
    for number, path in enumerate(cases):
        code = plugin_code(f"ACME{number}", backend=path)
        site.add(f"acme-{number}", code, offers=[f"ACME{number}"])
    printed = site.python(DESCRIBE, env={"TINY_KEY": KEY})
    for (state, said), (found, reason) in zip(cases.values(), json.loads(printed), strict=True):
        assert found == state
        assert reason.startswith(said)
    assert KEY not in printed
    assert "no idea about ********" in printed


@pytest.mark.parametrize(
    ("error", "kind"), [(ValueError, PluginError), (ConfigurationError, ConfigurationError)]
)
def test_make_backend_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception], kind: type[Exception]
) -> None:
    """Neither the error of a backend that cannot be made nor its causes show the key."""

    class Settings(BackendSettings):
        acme_key: SecretStr = SecretStr(KEY)

    class Faulty(ScriptedBackend):
        def __init__(self, settings: BackendSettings) -> None:
            raise error(f"no use for {KEY}") from KeyError(KEY)

    class Faults(ModuleType):
        Faulty: type[Backend]

    module = Faults("made_up_faults")
    module.Faulty = Faulty
    spec = GeneratorSpec(name="ACME", summary="", settings="", backend="made_up_faults:Faulty")
    offer, settings = Offer(spec, "acme", "1.2"), Settings()
    monkeypatch.setitem(sys.modules, "made_up_faults", module)
    with pytest.raises(kind) as caught:
        make_backend(offer, settings)
    assert "no use for ********" in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_loading_what_does_not_import_names_the_dist(site: PluginSite) -> None:
    """``load_generator`` says whose path is wrong."""
    site.add("acme", plugin_code("ACME", backend="surely_not_there:X"), offers=["ACME"])
    kind, message, _ = choose(site, "ACME")
    assert kind == "PluginError"
    assert "acme is broken: surely_not_there:X does not import" in message


def test_import_object_checks_what_it_found() -> None:
    """A class of the wrong kind is refused; without a base anything goes."""
    assert import_object("pathlib:Path", "acme").__name__ == "Path"
    assert import_object("scripted:ScriptedBackend", "acme", Backend)
    with pytest.raises(PluginError, match="acme is broken: pathlib:Path is no subclass of Backend"):
        import_object("pathlib:Path", "acme", Backend)


# Dists whose metadata is damaged


def test_damaged_metadata_hurts_no_other_plugin(site: PluginSite) -> None:
    """Half-uninstalled dists, without METADATA or a version, do not end the discovery."""
    site.add("fine", plugin_code("FINE"), offers=["FINE"])
    site.add("no-metadata", plugin_code("NO_METADATA"), offers=["NO_METADATA"], metadata="")
    site.add("no-version", plugin_code("NO_VERSION"), offers=["NO_VERSION"], metadata="Name: odd\n")
    found = {key: (status["state"], status["version"]) for key, status in listed(site).items()}
    assert found == {
        ("FINE", "fine"): ("ready", "1.2"),
        ("NO_METADATA", "an unknown dist"): ("ready", "?"),
        ("NO_VERSION", "odd"): ("ready", "?"),
    }


def test_entry_point_without_a_dist_is_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``EntryPoint.dist`` may be None; then the dist is called unknown."""
    (tmp_path / "no_dist_module.py").write_text(plugin_code("ACME"), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    announce(monkeypatch, ("ACME", "no_dist_module", None))
    assert Registry().choose("ACME", Variables()).dist == "an unknown dist"


# Commands

COMMAND = """
import click
from ellmental_embeddings import hookimpl

@hookimpl
def ellmental_commands(group):
    @group.command("{name}")
    def command():
        "Made up."
        click.echo("done")
"""


def test_broken_command_plugins_are_warned_of_in_one_line_each(site: PluginSite) -> None:
    """The other commands work; each broken plugin costs one line on stderr."""
    hook = COMMAND.split("    @group", maxsplit=1)[0]
    site.add("good-commands", COMMAND.format(name="good"), commands=True)
    site.add("bad-commands", "raise RuntimeError('one\\ntwo')", commands=True)
    site.add("worse-commands", f"{hook}    raise SystemExit('gone')\n", commands=True)
    site.add("worst-commands", f"{hook}    raise KeyError('x')\n", commands=True)
    site.add("no-commands", "", commands=True)
    site.add("async-commands", hook.replace("def ", "async def ") + "    pass\n", commands=True)
    ran = site.run("good")
    assert (ran.returncode, ran.stdout) == (0, "done\n")
    lines = ran.stderr.splitlines()
    assert sorted(line.split()[1] for line in lines) == [
        "async-commands",
        "bad-commands",
        "no-commands",
        "worse-commands",
        "worst-commands",
    ]
    assert all(line.startswith("warning: ") for line in lines)
    shown = site.run("--help")
    assert shown.returncode == 0
    assert "good " in shown.stdout


def test_blocked_command_plugin_is_not_loaded(site: PluginSite) -> None:
    """EMBEDDING_PLUGINS_BLOCKED, the remedy in the warning, silences a broken command plugin."""
    site.add("bad-commands", "raise RuntimeError('bad')", commands=True)
    assert "bad-commands is broken" in site.run("--help").stderr
    blocked = site.run("--help", env={"EMBEDDING_PLUGINS_BLOCKED": "Bad_Commands"})
    assert (blocked.returncode, blocked.stderr) == (0, "")


def test_add_commands_survives_an_unreadable_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """``ellmental --help`` works beside a .env that is no UTF-8; who needs it says so."""
    Path(".env").write_bytes("EMBEDDING_GENERATOR=ü".encode("latin-1"))
    monkeypatch.setattr(registry, "_entry_points", lambda group: ())
    assert registry.add_commands(click.Group()) == []
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_generator("LOCAL")
