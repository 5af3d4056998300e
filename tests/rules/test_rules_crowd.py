"""Fifty foreign plugins beside LOCAL, three of them trouble: who asks for LOCAL meets none."""

from __future__ import annotations

import json
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from plugin_site import KEY, TINY, PluginSite, choose_each, link_installed, plugin_code

import ellmental_embeddings_local

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = {
    **{f"crowd-{number}": f"GOOD{number}" for number in range(46)},
    "crowd-broken": "BROKEN",
    "crowd-slow": "SLOW",
    "crowd-one": "TWIN",
    "crowd-two": "TWIN",
}
"""Fifty dists, and the generator that each announces."""
SLEEP = 0.6
MODULES = """
import sys
from ellmental_embeddings.cli.main import main
try:
    main({arguments!r})
except SystemExit as end:
    assert not end.code, end.code
print(*sorted(sys.modules))
"""


def install_local(site: PluginSite) -> None:
    """Link the real LOCAL: its package, and what says that it is installed."""
    package = Path(ellmental_embeddings_local.__file__).parent
    info = Path(str(distribution("ellmental-embeddings-local").locate_file("")))
    found = next(info.glob("ellmental_embeddings_local-*.dist-info"))
    for one in (package, found):
        (site.plugins / one.name).symlink_to(one)


def add_crowd(site: PluginSite, dists: Iterable[str]) -> None:
    """Install foreign plugins."""
    before = {
        "crowd-broken": "import surely_not_there",
        "crowd-slow": f"import time; time.sleep({SLEEP})",
    }
    for dist in dists:
        name = NAMES[dist]
        site.add(dist, plugin_code(name, before=before.get(dist, "")), offers=[name])


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Links to all that is installed, but this project's plugins."""
    return link_installed(tmp_path_factory.mktemp("crowd") / "installed")


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> PluginSite:
    """LOCAL among fifty others."""
    made = PluginSite(tmp_path_factory.mktemp("crowd"), installed)
    (made.plugins / "tiny_backend.py").write_text(TINY, "utf-8")
    install_local(made)
    add_crowd(made, NAMES)
    return made


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> PluginSite:
    """LOCAL, and nothing else."""
    made = PluginSite(tmp_path_factory.mktemp("alone"), installed)
    install_local(made)
    return made


def modules(site: PluginSite, *arguments: str) -> set[str]:
    """What is loaded when a command has ended well."""
    return set(site.python(MODULES.format(arguments=list(arguments))).splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["vector", "a text"]], ids=" ".join)
def test_choosing_local_imports_none_of_the_crowd(
    crowd: PluginSite, alone: PluginSite, arguments: list[str]
) -> None:
    """With fifty others installed the very same modules are loaded as without them."""
    loaded = modules(crowd, *arguments)
    assert ("ellmental_embeddings_local" in loaded) == (arguments[0] == "vector")
    assert {name for name in loaded if name.startswith("crowd_")} == set()
    assert loaded == modules(alone, *arguments)


def test_an_import_of_one_of_the_crowd_would_be_seen(crowd: PluginSite) -> None:
    """The rule can fail: listing imports the good ones."""
    loaded = modules(crowd, "generators", "--json")
    assert {"crowd_7", "crowd_slow", "ellmental_embeddings_local"} <= loaded


def test_listing_reports_all_three_troubles(crowd: PluginSite) -> None:
    """Broken, slow, claimed twice: which dist, what is the matter, and what to do about it."""
    ran = crowd.run("generators", env={"TINY_KEY": KEY})
    assert ran.returncode == 0
    assert len(ran.stdout.splitlines()) == 1 + len(NAMES) + 1
    told = ran.stderr
    assert "Traceback" not in told
    assert (
        "BROKEN: crowd-broken is broken: crowd_broken does not import (ModuleNotFoundError: No "
        "module named 'surely_not_there'). Reinstall it, tell its authors, or name it in "
        "EMBEDDING_PLUGINS_BLOCKED."
    ) in told
    assert "SLOW: crowd-slow took " in told
    said = told.partition("SLOW: crowd-slow took ")[2]
    assert float(said.partition(" s to import")[0]) >= SLEEP
    assert "Tell its authors" in said
    assert "EMBEDDING_PLUGINS_BLOCKED" in said
    twice = "crowd-one and crowd-two both claim TWIN. Uninstall one, or name it in "
    assert told.count(f"TWIN: {twice}EMBEDDING_PLUGINS_BLOCKED.") == 1


def test_listing_for_programs_has_states_and_warnings(crowd: PluginSite) -> None:
    """The slow one works: it is ready, with a warning; nothing that is broken is."""
    ran = crowd.run("generators", "--json", env={"TINY_KEY": KEY})
    listed = json.loads(ran.stdout)
    states = {status["dist"]: status["state"] for status in listed}
    broken = {"crowd-broken", "crowd-one", "crowd-two"}
    assert {dist for dist, state in states.items() if state == "broken"} == broken
    assert states["crowd-slow"] == states["ellmental-embeddings-local"] == "ready"
    warnings = {status["dist"]: status["warning"] for status in listed}
    assert warnings["crowd-slow"]
    assert not any(warnings[dist] for dist in broken)


def test_the_doctor_names_all_three_and_still_tries_local(crowd: PluginSite) -> None:
    """What is the matter with others does not fail the check of what was chosen."""
    ran = crowd.run("doctor", env={"TINY_KEY": KEY})
    assert ran.returncode == 0, ran.stderr
    assert "BAD  BROKEN: crowd-broken 1.2, broken: crowd-broken is broken" in ran.stdout
    assert "--   SLOW: crowd-slow took " in ran.stdout
    assert ran.stdout.count("both claim TWIN") == 2
    assert "width: 384 dimensions" in ran.stdout


def test_choosing_the_name_that_is_claimed_twice_tells_the_remedy(crowd: PluginSite) -> None:
    """An error that names both; with one of them blocked the other is chosen."""
    blocked = {"EMBEDDING_PLUGINS_BLOCKED": "crowd-one"}
    ((kind, message), settled), _ = choose_each(crowd, ("TWIN", {}), ("TWIN", blocked))
    assert kind == "PluginError"
    assert message == (
        "crowd-one and crowd-two both claim the generator TWIN. Uninstall one, or name it in "
        "EMBEDDING_PLUGINS_BLOCKED."
    )
    assert settled == ("TWIN", "crowd-two")
