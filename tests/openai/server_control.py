"""The stand-in's remote control, for tests in another process: faults in, bill out.

``POST /-/fail {"name": "rate_limited", "times": 2, "after": 1}``, ``POST /-/fail {"when":
"poison", "name": "nan"}``, ``POST /-/fail {"share": 0.05, "ways": [["nan", {}]], "seed": 1}``,
``POST /-/settle`` (the account; the bill begins anew), ``POST /-/forget``, ``GET /-/bill``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from server_bill import Account
from server_http import Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from openai_server import OpenAIServer
    from server_script import Way

__all__ = ["ServerProcess", "control"]


def control(server: OpenAIServer, request: Request) -> Response:
    """Do what a request to ``/-/...`` says."""
    said: dict[str, Any] = json.loads(request.body or b"{}")
    try:
        match request.method, request.path:
            case "POST", "/-/fail" if "when" in said:
                server.script.when(said.pop("when"), said.pop("name"), **said)
            case "POST", "/-/fail" if "share" in said:
                server.script.some(said["share"], said["ways"], seed=said["seed"])
            case "POST", "/-/fail":
                server.script.next(said.pop("name"), **said)
            case "POST", "/-/forget":
                server.forget()
            case "POST", "/-/settle":
                account = asdict(server.bill.account())
                server.bill.forget()
                return json_response(200, account)
            case "GET", "/-/bill":
                return json_response(200, _bill(server))
            case _:
                return json_response(404, {"error": f"no control {request.path}"})
    except (KeyError, TypeError, ValueError) as error:
        return json_response(400, {"error": str(error)})
    return json_response(200, {"pending": server.script.pending})


def _bill(server: OpenAIServer) -> dict[str, object]:
    bill = server.bill
    return {
        "paid": dict(bill.paid),
        "wasted": dict(bill.wasted),
        "requests": [asdict(seen) for seen in bill.requests],
        "most_in_flight": server.most_in_flight,
    }


class ServerProcess:
    """The stand-in as a process of its own, from ``with`` to its end.

    Attributes:
        url, origin, key: as of OpenAIServer.
    """

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments

    def __enter__(self) -> Self:
        script = Path(__file__).with_name("openai_server.py")
        self._process = subprocess.Popen(
            [sys.executable, script, *self._arguments], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        said = json.loads(self._process.stdout.readline())
        self.url: str = said["url"]
        self.origin: str = said["origin"]
        self.key: str = said["key"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def fail(self, name: str, **arguments: object) -> None:
        """The next request meets a fault; or ``when="poison"``: all with that text in it."""
        self._call("fail", {"name": name, **arguments})

    def fail_some(self, share: float, ways: Sequence[Way], *, seed: int = 0) -> None:
        """A share of the requests meets a fault; as of Script.some."""
        self._call("fail", {"share": share, "ways": ways, "seed": seed})

    def settle(self) -> Account:
        """What was billed and why; the bill begins anew."""
        return Account(**self._call("settle", {}))

    def forget(self) -> None:
        """As new."""
        self._call("forget", {})

    def bill(self) -> dict[str, Any]:
        """What was paid, what of it was wasted, and the requests."""
        return self._call("bill", None)

    def paid(self) -> Counter[str]:
        """Texts paid for, without the wasted ones."""
        bill = self.bill()
        return Counter(bill["paid"]) - Counter(bill["wasted"])

    def _call(self, what: str, said: object) -> dict[str, Any]:
        data = None if said is None else json.dumps(said).encode()
        asked = urllib.request.Request(f"{self.origin}/-/{what}", data)
        with urllib.request.urlopen(asked, timeout=10) as reply:
            answer: dict[str, Any] = json.load(reply)
        return answer
