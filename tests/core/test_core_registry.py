"""Discovery as it really is: which plugin is chosen, and that no other is imported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from plugin_site import (
    KEY,
    TINY,
    PluginSite,
    announce,
    choose,
    choose_each,
    link_installed,
    listed,
    plugin_code,
)

from ellmental_embeddings import GeneratorNotFound, GeneratorSpec, load_generator
from ellmental_embeddings.registry import canonical

if TYPE_CHECKING:
    from pathlib import Path


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


# Choosing one


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> PluginSite:
    """Fifty good plugins, and one of every kind that is trouble."""
    made = PluginSite(tmp_path_factory.mktemp("crowd"), installed)
    (made.plugins / "tiny_backend.py").write_text(TINY, "utf-8")
    for number in range(50):
        made.add(f"crowd-{number}", plugin_code(f"GOOD{number}"), offers=[f"GOOD{number}"])
    made.add("bad-import", "import surely_not_there\n", offers=["IMPORT"])
    made.add("bad-exit", "raise SystemExit(7)\n", offers=["EXIT"])
    made.add("bad-syntax", "def (:\n", offers=["SYNTAX"])
    made.add("bad-slow", plugin_code("SLOW", before="import time; time.sleep(1)"), offers=["SLOW"])
    made.add("bad-twin-a", plugin_code("TWIN"), offers=["TWIN"])
    made.add("bad-twin-b", plugin_code("TWIN"), offers=["TWIN"])
    made.add("bad-point", "", entry_points="[ellmental_embeddings]\nPOINT = not valid!\n")
    made.add(
        "bad-hook-exit",
        "from ellmental_embeddings import hookimpl\n\n@hookimpl\n"
        "def ellmental_generators():\n    raise SystemExit('gone')\n",
        offers=["HOOK_EXIT"],
    )
    return made


def test_choosing_one_generator_imports_only_its_plugin(crowd: PluginSite) -> None:
    """Of 58 plugins, some of them broken, one is imported: the chosen one."""
    name, dist, modules = choose(crowd, "good7")
    assert (name, dist) == ("GOOD7", "crowd-7")
    assert {module for module in modules if module.startswith(("crowd_", "bad_"))} == {"crowd_7"}


def test_listing_reports_every_trouble_and_every_good_one(crowd: PluginSite) -> None:
    """``ellmental generators`` lists all 58 with their states, the reasons on stderr, exit 0."""
    ran = crowd.run("generators", "--json", env={"TINY_KEY": KEY})
    assert ran.returncode == 0, ran.stderr
    found = {(status["name"], status["dist"]): status for status in json.loads(ran.stdout)}
    good = {(f"GOOD{number}", f"crowd-{number}") for number in range(50)}
    assert {key for key, status in found.items() if status["state"] == "ready"} == {
        *good,
        ("SLOW", "bad-slow"),
    }
    reasons = {key[1]: status["reason"] for key, status in found.items() if status["reason"]}
    assert set(reasons) == {
        "bad-import",
        "bad-exit",
        "bad-syntax",
        "bad-twin-a",
        "bad-twin-b",
        "bad-point",
        "bad-hook-exit",
    }
    assert "ModuleNotFoundError: No module named 'surely_not_there'" in reasons["bad-import"]
    assert "SystemExit: 7" in reasons["bad-exit"]
    assert "SyntaxError" in reasons["bad-syntax"]
    assert "bad-twin-a and bad-twin-b both claim TWIN" in reasons["bad-twin-b"]
    assert "does not import" in reasons["bad-point"]
    assert "SystemExit: gone" in reasons["bad-hook-exit"]


def test_listing_for_people_says_why_on_stderr(crowd: PluginSite) -> None:
    """The table is on stdout, one line a plugin; the reasons are on stderr."""
    ran = crowd.run("generators", env={"TINY_KEY": KEY})
    assert ran.returncode == 0
    assert len(ran.stdout.splitlines()) == 59
    assert "IMPORT: bad-import is broken: bad_import does not import" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_choosing_a_broken_plugin_names_its_dist_and_the_remedy(crowd: PluginSite) -> None:
    """Who asks for the broken one reads which dist it is, what happened and what to do."""
    cases = {
        "IMPORT": ("bad-import", "No module named 'surely_not_there'"),
        "EXIT": ("bad-exit", "SystemExit: 7"),
        "HOOK_EXIT": ("bad-hook-exit", "its ellmental_generators raised (SystemExit: gone)"),
    }
    found, _ = choose_each(crowd, *((name, {}) for name in cases))
    for (name, (dist, said)), (kind, message) in zip(cases.items(), found, strict=True):
        assert kind == "PluginError"
        assert message.startswith(f"{name}: {dist} is broken: ")
        assert said in message
        assert "Reinstall it, tell its authors" in message


# Two that claim one name


def test_two_dists_with_one_name_are_an_error_that_names_both(site: PluginSite) -> None:
    """Nothing is chosen by the order of installation; blocking one settles it."""
    site.add("acme-one", plugin_code("ACME"), offers=["ACME"])
    site.add("acme-two", plugin_code("ACME"), offers=["ACME"])
    blocked = {"EMBEDDING_PLUGINS_BLOCKED": "acme-one"}
    ((kind, message), settled), _ = choose_each(site, ("ACME", {}), ("ACME", blocked))
    assert settled == ("ACME", "acme-two")
    assert kind == "PluginError"
    assert message == (
        "acme-one and acme-two both claim the generator ACME. Uninstall one, or name it in "
        "EMBEDDING_PLUGINS_BLOCKED."
    )
    states = listed(site, EMBEDDING_PLUGINS_BLOCKED="acme-one")
    assert states["ACME", "acme-one"]["state"] == "blocked"
    assert states["ACME", "acme-two"]["state"] == "ready"


def test_fork_with_the_same_module_is_named_too(site: PluginSite) -> None:
    """Two dists that bring one and the same module claim its name both."""
    site.add("acme", plugin_code("ACME"), offers=["ACME"], module="acme_module")
    site.add("acme-fork", plugin_code("ACME"), offers=["ACME"], module="acme_module")
    kind, message, _ = choose(site, "ACME")
    assert kind == "PluginError"
    assert "acme and acme-fork both claim the generator ACME" in message


def test_one_dist_that_offers_a_name_twice(site: PluginSite) -> None:
    """The message does not speak of two dists where there is one."""
    code = plugin_code("ACME").replace("return [", "return 2 * [")
    site.add("acme", code, offers=["ACME"])
    assert "acme claims twice the generator ACME." in choose(site, "ACME")[1]
    assert listed(site)["ACME", "acme"]["state"] == "broken"


def test_good_plugin_is_used_beside_a_broken_one_of_its_name(site: PluginSite) -> None:
    """What cannot be imported claims nothing; the listing shows both as they are."""
    site.add("acme-good", plugin_code("ACME"), offers=["ACME"])
    site.add("acme-bad", "import surely_not_there", offers=["ACME"])
    assert choose(site, "ACME")[:2] == ("ACME", "acme-good")
    states = {key: status["state"] for key, status in listed(site).items()}
    assert states == {("ACME", "acme-good"): "ready", ("ACME", "acme-bad"): "broken"}


# Variants


@pytest.fixture
def variants(site: PluginSite) -> PluginSite:
    """OPENAI in two variants, as the openai and azure dists bring it."""
    for kind in ("openai", "azure"):
        code = plugin_code("OPENAI", variant=("OPENAI_TYPE", kind))
        site.add(f"made-up-{kind}", code, offers=["OPENAI"])
    return site


def test_variable_chooses_the_variant(variants: PluginSite) -> None:
    """Case does not count; without the variable it is the variant that is called like the name."""
    values = [None, "", "openai", "azure", " AZURE "]
    cases = [("OPENAI", {} if value is None else {"OPENAI_TYPE": value}) for value in values]
    found, _ = choose_each(variants, *cases)
    assert found == [
        ("OPENAI (OPENAI_TYPE=openai)", "made-up-openai"),
        ("OPENAI (OPENAI_TYPE=openai)", "made-up-openai"),
        ("OPENAI (OPENAI_TYPE=openai)", "made-up-openai"),
        ("OPENAI (OPENAI_TYPE=azure)", "made-up-azure"),
        ("OPENAI (OPENAI_TYPE=azure)", "made-up-azure"),
    ]


def test_same_variant_twice_hurts_only_who_asks_for_it(variants: PluginSite) -> None:
    """Two dists with one variant are an error that names both; the other variant works."""
    code = plugin_code("OPENAI", variant=("OPENAI_TYPE", "Azure"))
    variants.add("other-azure", code, offers=["OPENAI"])
    azure = {"OPENAI_TYPE": "azure"}
    (refused, good), _ = choose_each(variants, ("OPENAI", azure), ("OPENAI", {}))
    assert refused[0] == "PluginError"
    assert "made-up-azure and other-azure both claim the generator OPENAI (" in refused[1]
    assert good[1] == "made-up-openai"
    states = {dist: status["state"] for (_, dist), status in listed(variants).items()}
    assert states == {
        "made-up-openai": "ready",
        "made-up-azure": "broken",
        "other-azure": "broken",
    }


def test_name_and_a_variant_of_it_are_a_conflict(variants: PluginSite) -> None:
    """A dist that claims OPENAI whatever the variable says claims every variant too."""
    variants.add("plain-openai", plugin_code("OPENAI"), offers=["OPENAI"])
    kind, message, _ = choose(variants, "OPENAI", OPENAI_TYPE="azure")
    assert kind == "PluginError"
    assert "made-up-azure and made-up-openai and plain-openai both claim" in message


def test_missing_variant_says_what_is_installed_and_what_to_install(site: PluginSite) -> None:
    """OPENAI without the azure dist: the remedy is one pip install."""
    code = plugin_code("OPENAI", variant=("OPENAI_TYPE", "openai"))
    site.add("made-up-openai", code, offers=["OPENAI"])
    ((kind, azure), (_, bing)), _ = choose_each(
        site, ("OPENAI", {"OPENAI_TYPE": "azure"}), ("OPENAI", {"OPENAI_TYPE": "bing"})
    )
    assert kind == "GeneratorNotFound"
    assert azure.splitlines() == [
        "OPENAI_TYPE=azure: no installed plugin offers it. Installed: openai (made-up-openai).",
        "Install it with: pip install ellmental-embeddings-azure",
    ]
    assert bing.splitlines()[1:] == [
        "For openai: pip install ellmental-embeddings-openai",
        "For azure: pip install ellmental-embeddings-azure",
    ]


def test_describing_a_name_whose_variant_is_missing_says_so(site: PluginSite) -> None:
    """``ellmental generators OPENAI`` does not call ready what could not be loaded."""
    code = plugin_code("OPENAI", variant=("OPENAI_TYPE", "azure"))
    site.add("made-up-azure", code, offers=["OPENAI"])
    ran = site.run("generators", "openai", "--json", env={"TINY_KEY": KEY})
    status = json.loads(ran.stdout)
    assert (status["label"], status["state"]) == ("OPENAI (OPENAI_TYPE=azure)", "not ready")
    assert "pip install ellmental-embeddings-openai" in status["reason"]


# Blocking


def test_blocked_dist_is_not_imported(site: PluginSite) -> None:
    """Names are compared as PyPI does; the error says that it is blocked, and by what."""
    site.add("my-dist-name", plugin_code("ACME"), offers=["ACME"])
    spellings = ["My.Dist_Name", "my-dist-name", " MY--DIST__NAME ", "other, my.dist.name,"]
    cases = [("ACME", {"EMBEDDING_PLUGINS_BLOCKED": spelled}) for spelled in spellings]
    found, modules = choose_each(site, *cases)
    message = "ACME: my-dist-name is blocked by EMBEDDING_PLUGINS_BLOCKED."
    assert found == [("PluginError", message)] * len(spellings)
    assert "my_dist_name" not in modules


def test_canonical_folds_like_pypi() -> None:
    """Runs of ``-_.`` are one ``-``, and case does not count."""
    assert canonical(" A.b__C-.-d ") == "a-b-c-d"


# Names that are not there


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("TINNY", ["Installed: OTHER, TINY.", "Did you mean TINY?"]),
        (
            "OPENAI",
            [
                "Installed: OTHER, TINY.",
                "Install it with: pip install ellmental-embeddings-openai",
            ],
        ),
        (
            "SPACES_TXT",
            [
                "Installed: OTHER, TINY.",
                (
                    "Did you mean SPACES_TEXT? Install it with: "
                    "pip install ellmental-embeddings-spaces"
                ),
            ],
        ),
        (
            "QQQQQQ",
            [
                "Installed: OTHER, TINY.",
                (
                    "Choose one of these with EMBEDDING_GENERATOR, or install the plugin that "
                    "offers QQQQQQ: pip install its-name. `ellmental generators` lists what is "
                    "installed."
                ),
            ],
        ),
    ],
)
def test_unknown_generator_lists_what_is_installed_and_the_nearest(
    monkeypatch: pytest.MonkeyPatch, name: str, lines: list[str]
) -> None:
    """The error lists what is there, the nearest name and what to install; imports nothing."""
    announce(monkeypatch, ("TINY", "surely_not_there", "tiny"), ("other", "nor_this", "other"))
    with pytest.raises(GeneratorNotFound) as caught:
        load_generator(name.lower())
    first, *rest = str(caught.value).splitlines()
    assert first == f"No installed plugin offers the generator {name}."
    assert rest == lines


def test_unknown_generator_with_nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy is there even where nothing is."""
    announce(monkeypatch)
    with pytest.raises(GeneratorNotFound) as caught:
        load_generator("QQQQQQ")
    assert str(caught.value).splitlines()[1:] == [
        "Installed: none.",
        "Install one with: pip install ellmental-embeddings-local",
    ]


@pytest.mark.parametrize("name", ["", "  "])
def test_blank_generator_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """``load_generator("")`` does not mean whatever else is set."""
    announce(monkeypatch, ("TINY", "surely_not_there", "tiny"))
    monkeypatch.setenv("EMBEDDING_GENERATOR", "TINY")
    with pytest.raises(GeneratorNotFound, match=r"is blank: name a generator\. Installed: TINY\."):
        load_generator(name)


def test_unset_generator_without_local_guesses_nothing(site: PluginSite) -> None:
    """With LOCAL not installed, the error lists what is, though it is but one."""
    site.add("ellmental-tiny", plugin_code("TINY"), offers=["TINY"])
    ((kind, message),), modules = choose_each(site, (None, {}))
    assert kind == "ConfigurationError"
    assert message == (
        "EMBEDDING_GENERATOR is not set, and its default LOCAL is not installed. Installed: TINY. "
        "Set EMBEDDING_GENERATOR to one of them, or install the default with: "
        "pip install ellmental-embeddings-local"
    )
    assert "ellmental_tiny" not in modules


# What a spec says of itself


def test_label_of_a_spec_shows_its_variant() -> None:
    """People read ``OPENAI (OPENAI_TYPE=azure)``; without a variant the name alone."""
    spec = GeneratorSpec(name="A", summary="", settings="a:b", backend="a:c")
    assert spec.label == "A"
    variant = GeneratorSpec(name="A", summary="", settings="", backend="", variant=("T", "x"))
    assert variant.label == "A (T=x)"
