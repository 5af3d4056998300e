"""Splitting: pieces fit, cover the text, say where they stand, and end at good places."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ellmental_embeddings import ConfigurationError
from ellmental_embeddings_jobs.splitting import Splitter

TEXTS = st.text(alphabet="ab .!?\n\r\t#。é\u0301\u200d👩", max_size=400)


def words(text: str) -> int:
    """Tokens of a model whose tokens are words."""
    return len(text.split())


def by_words(limit: int | None) -> Splitter:
    """A splitter for a model that counts words; its bound is the characters."""
    return Splitter(limit, len, words)


def by_bytes(limit: int) -> Splitter:
    """A splitter for a model that cannot count: the bound, UTF-8 bytes, decides."""
    return Splitter(limit, lambda text: len(text.encode()), lambda _: None)


def pieces(splitter: Splitter, text: str, *, markdown: bool = False) -> list[str]:
    """The pieces' texts."""
    return [text[start:end] for start, end in splitter.split(text, markdown=markdown)]


@given(text=TEXTS, limit=st.integers(4, 40), markdown=st.booleans())
@example(text="a" * 300, limit=4, markdown=False)
@example(text="!" * 300, limit=5, markdown=False)
@settings(max_examples=400, deadline=None)
def test_pieces_fit_and_cover_every_character_once(text: str, limit: int, markdown: bool) -> None:
    """Each piece fits; only white space lies between pieces; all else is covered, in order."""
    splitter = by_bytes(limit)
    spans = list(splitter.split(text, markdown=markdown))
    if len(text.encode()) <= limit:
        assert spans == [(0, len(text))]
        return
    borders = [0, *(place for span in spans for place in span), len(text)]
    assert borders == sorted(borders)
    for before, after in zip(borders[::2], borders[1::2], strict=True):
        assert not text[before:after].strip()
    for start, end in spans:
        assert text[start:end] == text[start:end].strip()
        assert 0 < len(text[start:end].encode()) <= limit


@given(text=TEXTS, limit=st.integers(4, 40), overlap=st.integers(1, 20), markdown=st.booleans())
@example(text="字" * 60, limit=12, overlap=6, markdown=False)
@example(text="a" * 300, limit=8, overlap=4, markdown=False)
@settings(max_examples=400, deadline=None)
def test_overlapping_pieces_lose_nothing(
    text: str, limit: int, overlap: int, markdown: bool
) -> None:
    """With an overlap pieces fit, cover all but white space, repeat no more than asked."""
    overlap = min(overlap, limit // 2)
    splitter = Splitter(limit, lambda some: len(some.encode()), lambda _: None, overlap)
    spans = list(splitter.split(text, markdown=markdown))
    if len(text.encode()) <= limit:
        assert spans == [(0, len(text))]
        return
    covered = {place for span in spans for place in range(*span)}
    assert not [place for place in range(len(text)) if place not in covered and text[place].strip()]
    for start, end in spans:
        assert text[start:end] == text[start:end].strip()
        assert 0 < len(text[start:end].encode()) <= limit
    for (start, end), (next_start, next_end) in pairwise(spans):
        assert start < next_start
        assert end < next_end
        assert len(text[next_start:end].encode()) <= overlap


def test_overlap_begins_with_a_word() -> None:
    """Each piece repeats the last whole words of the one before it."""
    splitter = Splitter(6, len, words, 2)
    text = " ".join(f"w{n}" for n in range(14))
    assert pieces(splitter, text) == [
        "w0 w1 w2 w3 w4 w5",
        "w4 w5 w6 w7 w8 w9",
        "w8 w9 w10 w11 w12 w13",
    ]


def test_overlap_of_a_text_without_spaces() -> None:
    """Chinese is repeated from between two characters; a word of Latin letters is never halved."""
    splitter = Splitter(12, lambda some: len(some.encode()), lambda _: None, 6)
    assert pieces(splitter, "一二三四五六七八") == ["一二三四", "三四五六", "五六七八"]
    assert pieces(splitter, "a" * 24) == ["a" * 12, "a" * 12]


@given(text=TEXTS, limit=st.integers(1, 12))
@settings(max_examples=300, deadline=None)
def test_pieces_are_packed_greedily(text: str, limit: int) -> None:
    """Where only words can part pieces, none of them could take the next one's first word."""
    flat = "word" + " ".join(text.replace(".", "").replace("!", "").replace("?", "").split())
    flat = flat.replace("。", "").replace("\n", " ")
    found = pieces(by_words(limit), flat)
    for one, following in pairwise(found):
        assert words(f"{one} {following.split()[0]}") > limit


@given(paragraphs=st.lists(st.integers(1, 9), min_size=1, max_size=30), limit=st.integers(9, 30))
@settings(deadline=None)
def test_paragraphs_stay_whole_where_they_fit(paragraphs: list[int], limit: int) -> None:
    """A text whose paragraphs all fit is only cut between them, as late as possible."""
    blocks = [" ".join(["word."] * count) for count in paragraphs]
    found = pieces(by_words(limit), "\n\n".join(blocks))
    assert [block for piece in found for block in piece.split("\n\n")] == blocks
    for one, following in pairwise(found):
        assert words(one) + words(following.split("\n\n")[0]) > limit


def test_unknown_limit_leaves_texts_whole() -> None:
    """A model without a known limit gets every text as it is."""
    assert pieces(by_words(None), "a b. c " * 1000) == ["a b. c " * 1000]


def test_fitting_text_keeps_its_white_space() -> None:
    """What fits is not touched, not even at its ends."""
    assert pieces(by_words(3), "  a b  ") == ["  a b  "]


def test_sentences_part_a_long_paragraph() -> None:
    """Without a fitting paragraph the piece ends with a sentence, closing quotes included."""
    text = 'One two three. "Four five!" Six seven eight? Nine ten.'
    assert pieces(by_words(6), text) == [
        'One two three. "Four five!"',
        "Six seven eight? Nine ten.",
    ]


def test_abbreviations_are_no_sentence_ends() -> None:
    """A full stop before a small letter does not end a piece."""
    text = "We saw e.g. cats and dogs. Then some birds came by."
    assert pieces(by_words(5), text)[0] == "We saw e.g. cats and"
    assert pieces(by_words(6), text)[0] == "We saw e.g. cats and dogs."


def test_full_width_stops_end_sentences() -> None:
    """Chinese and Japanese sentences end without white space."""
    text = "今日は晴れです。明日は雨です。明後日は雪です。"
    assert pieces(by_bytes(50), text) == [
        "今日は晴れです。明日は雨です。",
        "明後日は雪です。",
    ]


def test_lines_part_what_has_no_sentences() -> None:
    """A list is cut between its lines."""
    text = "milk and honey\nbread and wine\nsalt and pepper"
    assert pieces(by_words(7), text) == ["milk and honey\nbread and wine", "salt and pepper"]


def test_windows_line_ends_part_paragraphs() -> None:
    """Paragraphs are also found where lines end with a carriage return."""
    assert pieces(by_words(3), "a b.\r\n\r\nc d.\r\n") == ["a b.", "c d."]


def test_markdown_is_cut_before_headings() -> None:
    """A heading begins a piece, although the next paragraph would have fitted, too."""
    text = "# One\n\na b c d e f\n\n# Two\n\ng h\n\ni j k l m n o p"
    found = pieces(by_words(13), text, markdown=True)
    assert found == ["# One\n\na b c d e f", "# Two\n\ng h\n\ni j k l m n o p"]
    assert pieces(by_words(13), text)[0].endswith("g h")


def test_markdown_piece_never_ends_with_a_heading() -> None:
    """A heading is not parted from what it heads."""
    text = "a b\n\n## Head line\n\ne f g h"
    assert pieces(by_words(5), text, markdown=True)[0] == "a b"
    assert pieces(by_words(5), text)[0] == "a b\n\n## Head line"


def test_early_heading_does_not_make_a_tiny_piece() -> None:
    """A heading in the first half is passed over for a later paragraph end."""
    text = "a\n\n# B\n\nc d e f g h i\n\nj k l m n o p q r s t"
    assert pieces(by_words(12), text, markdown=True)[0] == "a\n\n# B\n\nc d e f g h i"


def test_combining_marks_stay_with_their_base() -> None:
    """A piece neither begins with an accent nor parts a joined emoji."""
    text = "e\u0301" * 40 + "👩\u200d👩" * 10
    for piece in pieces(by_bytes(16), text):
        assert piece[0] not in "\u0301\u200d"
        assert piece[-1] != "\u200d"


def test_instruction_that_leaves_no_room_is_an_error() -> None:
    """Where not one character fits, the message names the setting that takes the room."""
    splitter = Splitter(4, lambda text: 10 + len(text), lambda _: None)
    with pytest.raises(ConfigurationError, match="EMBEDDING_DOCUMENT_INSTRUCTION"):
        list(splitter.split("some text"))


@pytest.mark.parametrize("unit", ["word ", "x", "A sentence. ", "!", "a\n\n", " \n", ".\n"])
def test_work_grows_as_the_text_does(unit: str) -> None:
    """Ten times the text counts about ten times the characters, whatever it is made of."""

    def counted(length: int) -> int:
        total = 0

        def exact(text: str) -> int:
            nonlocal total
            total += len(text)
            assert len(text) <= 256 * 32  # no tokenizer is given more, however long the text is
            return len(text) // 4 + 1

        text = unit * (length // len(unit))
        for _ in Splitter(256, len, exact).split(text):
            pass
        return total

    small = max(counted(100_000), 100_000)
    assert counted(1_000_000) < 15 * small


def test_runs_of_punctuation_are_read_once() -> None:
    """A million exclamation marks do not keep the search for sentence ends busy."""
    text = ("!" * 250_000 + "x") * 4
    sparse = Splitter(8192, len, lambda text: len(text) // 30 + 1)
    began = time.process_time()
    assert 4 <= sum(1 for _ in sparse.split(text)) <= 8
    assert time.process_time() - began < 3


def test_ten_megabytes_of_one_line_take_seconds() -> None:
    """A 10 MB text without any line end is split in a time one can wait for."""
    text = "A sentence of some seven common words. " * 256_000
    began = time.process_time()
    found = sum(1 for _ in by_words(256).split(text))
    assert found > len(text.split()) // 256
    assert time.process_time() - began < 30
