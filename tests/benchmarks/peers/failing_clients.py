"""One client, given texts and a service that goes wrong, as its documentation uses it.

    python failing_clients.py CLIENT URL < TEXTS     prints the first number of each row, as JSON

Runs in the client's own environment, in a process of its own. BATCH texts a request are asked for
where a client lets its user say so; everything else is as it comes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BATCH = 50
MODEL = "text-embedding-3-small"
KEY = "sk-made-up-for-the-benchmark"


def ours(url: str, texts: list[str]) -> Iterable[Any]:
    """``embed``, keeping what failed as NaN rows."""
    settings = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY, "OPENAI_MODEL": MODEL}
    package = import_module("ellmental_embeddings")
    with package.load_generator("OPENAI", BATCH_SIZE=BATCH, **settings) as generator:
        return list(generator.embed(texts, on_error="keep").vectors)


def openai(url: str, texts: list[str]) -> Iterable[Any]:
    """One request: splitting is its caller's."""
    client = import_module("openai").OpenAI(base_url=url, api_key=KEY)
    answer = client.embeddings.create(model=MODEL, input=texts)
    return [item.embedding for item in answer.data]


def langchain(url: str, texts: list[str]) -> Iterable[Any]:
    """``aembed_documents``; counting tokens is off, since it would download a vocabulary."""
    model = import_module("langchain_openai").OpenAIEmbeddings(
        model=MODEL,
        base_url=url,
        api_key=KEY,
        chunk_size=BATCH,
        check_embedding_ctx_length=False,
    )
    rows: list[Any] = asyncio.run(model.aembed_documents(texts))
    return rows


def llama_index(url: str, texts: list[str]) -> Iterable[Any]:
    """``aget_text_embedding_batch``; its retries set to 3."""
    model = import_module("llama_index.embeddings.openai").OpenAIEmbedding(
        model=MODEL, api_base=url, api_key=KEY, embed_batch_size=BATCH, max_retries=3
    )
    rows: list[Any] = asyncio.run(model.aget_text_embedding_batch(texts))
    return rows


def haystack(url: str, texts: list[str]) -> Iterable[Any]:
    """``OpenAIDocumentEmbedder.run_async``."""
    package = import_module("haystack")
    secret = import_module("haystack.utils").Secret.from_token(KEY)
    embedder = import_module("haystack.components.embedders").OpenAIDocumentEmbedder(
        api_key=secret, model=MODEL, api_base_url=url, batch_size=BATCH, progress_bar=False
    )
    documents = [package.Document(content=text) for text in texts]
    answer = asyncio.run(embedder.run_async(documents))
    return [document.embedding for document in answer["documents"]]


def litellm(url: str, texts: list[str]) -> Iterable[Any]:
    """``embedding``."""
    answer = import_module("litellm").embedding(
        model=f"openai/{MODEL}", input=texts, api_base=url, api_key=KEY, encoding_format="float"
    )
    return [item["embedding"] for item in answer.data]


def baseten(url: str, texts: list[str]) -> Iterable[Any]:
    """``embed`` and ``.numpy()`` of its answer."""
    package = import_module("baseten_performance_client")
    client = package.PerformanceClient(base_url=url.removesuffix("/v1"), api_key=KEY)
    preference = package.RequestProcessingPreference(batch_size=BATCH)
    answer = client.embed(input=texts, model=MODEL, preference=preference)
    return list(answer.numpy())


def llm(url: str, texts: list[str]) -> Iterable[Any]:
    """``Collection.embed_multi`` into a database; what is stored counts. URL: see failures.py."""
    database = import_module("sqlite_utils").Database(memory=True)
    package = import_module("llm")
    collection = package.Collection("texts", database, model_id="3-small")
    collection.embed_multi([(str(place), text) for place, text in enumerate(texts)])
    stored = {row["id"]: package.decode(row["embedding"]) for row in database["embeddings"].rows}
    return [stored[str(place)] for place in range(len(texts)) if str(place) in stored]


CLIENTS: dict[str, tuple[Callable[[str, list[str]], Iterable[Any]], str]] = {
    "openai": (openai, "openai"),
    "langchain": (langchain, "langchain-openai"),
    "llama-index": (llama_index, "llama-index-embeddings-openai"),
    "haystack": (haystack, "haystack-ai"),
    "litellm": (litellm, "litellm"),
    "baseten": (baseten, "baseten-performance-client"),
    "llm": (llm, "llm"),
    "ours": (ours, "ellmental-embeddings-openai"),
}
"""Client -> how it is called, and whose version is told."""


def main() -> None:
    """Be the client that the arguments name."""
    name, url = sys.argv[1:]
    call, dist = CLIENTS[name]
    told: dict[str, Any] = {"dist": dist, "version": metadata.version(dist)}
    try:
        rows = call(url, json.load(sys.stdin))
        told["rows"] = [None if row is None else float(row[0]) for row in rows]
    except Exception as error:  # noqa: BLE001 - which one it is, is what is asked
        told["error"] = type(error).__name__
    print("RESULT", json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
