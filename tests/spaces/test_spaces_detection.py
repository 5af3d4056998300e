"""What it talks to: found out once, told by doctor, and told apart where it is not known."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from stand_in import Answer, Request, StandIn, html, reply
from stand_in_gradio import StandInGradio, config
from vectors_behind import fake_vector

from ellmental_embeddings import (
    AuthenticationFailed,
    ConfigurationError,
    EmbeddingFailed,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from conftest import Load
    from numpy.typing import NDArray

    Right = Callable[[Iterable[str]], NDArray[np.float32]]

TEI = {
    "model_id": "intfloat/multilingual-e5-small",
    "model_sha": "abc",
    "model_type": {"embedding": {"pooling": "mean"}},
    "max_client_batch_size": 4,
    "max_concurrent_requests": 8,
    "version": "1.9.3",
}


def _tei(server: StandIn, **info: Any) -> None:
    def embed(request: Request) -> Answer:
        texts = request.content["inputs"]
        return reply([fake_vector(text) for text in texts])

    server.on("GET /info", reply(TEI | info))
    server.routes["POST /embed"] = embed


def test_gradio_is_found_out_once(gradio: StandInGradio, load: Load) -> None:
    """Many calls at once, and further ones, ask for the config a single time."""
    generator = load(gradio.url, BATCH_SIZE=1)
    generator.embed([str(number) for number in range(30)])
    generator.embed(["more"])
    assert gradio.paths().count("GET /config") == 1
    assert generator.server == (
        f"Gradio 5.50.0 at {gradio.url}, protocol sse_v3 under /gradio_api, endpoint /predict "
        "(dataframe)"
    )


def test_a_gradio_takes_few_calls_at_once(gradio: StandInGradio, load: Load) -> None:
    """An app computes one call at a time: the engine learns not to queue many."""
    generator = load(gradio.url)
    generator.embed(["one"])
    assert generator.limits.concurrency == 2


def test_the_vectors_of_a_space_are_its_own(gradio: StandInGradio, load: Load) -> None:
    """The space of the vectors is host and endpoint, so that two apps are never compared."""
    generator = load(gradio.url)
    host = gradio.url.removeprefix("http://")
    assert generator.embed(["one"]).space.model == host
    other = load(gradio.url, SPACES_ENDPOINT="other").embed(["one"])
    assert other.space.model == f"{host}/other"


def test_a_wrong_endpoint_lists_the_existing_ones(gradio: StandInGradio, load: Load) -> None:
    """A name that the app does not have is answered with the names that it has."""
    with pytest.raises(
        ConfigurationError, match=r"no such endpoint. It has: /other, /predict, /two"
    ):
        load(gradio.url, SPACES_ENDPOINT="/embed").embed(["one"])


def test_an_endpoint_of_other_inputs_is_refused(gradio: StandInGradio, load: Load) -> None:
    """An endpoint that takes two inputs, or a picture, cannot be given texts."""
    with pytest.raises(ConfigurationError, match="takes dataframe, dataframe: one input is needed"):
        load(gradio.url, SPACES_ENDPOINT="two").embed(["one"])
    gradio.on("GET /config", reply(config(component="image")))
    with pytest.raises(ConfigurationError, match="takes image: one input is needed"):
        load(gradio.url).embed(["one"])


def test_a_protocol_of_the_future_is_told(gradio: StandInGradio, load: Load) -> None:
    """A Gradio that speaks something new asks for an update of this package."""
    gradio.on("GET /config", reply(config("grpc_v9")))
    with pytest.raises(ConfigurationError, match=r"speaks 'grpc_v9'.*Update"):
        load(gradio.url).embed(["one"])


def test_tei_is_found_with_its_limits(server: StandIn, load: Load, right: Right) -> None:
    """TEI's /info says model, batch size and permits; no request is over them."""
    _tei(server)
    generator = load(server.url)
    texts = [str(number) for number in range(11)]
    result = generator.embed(texts)
    np.testing.assert_allclose(result.vectors, right(texts))
    sent = [len(each.content["inputs"]) for each in server.requests if each.path == "/embed"]
    assert max(sent) == 4 or max(sent) == 3
    assert (generator.limits.items, generator.limits.concurrency) == (4, 2)
    assert result.space.model == "intfloat/multilingual-e5-small"
    assert result.space.revision == "abc"
    assert "text-embeddings-inference 1.9.3" in str(generator.server)
    assert server.paths().count("GET /info") == 1


def test_tei_is_not_let_cut_texts(server: StandIn, load: Load) -> None:
    """TEI truncates by default without a word: it is told not to, and the text fails."""
    _tei(server)
    said = {
        "error": "`inputs` must have less than 512 tokens. Given: 600",
        "error_type": "Validation",
    }
    server.on("POST /embed", reply(said, 422))
    with pytest.raises(EmbeddingFailed, match=r"less than 512 tokens.*split the text"):
        load(server.url).embed(["long"])
    assert server.requests[-1].content["truncate"] is False


@pytest.mark.parametrize(
    ("status", "error", "times"),
    [
        (429, "Model is overloaded", 2),
        (424, "backend", 2),
        (422, "batch size 5 > maximum allowed batch size 2", 3),
    ],
)
def test_tei_refusals_that_pass(
    status: int, error: str, times: int, server: StandIn, load: Load, right: Right
) -> None:
    """Overload and a failing backend are waited for, a batch too large is divided."""
    _tei(server, max_client_batch_size=32)
    embed, refusals = server.routes["POST /embed"], [reply({"error": error}, status)]
    server.routes["POST /embed"] = lambda request: refusals.pop() if refusals else embed(request)
    texts = ["a", "b", "c"]
    np.testing.assert_allclose(load(server.url).embed(texts).vectors, right(texts))
    assert server.paths().count("POST /embed") == times


def test_a_tei_that_reranks_is_refused(server: StandIn, load: Load) -> None:
    """A reranker's server answers no embeddings: that is said before a text is sent."""
    _tei(server, model_type={"reranker": {}})
    with pytest.raises(ConfigurationError, match="reranker"):
        load(server.url).embed(["one"])
    assert "POST /embed" not in server.paths()


@pytest.mark.parametrize(
    ("route", "answer", "base"),
    [
        ("GET /v1/models", reply({"object": "list", "data": []}), "/v1"),
        ("GET /models", reply({"object": "list", "data": []}), ""),
        ("GET /v1/models", reply({"error": {"message": "no key"}}, 401), "/v1"),
    ],
)
def test_an_openai_shaped_server_is_pointed_to_its_generator(
    route: str, answer: Answer, base: str, server: StandIn, load: Load
) -> None:
    """OPENAI is for it: the error gives the two variables to set."""
    server.on(route, answer)
    url = f"OPENAI_BASE_URL={server.url}{base} "
    with pytest.raises(ConfigurationError, match=f"EMBEDDING_GENERATOR=OPENAI and {url}"):
        load(server.url).embed(["one"])


def _inputs(server: StandIn, path: str, wrap: Callable[[Any], Any] = lambda rows: rows) -> None:
    def answer(request: Request) -> Answer:
        rows = [
            fake_vector(*([each] if isinstance(each, str) else reversed(each)))
            for each in request.content["inputs"]
        ]
        return reply(wrap(rows))

    server.routes[f"POST {path}"] = answer


@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"embeddings": rows, "n": 1}])
def test_an_inputs_endpoint_is_found_by_its_description(
    wrap: Callable[[Any], Any], server: StandIn, load: Load, right: Right
) -> None:
    """FastAPI describes itself; a path of a usual name is taken, whatever wraps the vectors."""
    paths: dict[str, Any] = {
        "/health": {"get": {}},
        "/embed": {"post": {}},
        "/x/{id}": {"post": {}},
    }
    server.on("GET /openapi.json", reply({"openapi": "3.1.0", "paths": paths}))
    _inputs(server, "/embed", wrap)
    generator = load(server.url)
    np.testing.assert_allclose(generator.embed(["a", "b"]).vectors, right(["a", "b"]))
    assert '{"inputs": [...]}' in str(generator.server)


def test_an_inputs_endpoint_of_another_name_is_listed(server: StandIn, load: Load) -> None:
    """Where the name is not clear, the existing ones are listed, to choose SPACES_ENDPOINT."""
    paths: dict[str, Any] = {"/one": {"post": {}}, "/two": {"post": {}}}
    server.on("GET /openapi.json", reply({"openapi": "3.1.0", "paths": paths}))
    with pytest.raises(ConfigurationError, match=r"It has: /one, /two. Set SPACES_ENDPOINT"):
        load(server.url).embed(["one"])
    _inputs(server, "/two")
    load(server.url, SPACES_ENDPOINT="two").embed(["one"])


def test_an_inputs_endpoint_without_description_is_tried(
    server: StandIn, load: Load, right: Right
) -> None:
    """An inference endpoint that describes nothing is asked for one vector, at its root."""
    _inputs(server, "/")
    server.routes["POST "] = server.routes["POST /"]
    np.testing.assert_allclose(load(f"{server.url}/").embed(["a"]).vectors, right(["a"]))


def test_vectors_of_tokens_are_refused(server: StandIn, load: Load) -> None:
    """Feature extraction that answers a vector a token is not averaged by guessing."""
    paths: dict[str, Any] = {"/predict": {"post": {}}}
    server.on("GET /openapi.json", reply({"openapi": "3.1.0", "paths": paths}))
    _inputs(server, "/predict", lambda rows: [[row, row] for row in rows])
    with pytest.raises(EmbeddingFailed, match="row 0 holds a list"):
        load(server.url).embed(["one"])


@pytest.mark.parametrize(
    ("place", "told"), [(["body", "texts"], r"body\.texts: "), (5, "5: "), (None, ": ")]
)
def test_a_validation_error_says_what_the_endpoint_wants(
    place: object, told: str, server: StandIn, load: Load
) -> None:
    """FastAPI's 422 is told in one line, and nothing is sent again."""
    server.on("GET /openapi.json", reply({"openapi": "3.1.0", "paths": {"/predict": {"post": {}}}}))
    detail = [{"loc": place, "msg": "Field required", "type": "missing"}]
    server.on("POST /predict", reply({"detail": detail}, 422))
    with pytest.raises(ConfigurationError, match=f"{told}Field required"):
        load(server.url).embed(["one"])
    assert server.paths().count("POST /predict") == 1


def test_what_is_not_recognised_says_what_was_tried(server: StandIn, load: Load) -> None:
    """The error lists each request and what came back."""
    server.on("GET /config", html("<h1>My page</h1>"))
    server.on("GET /info", reply({"app": "mine"}))
    with pytest.raises(ConfigurationError) as caught:
        load(server.url).embed(["one"])
    told = str(caught.value)
    for part in (
        "GET /config -> HTTP 200 text/html",
        """GET /info -> HTTP 200 application/json '{"app": "mine"}'""",
        "GET /v1/models -> HTTP 404",
        "GET /openapi.json -> HTTP 404",
        "POST /predict -> HTTP 404",
        "EMBEDDINGS_GENERATION_URL",
    ):
        assert part in told


@pytest.mark.parametrize("kind", ["gradio", "tei", "fastapi"])
def test_a_named_kind_that_is_another_is_told(kind: str, server: StandIn, load: Load) -> None:
    """SPACES_SERVER is checked: only that kind is looked for."""
    with pytest.raises(ConfigurationError, match=f"not what SPACES_SERVER={kind} says"):
        load(server.url, SPACES_SERVER=kind).embed(["one"])
    assert "GET /v1/models" not in server.paths()


def test_an_app_with_a_password_of_its_own_is_told(server: StandIn, load: Load) -> None:
    """Gradio's launch(auth=...) is told from a private Space, in both forms it has had."""
    for detail in ("Not authenticated", {"error": "Not authenticated", "auth_message": None}):
        server.on("GET /config", reply({"detail": detail}, 401))
        with pytest.raises(AuthenticationFailed, match=r"launch\(auth=\.\.\.\)"):
            load(server.url).embed(["one"])


def test_a_server_that_wants_a_key_is_told(server: StandIn, load: Load) -> None:
    """Where everything is locked, the key's variable is named; a wrong key is told as wrong."""
    routes = ("/config", "/info", "/v1/models", "/models", "/openapi.json", "/predict", "/")
    for path in routes:
        for method in ("GET", "POST"):
            server.on(f"{method} {path}", reply(b"", 401))
    with pytest.raises(AuthenticationFailed, match="set EMBEDDINGS_GENERATION_KEY"):
        load(server.url).embed(["one"])
    with pytest.raises(AuthenticationFailed, match="is not accepted"):
        load(server.url, EMBEDDINGS_GENERATION_KEY="wrong").embed(["one"])


def test_a_server_that_is_not_there_is_waited_for(load: Load) -> None:
    """A refused connection is tried until the deadline, then told with the host."""
    with StandIn() as gone:
        url = gone.url
    with pytest.raises(Unavailable, match=f"cannot connect to {url}.*EMBEDDING_DEADLINE"):
        load(url, EMBEDDING_DEADLINE=0.5).embed(["one"])


def test_https_to_a_plain_server_is_told(server: StandIn, load: Load) -> None:
    """https:// for a server that has no TLS is a mistake in the URL, not a failure to wait for."""
    with pytest.raises(ConfigurationError, match=r"does not speak https.*http://"):
        load(server.url.replace("http", "https")).embed(["one"])


def test_another_model_behind_the_same_url_is_refused(server: StandIn, load: Load) -> None:
    """A TEI restarted with another model would mix two spaces: the call ends."""
    _tei(server)
    generator = load(server.url)
    generator.embed(["one"])
    _tei(server, model_id="other/model")
    embed = server.routes["POST /embed"]
    broken = [reply({"error": "gone"}, 503)]
    server.routes["POST /embed"] = lambda request: broken.pop() if broken else embed(request)
    with pytest.raises(ConfigurationError, match=r"serves other/model .* now"):
        generator.embed(["two"])


def test_doctor_says_what_it_talks_to(gradio: StandInGradio) -> None:
    """`ellmental doctor` prints the kind of server, its version and protocol."""
    ran = subprocess.run(
        [sys.executable, "-m", "ellmental_embeddings", "doctor", "-g", "SPACES_TEXT"],
        env={"EMBEDDINGS_GENERATION_URL": gradio.url, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert f"ok   server: Gradio 5.50.0 at {gradio.url}, protocol sse_v3" in ran.stdout
