"""The tokenizer against the reference implementation, and where it goes further."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
import unicodedata
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from ellmental_embeddings_local import wordpiece
from ellmental_embeddings_local.unicode8 import (
    ACCENTS,
    CHINESE,
    DROPPED,
    PUNCTUATION,
    SPACES,
    Ranges,
)
from ellmental_embeddings_local.weights import BUILTIN_VOCABULARY
from ellmental_embeddings_local.wordpiece import WordPiece

if TYPE_CHECKING:
    from collections.abc import Iterator

CLS, SEP, UNK = 101, 102, 100


def lines() -> list[str]:
    """The vocabulary, one piece a line."""
    return BUILTIN_VOCABULARY.read_text(encoding="utf-8").splitlines()


def reference(*, lowercase: bool = True) -> Tokenizer:
    """The Rust tokenizer over the same vocabulary, without its special treatment of ``[SEP]``."""
    vocabulary = {piece: i for i, piece in enumerate(lines())}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=lowercase
    )
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


REFERENCE, CASED_REFERENCE = reference(), reference(lowercase=False)
OURS = WordPiece.from_lines(lines())
CASED = WordPiece.from_lines(lines(), lowercase=False)


def code_points() -> Iterator[str]:
    """Every code point that is a character."""
    return (chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)


def test_vocabulary_is_the_published_one() -> None:
    """The shipped vocabulary has the checksum of the one that MiniLM was trained with."""
    digest = hashlib.sha256(BUILTIN_VOCABULARY.read_bytes()).hexdigest()
    assert digest == "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"


@pytest.mark.parametrize(
    "text",
    [
        "Hello, World!",
        "unaffable embeddings",
        "Ångström café naïve ÀÉÎÕÜ",
        "ΑΣ ΟΔΥΣΣΕΥΣ İstanbul ǅ ß ﬁ",
        "北京 東京タワー 한국어 ไทย हिन्दी עִבְרִית",
        "豈更車 \U0002f800 \U00020000",
        "tab\tline\nreturn\rnbsp\xa0nel\x85para\u2029",
        "zero\u200bwidth soft\xadhyphen bom\ufeff null\x00byte \ufffd",
        "a" * 100 + " " + "a" * 101,
        "🤗 emoji 👩‍👩‍👧 flags 🇫🇷",
        "$5.99 C++ a_b #1 @me ~x^y` <tag> [SEP]",
        "½ ² ⅷ ﷺ ℃ ㎏",
        "\u166d \U000111c9 \u1734 \u0378",
        "",
        "   \n\t ",
    ],
)
def test_chosen_texts_as_reference(text: str) -> None:
    """Texts that exercise each rule give the reference's pieces, uncased and cased."""
    assert OURS.ids(text)[1:-1] == REFERENCE.encode(text).ids
    assert CASED.ids(text)[1:-1] == CASED_REFERENCE.encode(text).ids


@pytest.mark.slow
def test_every_code_point_as_reference() -> None:
    """Each of the 1,112,064 code points, between two letters, gives the reference's pieces."""
    words = [f"a{character}b" for character in code_points()]
    for start in range(0, len(words), 256):
        text = " ".join(words[start : start + 256])
        assert OURS.ids(text)[1:-1] == REFERENCE.encode(text).ids, f"from word {start}"


@settings(max_examples=600, deadline=None)
@given(st.text(max_size=200))
@example("\u03a3\u0301\u03c3\u03c2")  # sigmas: capital, small, final
def test_any_unicode_text_as_reference(text: str) -> None:
    """Whatever Unicode text is made up gives the reference's pieces."""
    assert OURS.ids(text)[1:-1] == REFERENCE.encode(text).ids
    assert CASED.ids(text)[1:-1] == CASED_REFERENCE.encode(text).ids


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([p.removeprefix("##") for p in lines()[999:]])).map("".join))
def test_joined_pieces_as_reference(text: str) -> None:
    """Words put together from known pieces are taken apart as the reference does."""
    assert OURS.ids(text)[1:-1] == REFERENCE.encode(text).ids


def test_real_paragraphs_as_reference(xquad: list[dict[str, Any]]) -> None:
    """All XQuAD texts give the reference's pieces."""
    for row in xquad:
        assert OURS.ids(row["text"])[1:-1] == REFERENCE.encode(row["text"]).ids


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=100))
def test_bounds_hold(text: str) -> None:
    """The count is the number of ids, and the cheap bound is never below it."""
    assert len(OURS.ids(text)) == OURS.count(text) <= OURS.most(text)


def test_bound_holds_for_every_character() -> None:
    """No character that decomposes becomes more pieces than the bound allows for."""
    decomposed = [c for c in code_points() if unicodedata.normalize("NFD", c) != c]
    assert len(decomposed) > 13_000
    assert all(OURS.count(character) <= OURS.most(character) for character in decomposed)


def test_frame() -> None:
    """[CLS] stands before the pieces and [SEP] behind them, also of a text without any."""
    assert OURS.ids("") == [CLS, SEP]
    assert OURS.ids("hello") == [CLS, 7592, SEP]


def test_markers_in_a_text_are_text() -> None:
    """[SEP] written by a user is punctuation and a word, never the model's marker."""
    assert OURS.ids("[SEP]") == [CLS, 1031, 19802, 1033, SEP]


def test_lone_surrogates_are_dropped() -> None:
    """A lone surrogate, which the reference cannot take, is dropped as a control character."""
    assert OURS.ids("hel\ud800lo \udfff") == OURS.ids("hello")


def test_nul_does_not_end_a_text() -> None:
    """What follows a NUL counts."""
    assert OURS.ids("hello\x00 world") == OURS.ids("hello world")


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["some words here. ", "größe 北京 ", "a", "."])
def test_ten_megabytes(unit: str) -> None:
    """Ten megabytes are counted in seconds, whether words, other scripts or one long word."""
    text = unit * (10_000_000 // len(unit))
    began = time.perf_counter()
    count = OURS.count(text)
    assert 2 < count <= OURS.most(text)
    assert time.perf_counter() - began < 30


def test_remembered_words_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of ever new words does not fill the memory, and stays right."""
    monkeypatch.setattr(wordpiece, "_REMEMBERED_WORDS", 100)
    fresh = WordPiece.from_lines(lines())
    for number in range(1_000):
        assert fresh.ids(f"word{number}") == OURS.ids(f"word{number}")
    assert len(fresh._known) <= 100


def test_remembered_characters_are_bounded() -> None:
    """A text of very many different characters does not fill the memory."""
    fresh = WordPiece.from_lines(lines())
    fresh.count("".join(islice(code_points(), 50_000)))
    assert len(fresh._cleaned) <= 16_384
    assert len(fresh._folded) <= 16_384


def test_threads_share_a_tokenizer() -> None:
    """Several threads with one tokenizer get what one thread gets."""
    fresh, text = WordPiece.from_lines(lines()), "the quick brown fox jumps, unaffable as ever"
    found: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda: found.extend(fresh.ids(text) for _ in range(200)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1_600
    assert all(ids == OURS.ids(text) for ids in found)


def test_vocabulary_without_markers_is_refused() -> None:
    """A vocabulary that lacks [CLS] is an error that names it."""
    with pytest.raises(KeyError, match="CLS"):
        WordPiece({"[SEP]": 0, "[UNK]": 1})


@pytest.mark.parametrize(
    ("table", "inside", "outside"),
    [
        (DROPPED, "\x00\x7f\xad\ufffd\U0010fffd", "\t\n\ra\u0378"),
        (SPACES, " \t\n\r\xa0\u3000", "a\x0b\u200b"),
        (ACCENTS, "\u0300\u0301\u1734", "a\u0903"),
        (PUNCTUATION, "!/:@[`{~$+\u2014\u166d", "aZ09\xb2"),
        (CHINESE, "\u4e00\u9fff\uf900\U00020000", "\u3042\uac00"),
    ],
)
def test_tables(table: Ranges, inside: str, outside: str) -> None:
    """The ends of ranges and their neighbours are told apart."""
    assert all(ord(character) in table for character in inside)
    assert not any(ord(character) in table for character in outside)
