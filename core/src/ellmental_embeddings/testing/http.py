"""What checks over the fault server are made of: one fault, seen bare and through the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..backend import Batch, Reply
from ..errors import EmbeddingError, EmbeddingFailed
from .base import fail
from .compare import ComparingBase
from .vectors import Row

if TYPE_CHECKING:
    from ..result import Usage
    from .faults import Fault

__all__ = ["HttpBase"]

_OURS = (
    "catch what your client and your parser raise, and raise the error of "
    "ellmental_embeddings that is true: docs/how-to/write-a-generator.md has the table."
)


class HttpBase(ComparingBase):
    """One fault and what becomes of it."""

    def indexed(self) -> bool:
        """Whether the protocol says which row belongs to which text."""
        request = self.server.requests[-1]
        ones, twos = (0.5,) * self.server.width, (0.25,) * self.server.width
        straight = self.reply(request, [Row(0, ones), Row(1, twos)])
        crossed = self.reply(request, [Row(1, ones), Row(0, twos)])
        return straight != crossed

    def keyed(self) -> bool:
        """Whether a row stands under its index, so that a second one would take its place."""
        request = self.server.requests[-1]
        one, other = (Row(0, (number,) * self.server.width) for number in (0.5, 0.25))
        return self.reply(request, [one, other]) == self.reply(request, [other, other])

    def raised(self, fault: Fault, *, within: float = 30.0) -> BaseException | Reply:
        """What the backend by itself makes of a fault, after one request that went well."""
        texts = tuple(self.sample[:4])
        with self.bare() as bare:
            batch = Batch(texts, instruction=self.native_instruction(bare.backend))
            bare.ask(batch, within=within)
            self.server.always(fault)
            try:
                return bare.ask(batch, within=within)
            except Exception as error:  # noqa: BLE001 - whatever it is, is the finding
                return error
            finally:
                self.server.always(None)

    def must_be(self, fault: Fault, *kinds: type[BaseException]) -> BaseException:
        """The backend's error for a fault, which must be of one of these kinds."""
        found = self.raised(fault)
        wanted = " or ".join(kind.__name__ for kind in kinds)
        if isinstance(found, Reply):
            fail(f"{fault.name}: it returns a reply as if all were well", f"raise {wanted}.")
        if not isinstance(found, kinds):
            fail(f"{fault.name}: it raises {type(found).__name__}: {found}", f"raise {wanted}.")
        return found

    def healed(self, *faults: Fault, **settings: Any) -> Usage:
        """Some of fifteen requests meet a fault: in the end every row is right."""
        texts = [f"{text} ({number})" for number in range(5) for text in self.sample]
        generator = self.load(BATCH_SIZE=4, **settings)
        self.embed(generator, self.sample[:2])
        self.server.forget()
        self.server.next(*faults)
        try:
            result = self.embed(generator, texts)
        except EmbeddingError as error:
            self.refuse_leaks(error)
            about = f"{faults[0].name}, once: the call fails with {type(error).__name__}: {error}"
            about += f" ({', '.join(sorted(kind.__name__ for kind in self.kinds_in(error)))})"
            fail(about, "raise Unavailable, RateLimited or BadReply: they are sent again.")
        self.right(result.vectors, texts, f"after {faults[0].name}")
        self.refuse_leaks()
        return result.usage

    def ends(self, fault: Fault, **settings: Any) -> EmbeddingError:
        """What a user sees whose every request meets a fault."""
        generator = self.load(BATCH_SIZE=4, **settings)
        self.server.forget()
        self.server.always(fault)
        found: Exception | None = None
        try:
            self.embed(generator, self.sample[:4])
        except Exception as error:  # noqa: BLE001 - whatever it is, is the finding
            found = error
        finally:
            self.server.always(None)
        if found is None:
            fail(f"{fault.name}, at every request: no error", "believe no reply that is none.")
        if not isinstance(found, EmbeddingError):
            fail(f"{fault.name}: the user sees {type(found).__name__}: {found}", _OURS)
        self.refuse_leaks(found)
        return found

    def kinds_in(self, error: EmbeddingError) -> set[type[EmbeddingError]]:
        """The error's class, or those of the single texts it is about."""
        if isinstance(error, EmbeddingFailed):
            return {type(each) for each in error.result.failed.values()}
        return {type(error)}

    def once_each(self, usage: Usage) -> None:
        """Fail where more requests came to the server than the engine sent."""
        if len(self.server.asked) != usage.requests:
            fail(
                f"the engine sent {usage.requests} requests, {len(self.server.asked)} came",
                "retry nothing: switch the retries of your SDK or HTTP client off "
                "(max_retries=0). The engine repeats, and two owners of retries multiply.",
            )
