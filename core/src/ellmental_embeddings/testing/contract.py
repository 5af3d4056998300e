"""GeneratorContract: every check, in one class to be subclassed."""

from __future__ import annotations

from .checks.answers import AnswerChecks
from .checks.installed import InstalledChecks
from .checks.life import LifeChecks
from .checks.limits import LimitChecks
from .checks.passing import PassingChecks
from .checks.refusals import RefusalChecks
from .checks.roles import RoleChecks
from .checks.texts import TextChecks
from .checks.vectors import VectorChecks
from .checks.whole import WholeChecks

__all__ = ["GeneratorContract"]


class GeneratorContract(
    InstalledChecks,
    VectorChecks,
    TextChecks,
    LimitChecks,
    RoleChecks,
    LifeChecks,
    AnswerChecks,
    RefusalChecks,
    PassingChecks,
    WholeChecks,
):
    """The contract of a generator. Subclass it as ``Test...``, and say how yours is set up.

    ::

        class TestAcme(GeneratorContract):
            def settings(self):
                return {"EMBEDDING_GENERATOR": "ACME", "ACME_KEY": "test",
                        "ACME_URL": self.server.url}

            def texts_of(self, request):
                return request.json["texts"] if request.path == "/embed" else None

            def reply(self, request, rows):
                return {"vectors": [row.vector for row in rows]}

    Without ``texts_of`` and ``reply`` the generator is taken for one that makes its vectors
    itself. What does not apply is skipped, and listed in the summary as not proven. A check
    that cannot hold is overridden with ``@pytest.mark.xfail(reason="...")``; without a reason
    the contract fails.
    """
