"""Faults of a generator that makes its vectors itself."""

from __future__ import annotations

from kit_planted import Planted

__all__ = ["IN_HASHED"]

IN_HASHED = [
    Planted(
        "returns rows in a wrong order",
        "hashed",
        "backend.py",
        "for text in batch.texts])",
        "for text in sorted(batch.texts)])",
        "test_order_of_texts_does_not_matter",
    ),
    Planted(
        "drops the last row",
        "hashed",
        "backend.py",
        "return Reply(vectors, tokens",
        "return Reply(vectors[: max(1, len(vectors) - 1)], tokens",
        "test_one_row_a_text_of_one_width_all_finite",
    ),
    Planted(
        "returns NaN for short texts",
        "hashed",
        "backend.py",
        "        length = np.linalg.norm(counts)\n",
        "        length = np.linalg.norm(counts) if len(text) > 5 else np.nan\n",
        "test_one_row_a_text_of_one_width_all_finite",
    ),
    Planted(
        "returns ragged lists",
        "hashed",
        "backend.py",
        "np.array([self._vector(text) for text in batch.texts])",
        "[self._vector(text).tolist()[: 60 + len(text) % 5] for text in batch.texts]",
        "test_one_row_a_text_of_one_width_all_finite",
    ),
    Planted(
        "declares a width that does not come",
        "hashed",
        "backend.py",
        "dimensions=self._width,",
        "dimensions=self._width + 1,",
        "test_one_row_a_text_of_one_width_all_finite",
        also=("test_no_texts",),
    ),
    Planted(
        "declares vectors of length 1 that are not",
        "hashed",
        "backend.py",
        "counts / length if",
        "counts if",
        "test_one_row_a_text_of_one_width_all_finite",
    ),
    Planted(
        "lets vectors depend on what else is in the batch",
        "hashed",
        "backend.py",
        "        return Reply(vectors, tokens",
        "        vectors = vectors + 0.01 * vectors.mean(axis=0)\n"
        "        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)\n"
        "        return Reply(vectors, tokens",
        "test_alone_and_in_a_batch_alike",
    ),
    Planted(
        "adds noise",
        "hashed",
        "backend.py",
        "        length = np.linalg.norm(counts)\n",
        "        counts += np.random.default_rng().normal(0, 0.01, self._width)\n"
        "        length = np.linalg.norm(counts)\n",
        "test_again_alike",
        also=("test_both_faces_alike",),
    ),
    Planted(
        "cuts long texts without a word",
        "hashed",
        "backend.py",
        "in text.split():",
        "in text.split()[:300]:",
        "test_nothing_is_cut_in_silence",
    ),
    Planted(
        "promises fewer tokens than it counts",
        "hashed",
        "backend.py",
        "return len(text) // 2 + 2",
        "return len(text) // 8 + 1",
        "test_bound_of_tokens_holds",
    ),
    Planted(
        "declares a limit below zero",
        "hashed",
        "backend.py",
        "Limits(items=20,",
        "Limits(items=20, concurrency=0,",
        "test_limits_are_numbers_above_zero",
    ),
    Planted(
        "chokes on what is not Latin",
        "hashed",
        "backend.py",
        "word.encode()",
        'word.encode("latin-1")',
        "test_odd_text_is_embedded",
    ),
    Planted(
        "mixes up rows where a neighbour was left out",
        "hashed",
        "backend.py",
        "        return Reply(vectors, tokens",
        "        vectors = vectors[::-1] if len(vectors) == 2 else vectors\n"
        "        return Reply(vectors, tokens",
        "test_blank_text_fails_alone",
        also=("test_lone_surrogate_fails_alone", "test_no_string_fails_alone"),
    ),
    Planted(
        "declares more texts than it takes",
        "hashed",
        "backend.py",
        "        vectors = np.array(",
        "        if len(batch.texts) > 13:\n"
        "            from ellmental_embeddings import BatchTooLarge\n\n"
        "            raise BatchTooLarge\n"
        "        vectors = np.array(",
        "test_as_many_texts_as_declared_are_taken",
    ),
    Planted(
        "computes batches of three in another way",
        "hashed",
        "backend.py",
        "        return Reply(vectors, tokens",
        "        vectors = vectors[:, ::-1] if len(vectors) == 3 else vectors\n"
        "        return Reply(vectors, tokens",
        "test_batch_size_does_not_matter",
    ),
    Planted(
        "looks at the first word alone",
        "hashed",
        "backend.py",
        "in text.split():",
        "in text.split()[:1]:",
        "test_different_texts_differ",
    ),
    Planted(
        "stops reading at a NUL",
        "hashed",
        "backend.py",
        "in text.split():",
        "in text.partition(chr(0))[0].split():",
        "test_nul_is_embedded_or_fails_alone",
    ),
    Planted(
        "counts no more tokens than the limit",
        "hashed",
        "backend.py",
        "return len(text.split()) + 1",
        "return min(500, len(text.split()) + 1)",
        "test_overlong_text_is_handled_as_asked",
    ),
    Planted(
        "returns numbers beyond float32",
        "hashed",
        "backend.py",
        "        return Reply(vectors, tokens",
        "        return Reply(vectors.astype(float) * 1e39, tokens",
        "test_reply_is_no_wider_than_float32",
    ),
]
