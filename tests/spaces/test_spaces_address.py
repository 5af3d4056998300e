"""From what people write to where the server is."""

from __future__ import annotations

import pytest

from ellmental_embeddings_spaces.address import Address, is_loopback, parse_address, same_origin


@pytest.mark.parametrize(
    "given",
    [
        "owner/my_name.v2",
        "spaces/owner/my_name.v2",
        "https://huggingface.co/spaces/owner/my_name.v2",
        "https://huggingface.co/spaces/owner/my_name.v2/tree/main?x=1#readme",
        "http://hf.co/spaces/owner/my_name.v2",
        "huggingface.co/spaces/owner/my_name.v2",
    ],
)
def test_a_space_is_understood_however_it_is_written(given: str) -> None:
    """Owner and name, the page of a Space and its sub-pages all mean the Space."""
    assert parse_address(given) == Address(space="owner/my_name.v2")


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("https://Owner-Name.hf.space/", "https://owner-name.hf.space"),
        ("owner-name.hf.space", "https://owner-name.hf.space"),
        ("https://owner-name.hf.space/?__theme=dark", "https://owner-name.hf.space"),
        ("http://127.0.0.1:7860/", "http://127.0.0.1:7860"),
        ("HTTP://Tei:80/base/", "http://tei/base"),
        ("https://[::1]:443/", "https://[::1]"),
    ],
)
def test_a_url_is_brought_to_one_form(given: str, root: str) -> None:
    """Case, default ports, slashes and queries make no difference; a path stays."""
    assert parse_address(given).root == root


def test_a_space_is_known_by_its_subdomain() -> None:
    """A URL under hf.space is a Space, so that the Hub can be asked about it."""
    assert parse_address("https://owner-name.hf.space").subdomain == "owner-name"
    assert parse_address("https://owner-name.hf.space").is_space
    assert not parse_address("https://example.org").is_space


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("owner", "neither a URL nor owner/name"),
        ("owner/name/more", "neither a URL nor owner/name"),
        ("own er/name", "neither a URL nor owner/name"),
        ("/name", "neither a URL nor owner/name"),
        ("http://owner-name.hf.space", "Write https://owner-name.hf.space"),
        ("https://huggingface.co/intfloat/e5", "not of a Space"),
        ("https://huggingface.co/spaces/owner", "not of a Space"),
        ("localhost:7860", "the scheme is missing"),
        ("127.0.0.1/path", "the scheme is missing"),
        ("ftp://host/x", "no http:// or https:// URL"),
        ("https://", "no http:// or https:// URL"),
        ("https://a b/", "no http:// or https:// URL"),
        ("http://<host>:80", "no http:// or https:// URL"),
        ("https://{owner}.hf.space", "no http:// or https:// URL"),
        ("https://host:70000", "port"),
    ],
)
def test_what_cannot_be_meant_is_told(given: str, told: str) -> None:
    """Malformed addresses are refused with what to write."""
    with pytest.raises(ValueError, match=told):
        parse_address(given)


def test_an_origin_is_scheme_host_and_port() -> None:
    """Another scheme, host or port is another server; case and path are not."""
    assert same_origin("https://a.b/x", "HTTPS://A.b:443/y")
    assert not same_origin("https://a.b", "http://a.b")
    assert not same_origin("https://a.b", "https://a.b:8443")
    assert not same_origin("https://a.b", "https://a.b.evil")


def test_private_networks_are_told_from_the_open_one() -> None:
    """A warning about plain http is given only where the line is open."""
    assert is_loopback("http://127.0.0.1:1")
    assert is_loopback("http://10.1.2.3")
    assert is_loopback("http://tei:80")
    assert not is_loopback("http://example.org")
    assert not is_loopback("http://8.8.8.8")
