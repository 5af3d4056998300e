"""Detection where an answer is not what it seems: transient, locked, or of another meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from stand_in import Answer, Request, StandIn, html, reply
from vectors_behind import fake_vector

from ellmental_embeddings import AuthenticationFailed, ConfigurationError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from conftest import Load
    from numpy.typing import NDArray

    Right = Callable[[Iterable[str]], NDArray[np.float32]]

TEI = {"model_id": "/data/model", "model_sha": None, "max_client_batch_size": 32}


def _tei(server: StandIn, **info: Any) -> None:
    def embed(request: Request) -> Answer:
        return reply([fake_vector(text) for text in request.content["inputs"]])

    server.on("GET /info", reply(TEI | info))
    server.routes["POST /embed"] = embed


def _described(server: StandIn, **fields: Any) -> None:
    """An OpenAPI description with one POST path a field name."""
    schemas = {
        name.capitalize(): {"type": "object", "properties": {field: {"type": "array"}}}
        for name, field in fields.items()
    }
    paths = {
        f"/{name}": {
            "post": {
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {"$ref": f"#/components/schemas/{name.capitalize()}"}
                        }
                    }
                }
            }
        }
        for name in fields
    }
    server.on("GET /openapi.json", reply({"paths": paths, "components": {"schemas": schemas}}))


def test_a_tei_model_without_a_checksum_is_its_server_s_own(
    server: StandIn, hub: StandIn, load: Load
) -> None:
    """Two servers may each have another model at /data/model: their vectors are not compared."""
    _tei(server)
    _tei(hub)
    one, other = load(server.url).embed(["a"]), load(hub.url).embed(["a"])
    assert one.space.model == f"/data/model at {server.url.removeprefix('http://')}"
    assert one.space != other.space


def test_a_tei_model_with_a_checksum_is_the_same_anywhere(
    server: StandIn, hub: StandIn, load: Load
) -> None:
    """One model and one checksum are one space, whichever server answers."""
    for each in (server, hub):
        _tei(each, model_id="intfloat/e5", model_sha="abc")
    assert load(server.url).embed(["a"]).space == load(hub.url).embed(["a"]).space


def test_other_weights_behind_the_same_name_are_refused(server: StandIn, load: Load) -> None:
    """A TEI restarted with another revision of its model would mix two spaces."""
    _tei(server, model_id="intfloat/e5", model_sha="abc")
    generator = load(server.url)
    generator.embed(["one"])
    _tei(server, model_id="intfloat/e5", model_sha="def")
    embed = server.routes["POST /embed"]
    broken = [reply({"error": "gone"}, 503)]
    server.routes["POST /embed"] = lambda request: broken.pop() if broken else embed(request)
    with pytest.raises(ConfigurationError, match=r"revision def\) now, .*revision abc"):
        generator.embed(["two"])


def test_a_lone_path_that_takes_something_else_gets_nothing(server: StandIn, load: Load) -> None:
    """The only path that can be posted to is not posted to unless it takes `inputs`."""
    _described(server, train="dataset")
    with pytest.raises(ConfigurationError, match=r"cannot be seen.* It has: /train"):
        load(server.url).embed(["one"])
    assert "POST /train" not in server.paths()


def test_the_path_that_takes_inputs_is_found_among_others(
    server: StandIn, load: Load, right: Right
) -> None:
    """The schemas say which path is for it, also where /predict takes something else."""
    _described(server, predict="image", encode_all="inputs", train="dataset")
    server.routes["POST /encode_all"] = lambda request: reply(
        [fake_vector(text) for text in request.content["inputs"]]
    )
    np.testing.assert_allclose(load(server.url).embed(["a"]).vectors, right(["a"]))


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("route", ["GET /info", "GET /v1/models", "GET /openapi.json"])
def test_a_server_that_starts_is_asked_again(
    route: str, status: int, server: StandIn, load: Load, right: Right
) -> None:
    """A transient refusal of any question of the search is waited for, not taken as an answer."""
    path = route.partition(" ")[2]
    if path == "/info":
        _tei(server)
        ready = reply(TEI)
    else:
        ready = reply({"detail": "Not Found"}, 404)
        server.routes["POST /predict"] = lambda request: reply(
            [fake_vector(text) for text in request.content["inputs"]]
        )
    server.on(route, html("starting", status), ready)
    np.testing.assert_allclose(load(server.url).embed(["a"]).vectors, right(["a"]))


def test_a_server_of_errors_is_unavailable(server: StandIn, load: Load) -> None:
    """Where nothing is recognised and the server fails at some questions, it may yet recover."""
    server.on("GET /openapi.json", html("Internal Server Error", 500))
    with pytest.raises(Unavailable, match=r"GET /openapi.json -> HTTP 500.*EMBEDDING_DEADLINE"):
        load(server.url, EMBEDDING_DEADLINE=0.4).embed(["a"])


def test_a_locked_door_among_missing_ones_is_a_matter_of_keys(server: StandIn, load: Load) -> None:
    """One 401 among 404s: the server is not unknown, it is locked."""
    server.on("GET /info", reply(b"", 401))
    with pytest.raises(AuthenticationFailed, match="set EMBEDDINGS_GENERATION_KEY"):
        load(server.url).embed(["a"])
    with pytest.raises(AuthenticationFailed, match=r"GET /info -> HTTP 401.*GENERATION_KEY is not"):
        load(server.url, EMBEDDINGS_GENERATION_KEY="wrong").embed(["a"])


def test_a_wrong_key_of_the_app_s_own_is_named(server: StandIn, load: Load) -> None:
    """With SPACES_APP_KEY in the Authorization header, that is the one which is not accepted."""
    for route in ("GET /config", "GET /info"):
        server.on(route, reply(b"", 401))
    with pytest.raises(AuthenticationFailed, match="SPACES_APP_KEY is not accepted"):
        load(server.url, SPACES_APP_KEY="wrong", EMBEDDINGS_GENERATION_KEY="hf_good").embed(["a"])


def test_a_key_refused_later_is_named_as_well(server: StandIn, load: Load) -> None:
    """A TEI that lets anybody read /info but not embed says which key it does not take."""
    _tei(server)
    server.on("POST /embed", reply(b"", 401))
    with pytest.raises(AuthenticationFailed, match="SPACES_APP_KEY is not accepted"):
        load(server.url, SPACES_APP_KEY="wrong").embed(["a"])


def test_fastapi_s_own_lock_is_no_password(server: StandIn, load: Load) -> None:
    """FastAPI's HTTPBearer says Not authenticated as Gradio does, but asks for a bearer's key."""
    locked = reply({"detail": "Not authenticated"}, 401, www_authenticate="Bearer")
    server.on("GET /config", locked)
    with pytest.raises(AuthenticationFailed, match="set EMBEDDINGS_GENERATION_KEY"):
        load(server.url).embed(["a"])
