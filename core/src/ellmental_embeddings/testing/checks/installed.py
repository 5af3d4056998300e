"""The plugin as it is found, imported, described and configured."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache

from ...errors import ConfigurationError, EmbeddingError
from ..base import ContractBase, fail
from ..commandline import run_ellmental

__all__ = ["InstalledChecks"]

_MOST_MODULES = 40
"""What a plugin's declaration may import beside the core: itself, and a little of the standard
library. numpy alone is 140, an SDK several hundred."""

_SOUNDS_SECRET = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD|PASSPHRASE|CREDENTIALS?)(_|$)")

_DECLARED = "import ellmental_embeddings.registry, {module}"
_SETTINGS = "import numpy, ellmental_embeddings.registry, ellmental_embeddings.settings, {module}"
_BASE = "ellmental_embeddings"


class InstalledChecks(ContractBase):
    """What is seen of the plugin before any text is sent."""

    def test_entry_point_leads_to_the_generator(self) -> None:
        """EMBEDDING_GENERATOR alone chooses it: entry point, hook and spec agree."""
        spec = self.offer.spec
        if spec.name != spec.name.upper():
            fail(f"the name {spec.name!r} is not in capitals", "write it in capitals.")
        if not spec.summary or "\n" in spec.summary or len(spec.summary) > 100:  # noqa: PLR2004
            fail(
                f"the summary is {spec.summary!r}",
                "say in one line of at most 100 characters what makes the vectors.",
            )
        loaded = self.load()
        if loaded.dist != self.offer.dist:
            fail(f"it comes from {loaded.dist}", f"uninstall {loaded.dist}.")

    def test_declaring_is_light(self) -> None:
        """``ellmental generators`` imports every plugin: none may bring an SDK or numpy along."""
        self._refuse_weight(
            _DECLARED.format(module=_module_of_entry_point(self.name, self.offer.dist)),
            _DECLARED.format(module=_BASE),
            _MOST_MODULES,
            "keep the module that the entry point leads to free of imports beside "
            "ellmental_embeddings; the spec names settings and backend as strings, and an SDK is "
            "imported in the backend.",
        )

    def test_settings_are_light(self) -> None:
        """``ellmental config`` imports the settings: they need pydantic, and no SDK."""
        self._refuse_weight(
            _SETTINGS.format(module=self.offer.spec.settings.partition(":")[0]),
            _SETTINGS.format(module=_BASE),
            _MOST_MODULES,
            "keep the settings in a module of their own, apart from the backend and its SDK.",
        )

    def _refuse_weight(self, code: str, without: str, most: int, mend: str) -> None:
        own = re.split("[.:]", self.offer.spec.settings)[0]
        loaded = _modules(code) - _modules(without)
        tops = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - {own}
        foreign = sorted(top for top in tops if not top.startswith(("ellmental_", "_")))
        if foreign:
            fail(f"`{code}` imports {', '.join(foreign)}", mend)
        if len(loaded) > most:
            fail(f"`{code}` imports {len(loaded)} modules, more than {most}", mend)

    def test_ellmental_generators_describes_it(self) -> None:
        """A user reads there what it is, that it is ready, and what each variable means."""
        printed = run_ellmental("generators", "--json")
        mine = [row for row in json.loads(printed.stdout) if row["name"] == self.name]
        rows = [row for row in mine if row["dist"] == self.offer.dist]
        if not rows:
            fail(f"`ellmental generators` does not list {self.name}", "see the entry point.")
        described = json.loads(run_ellmental("generators", self.name, "--json").stdout)
        if described["state"] != "ready":
            fail(
                f"with your settings() it is {described['state']}: {described['reason']}",
                "return from settings() all that it needs.",
            )
        silent = [row["name"] for row in described["variables"] if not row["meaning"].strip()]
        if silent:
            fail(
                f"nobody is told what {', '.join(silent)} means",
                "give each field of the settings a description: Field(description=...).",
            )

    def test_every_missing_setting_is_named(self) -> None:
        """Who forgets a variable is told its name, and all missing ones at once."""
        variable = self.offer.spec.variant[0] if self.offer.spec.variant else ""
        mine = [
            name
            for name in self._variables
            if not name.startswith(("EMBEDDING_", "BATCH_SIZE")) and name != variable
        ]
        if (said := self._complaint([])) is not None:
            fail(f"with all of settings() set: {said}", "return from settings() all it needs.")
        needed = [name for name in mine if self._complaint([name]) is not None]
        for name in needed:
            self._refuse_silence([name], [name])
        self._refuse_silence(mine, needed)

    def _refuse_silence(self, without: list[str], needed: list[str]) -> None:
        said = self._complaint(without) or ""
        unnamed = [name for name in needed if name not in said]
        if unnamed:
            fail(
                f"without {', '.join(without)} the user reads: {said or 'nothing'!r}. It does "
                f"not name {', '.join(unnamed)}",
                "make it a field without a default of your BackendSettings; where it is needed "
                "only sometimes, raise ConfigurationError with its name in it.",
            )

    def _complaint(self, without: list[str]) -> str | None:
        """What a user is told who has not set some variables; None where it works all the same."""
        from ... import load_generator

        with self._monkeypatch.context() as changed:
            for name in without:
                changed.delenv(name, raising=False)
            try:
                load_generator().close()
            except ConfigurationError as error:
                if "Traceback" in str(error) or "is broken" in str(error):
                    fail(
                        f"without {', '.join(without) or 'nothing'}: {error}",
                        "read all variables through your BackendSettings, and raise nothing but "
                        "ConfigurationError from the backend's __init__.",
                    )
                return str(error)
            except Exception as error:  # noqa: BLE001 - that is the finding
                fail(
                    f"without {', '.join(without)}: {type(error).__name__}: {error}",
                    "read all variables through your BackendSettings, and raise nothing but "
                    "ConfigurationError from the backend's __init__.",
                )
        return None

    def test_secrets_are_masked(self) -> None:
        """No key shows in a repr, in ``ellmental config`` or in ``ellmental generators``."""
        rows = self.listed_variables()
        bare = [row.name for row in rows if _SOUNDS_SECRET.search(row.name) and not row.secret]
        if bare:
            fail(
                f"{', '.join(bare)}: shown to whoever looks at the settings",
                "declare keys, tokens and passwords as pydantic.SecretStr.",
            )
        generator = self.load()
        shown = [repr(generator), repr(generator.settings), str(generator.settings)]
        for arguments in (("config",), ("config", "--json"), ("generators", self.name)):
            ran = run_ellmental(*arguments)
            shown += [ran.stdout, ran.stderr]
        backend = generator._engine.backend  # noqa: SLF001 - tracebacks with locals show it
        shown += [repr(backend), str(backend)]
        self.refuse_leaks(also="\n".join(shown))
        if not self.secrets:
            self.not_proven("settings() sets no secret, so that none can show")

    def test_unusable_dimensions_are_refused_or_made(self) -> None:
        """EMBEDDING_DIMENSIONS is obeyed, or refused by its name; never ignored."""
        try:
            generator = self.load(EMBEDDING_DIMENSIONS=5)
            width = self.embed(generator, self.sample[:2]).dimensions
        except EmbeddingError as error:
            if "EMBEDDING_DIMENSIONS" not in str(error):
                fail(
                    f"with EMBEDDING_DIMENSIONS=5 the user reads: {error}",
                    "raise ConfigurationError that names the variable, from the backend's "
                    "__init__ where the width is known there.",
                )
            return
        if width != 5:  # noqa: PLR2004 - as asked for above
            fail(f"EMBEDDING_DIMENSIONS=5 gives vectors of {width}", "pass it on, or refuse it.")


def _module_of_entry_point(name: str, dist: str) -> str:
    from importlib_metadata import entry_points

    points = [point for point in entry_points(group=_BASE) if point.name.upper() == name]
    mine = [point for point in points if point.dist is not None and point.dist.name == dist]
    return str((mine or points)[0].module)


@cache
def _modules(code: str) -> frozenset[str]:
    """The modules that a program has loaded at its end, in a fresh process."""
    program = f"import sys; sys.path[:0] = {sys.path!r}; {code}; print(*sys.modules)"
    ran = subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    if ran.returncode:
        fail(f"`{code}` ends with: {ran.stderr.strip()[-500:]}", "make it import.")
    return frozenset(ran.stdout.splitlines()[-1].split())
