"""Prefixes for E5, instructions for instruct models: what exactly reaches the Space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from stand_in import Answer, Request, StandIn, reply
from stand_in_gradio import StandInGradio, config
from vectors_behind import fake_vector

from ellmental_embeddings import ConfigurationError, SpaceMismatch

if TYPE_CHECKING:
    from conftest import Load

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "spaces.md"
E5: dict[str, Any] = {
    "EMBEDDING_DOCUMENT_INSTRUCTION": "passage: ",
    "EMBEDDING_QUERY_INSTRUCTION": "query: ",
}


def _sent(gradio: StandInGradio) -> list[Any]:
    return [body["data"][0]["data"] for body in gradio.joined]


def test_e5_gets_exactly_its_prefixes(gradio: StandInGradio, load: Load) -> None:
    """The two settings put `passage: ` and `query: ` before each text, spaces and all."""
    generator = load(gradio.url, **E5)
    documents = generator.embed(["a cat", "a dog"])
    query = generator.embed(["which pet?"], role="query")
    assert _sent(gradio) == [[["passage: a cat", "passage: a dog"]], [["query: which pet?"]]]
    assert documents.space == query.space
    assert documents.similarity(query).shape == (2, 1)


def test_vectors_with_and_without_prefixes_are_not_compared(
    gradio: StandInGradio, load: Load
) -> None:
    """The prefixes are part of the space: forgetting them is noticed."""
    with pytest.raises(SpaceMismatch, match="passage: "):
        load(gradio.url, **E5).embed(["a"]).similarity(load(gradio.url).embed(["a"]))


def test_e5_prefixes_can_be_set_in_the_environment(
    gradio: StandInGradio, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The how-to's own lines in a .env file give just that: quotes keep the space at the end."""
    page = HOW_TO.read_text("utf-8").partition("## E5")[2]
    lines = page.partition("```ini\n")[2].partition("```")[0]
    Path(".env").write_text(lines, encoding="utf-8")
    generator = load(gradio.url)
    generator.embed(["a cat"])
    generator.embed(["which pet?"], role="query")
    assert _sent(gradio) == [[["passage: a cat"]], [["query: which pet?"]]]


def test_instruct_sends_rows_of_instruction_and_text(gradio: StandInGradio, load: Load) -> None:
    """Each text stands beside its role's instruction; a call's own wins over the settings."""
    generator = load(
        gradio.url,
        "SPACES_INSTRUCT",
        EMBEDDING_DOCUMENT_INSTRUCTION="Represent the document",
        EMBEDDING_QUERY_INSTRUCTION="Represent the question",
    )
    result = generator.embed(["a", "b"])
    generator.embed(["c"], role="query")
    generator.embed(["d"], instruction="Only now")
    assert _sent(gradio) == [
        [["Represent the document", "a"], ["Represent the document", "b"]],
        [["Represent the question", "c"]],
        [["Only now", "d"]],
    ]
    assert gradio.joined[0]["data"][0]["headers"] == ["instruction", "text"]
    expected = [fake_vector(text, "Represent the document") for text in ("a", "b")]
    np.testing.assert_allclose(result.vectors, np.array(expected, np.float32))


@pytest.mark.parametrize(
    ("role", "variable"),
    [("document", "EMBEDDING_DOCUMENT_INSTRUCTION"), ("query", "EMBEDDING_QUERY_INSTRUCTION")],
)
def test_instruct_without_an_instruction_is_an_error(
    role: Any, variable: str, gradio: StandInGradio, load: Load
) -> None:
    """Nothing is sent, and the role's variable is named; the call's argument is named too."""
    with pytest.raises(ConfigurationError, match=f"Set {variable}.*instruction=") as caught:
        load(gradio.url, "SPACES_INSTRUCT").embed(["a"], role=role)
    assert "EMBEDDING_DOCUMENT_INSTRUCTION and EMBEDDING_QUERY_INSTRUCTION" in str(caught.value)
    assert gradio.requests == []


def test_instruct_sends_an_empty_instruction_where_that_is_said(
    gradio: StandInGradio, load: Load
) -> None:
    """One space says: none, on purpose, as E5-instruct wants it for documents."""
    load(gradio.url, "SPACES_INSTRUCT", EMBEDDING_DOCUMENT_INSTRUCTION=" ").embed(["a"])
    assert _sent(gradio) == [[["", "a"]]]


def test_json_endpoints_get_the_bare_lists(gradio: StandInGradio, load: Load) -> None:
    """An endpoint of a JSON component is given texts, or pairs, without a Dataframe around."""
    gradio.on("GET /config", reply(config(component="json")))

    def join(request: Request) -> Answer:
        gradio.joined.append(request.content)
        return reply({"detail": "enough"}, 402)

    gradio.routes["POST /gradio_api/queue/join"] = join
    for name, told in (
        ("SPACES_TEXT", ["a", "b"]),
        ("SPACES_INSTRUCT", [["do", "a"], ["do", "b"]]),
    ):
        with pytest.raises(Exception, match="HTTP 402"):
            load(gradio.url, name).embed(
                ["a", "b"], instruction="do" if name == "SPACES_INSTRUCT" else ""
            )
        assert gradio.joined[-1]["data"] == [told]


def test_tei_has_no_room_for_an_instruction(server: StandIn, load: Load) -> None:
    """TEI takes texts alone: SPACES_INSTRUCT says to use SPACES_TEXT, and sends nothing."""
    server.on("GET /info", reply({"model_id": "m", "max_client_batch_size": 32}))
    with pytest.raises(ConfigurationError, match="EMBEDDING_GENERATOR=SPACES_TEXT"):
        load(server.url, "SPACES_INSTRUCT").embed(["a"], instruction="do")
    assert "POST /embed" not in server.paths()


def test_an_inputs_endpoint_gets_pairs(server: StandIn, load: Load) -> None:
    """SPACES_INSTRUCT sends pairs of [instruction, text] under inputs."""
    server.on("GET /openapi.json", reply({"paths": {"/predict": {"post": {}}}}))
    server.on("POST /predict", reply([[1.0, 0.0]]))
    load(server.url, "SPACES_INSTRUCT").embed(["a"], instruction="do")
    assert server.requests[-1].content == {"inputs": [["do", "a"]]}


def test_a_textbox_takes_one_text_a_call(gradio: StandInGradio, load: Load) -> None:
    """An endpoint of a Textbox is given its texts one by one."""
    gradio.on("GET /config", reply(config(component="textbox")))
    sent = []

    def join(request: Any) -> Any:
        sent.append(request.content["data"])
        return reply({"detail": "enough"}, 402)

    gradio.routes["POST /gradio_api/queue/join"] = join
    with pytest.raises(Exception, match="HTTP 402"):
        load(gradio.url, EMBEDDING_MAX_CONCURRENCY=1).embed(["a", "b"])
    assert sent == [["a"]]
