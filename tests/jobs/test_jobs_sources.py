"""Sources: every format gives its documents, with their places, and refuses what it is not."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from ellmental_embeddings_jobs.document import Blank, Document, Failure, Item
from ellmental_embeddings_jobs.errors import FilesError
from ellmental_embeddings_jobs.sources import Columns, Opened, Reading, open_sources


def opened(*names: str, column: str = "text", identifier: str | None = None) -> Opened:
    """Some sources, checked; what is wrong with their rows is noted and passed over."""
    return open_sources(names, Reading(columns=Columns(column, identifier)))


def items(*names: str, column: str = "text", identifier: str | None = None) -> list[Item]:
    """Everything that some sources yield."""
    sources = opened(*names, column=column, identifier=identifier)
    return [item for source in sources for item in source.read()]


def documents(*names: str, column: str = "text", identifier: str | None = None) -> list[Document]:
    """The documents among it."""
    found = items(*names, column=column, identifier=identifier)
    return [item for item in found if isinstance(item, Document)]


def failures(*names: str, column: str = "text", identifier: str | None = None) -> list[Failure]:
    """The failures among it."""
    found = items(*names, column=column, identifier=identifier)
    return [item for item in found if isinstance(item, Failure)]


def refusal(*names: str, column: str = "text", identifier: str | None = None) -> str:
    """The message with which sources are refused before anything is read."""
    with pytest.raises(FilesError) as caught:
        open_sources(names, Reading(columns=Columns(column, identifier), on_bad="stop"))
    assert caught.value.exit_code == 4
    assert "Nothing was embedded." in caught.value.message
    return caught.value.message


def write(name: str, content: str | bytes) -> str:
    """Write a file with exactly this content."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def test_txt_is_a_document_a_line() -> None:
    """Lines become documents, blank ones are counted, white space and line numbers are kept."""
    found = items(write("a.txt", "one\n\n  two \r\n \t\nthree"))
    texts = [(item.text, item.line, item.id) for item in found if isinstance(item, Document)]
    assert texts == [("one", 1, "a.txt:1"), ("  two ", 3, "a.txt:3"), ("three", 5, "a.txt:5")]
    assert sum(isinstance(item, Blank) for item in found) == 2


@given(
    lines=st.lists(st.text(st.characters(exclude_characters="\n\r\0", codec="utf-8")), min_size=1)
)
def test_txt_yields_every_line_unaltered(lines: list[str]) -> None:
    """Whatever a line holds, its document holds; the sizes add up to the file's."""
    content = "\n".join(["first", *lines]) + "\n"
    found = items(write("any.txt", content))
    expected = [line for line in ["first", *lines] if line and not line.isspace()]
    assert [item.text for item in found if isinstance(item, Document)] == expected
    assert sum(item.size for item in found) == len(content.encode())


def test_byte_order_mark_is_left_out() -> None:
    """A mark at the start of a file belongs to no text."""
    assert documents(write("a.txt", "\ufeffone\n"))[0].text == "one"
    assert documents(write("b.md", "\ufeff# One\n"))[0].text == "# One\n"
    assert documents(write("c.csv", "\ufefftext\nfrom csv\n"))[0].text == "from csv"


def test_md_is_one_document() -> None:
    """A Markdown file is one text, with its line ends as they are."""
    (found,) = documents(write("a.md", "# T\r\n\r\nbody\r\n"))
    assert (found.text, found.id, found.line) == ("# T\r\n\r\nbody\r\n", "a.md", 1)
    assert found.markdown


def test_csv_takes_the_named_columns() -> None:
    """Text and id come from the columns asked for; a record's line is where it begins."""
    name = write("a.csv", 'n,body\n1,"two\nlines"\n\n2,"say ""hi"""\n')
    found = documents(name, column="body", identifier="n")
    assert [(item.id, item.text, item.line) for item in found] == [
        ("1", "two\nlines", 2),
        ("2", 'say "hi"', 5),
    ]
    assert sum(item.size for item in items(name, column="body")) == len(Path(name).read_bytes()) - 7


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("only-one", "1 field where the header has 2"),
        ("1,2,3", "3 fields where the header has 2"),
        ("7,", "blank text"),
        ('8,"x"y', "no valid CSV"),
    ],
)
def test_csv_bad_record_fails_alone(record: str, reason: str) -> None:
    """A bad record is a failure with its line; the records around it are read."""
    name = write("a.csv", f"id,text\n1,before\n{record}\n2,after\n")
    assert [item.text for item in documents(name)] == ["before", "after"]
    (failure,) = failures(name)
    assert failure.line == 3
    assert reason in failure.reason


def test_csv_quotation_mark_left_open_says_so() -> None:
    """An open quotation mark swallows the rest: the failure names where it begins, and that."""
    name = write("a.csv", 'text\nbefore\n"open\nlost\nlost\n')
    (failure,) = failures(name)
    assert failure.line == 3
    assert "never closed" in failure.reason


def test_csv_holds_ten_megabytes_in_one_field() -> None:
    """Python's own limit on a field, 128 KiB, does not stand in the way."""
    name = write("a.csv", 'text\n"' + "word " * 2_000_000 + '"\n')
    assert len(documents(name)[0].text) == 10_000_000


def test_jsonl_takes_objects_and_bare_strings() -> None:
    """Both kinds of lines are read; numbers as ids become strings."""
    name = write("a.jsonl", '{"text": "one", "key": 7}\n\n"two"\n')
    assert [item.text for item in documents(name)] == ["one", "two"]
    assert documents(name, identifier="key")[0].id == "7"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": null}', "no text (null)"),
        ('{"text": 5}', "not a text but int: 5"),
        ('{"text": ["a"]}', "not a text but list"),
        ('{"text": ""}', "blank text"),
        ('{"text": " \\n"}', "blank text"),
        ('{"text": "ab\\ud800"}', "lone surrogate (U+D800) at character 2"),
        ('{"other": "x"}', "without the column 'text'"),
        ("[1]", "a list where an object or a string is needed"),
        ("null", "null where an object or a string is needed"),
        ("{bad", "not JSON"),
        ('{"text": ' + "9" * 5000 + "}", "not JSON that can be read"),
        ("[" * 200_000, "not JSON that can be read"),
    ],
)
def test_jsonl_bad_line_fails_alone(line: str, reason: str) -> None:
    """A bad line is a failure with its number and the reason; the lines around it are read."""
    name = write("a.jsonl", f'"before"\n{line}\n"after"\n')
    assert [item.text for item in documents(name)] == ["before", "after"]
    (failure,) = failures(name)
    assert failure.line == 2
    assert reason in failure.reason


@pytest.mark.parametrize("identifier", ["null", '""', "true", "[1]"])
def test_unusable_id_fails_its_row(identifier: str) -> None:
    """A row without a usable id, where ids were asked for, is a failure and not a guess."""
    name = write("a.jsonl", f'{{"text": "a", "id": "x"}}\n{{"text": "b", "id": {identifier}}}\n')
    assert [item.id for item in documents(name, identifier="id")] == ["x"]
    assert "no usable id" in failures(name, identifier="id")[0].reason


def test_parquet_is_a_document_a_row() -> None:
    """Rows are counted from 1 across row groups; nulls fail alone; ids may be numbers."""
    table = pa.table({"n": [4, 5, 6], "text": ["one", None, "three"], "x": [0, 0, 0]})
    parquet.write_table(table, "a.parquet", row_group_size=2)
    found = documents("a.parquet", identifier="n")
    assert [(item.id, item.text, item.line) for item in found] == [
        ("4", "one", 1),
        ("6", "three", 3),
    ]
    assert [(item.line, item.reason) for item in failures("a.parquet")] == [(2, "no text (null)")]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_parquet_strings_of_every_kind(kind: pa.DataType) -> None:
    """Large and dictionary-encoded strings are texts as well."""
    parquet.write_table(pa.table({"text": pa.array(["one", "two"]).cast(kind)}), "a.parquet")
    assert [item.text for item in documents("a.parquet")] == ["one", "two"]


def test_parquet_bytes_that_are_no_unicode_fail_alone() -> None:
    """A string column whose writer put other bytes into it costs that row alone."""
    raw = pa.array([b"good", b"\xff\xfe"]).view(pa.string())
    parquet.write_table(pa.table({"text": raw}), "a.parquet")
    assert [item.text for item in documents("a.parquet")] == ["good"]
    assert "not UTF-8" in failures("a.parquet")[0].reason


def test_folder_gives_txt_and_md_sorted() -> None:
    """Folders are walked in order, hidden names are passed over, other formats are noted."""
    for name in ("d/b.txt", "d/a.md", "d/z/c.TXT", "d/.hidden/x.txt", "d/.x.txt", "d/t.csv"):
        write(name, f"text\nof {name}\n")
    write("d/empty.md", "")
    found = opened("d")
    assert [source.name for source in found] == ["d/a.md", "d/b.txt", "d/z/c.TXT"]
    notes = "\n".join(found.notes)
    assert "d/empty.md is empty: passed over" in notes
    assert "1 .csv" in notes


def test_file_named_twice_is_read_once() -> None:
    """A file that is named, and in a folder that is named, gives its rows once, with a note."""
    write("d/a.txt", "one\n")
    found = opened("d", "d/a.txt", "./d/../d/a.txt")
    assert [source.name for source in found] == ["d/a.txt"]
    assert len(found.notes) == 2


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes on POSIX alone")
def test_file_name_of_any_bytes() -> None:
    """A file whose name is no Unicode is read under a name that can be written."""
    Path(os.fsdecode(b"d\xff.txt")).write_text("one\n")
    assert documents(os.fsdecode(b"d\xff.txt"))[0].source == "d\ufffd.txt"


def test_missing_file_is_named() -> None:
    """A file that is not there is an error of its own."""
    assert "gone.txt does not exist" in refusal("gone.txt")


@pytest.mark.parametrize("suffix", [".txt", ".md", ".csv", ".jsonl", ".parquet"])
def test_empty_file_is_refused(suffix: str) -> None:
    """An empty file that was named is an error in every format."""
    assert f"a{suffix} is empty" in refusal(write(f"a{suffix}", ""))


def test_parquet_without_rows_is_refused() -> None:
    """So is a Parquet file that has columns but no rows."""
    parquet.write_table(pa.table({"text": pa.array([], pa.string())}), "a.parquet")
    assert "no rows" in refusal("a.parquet")


@pytest.mark.parametrize("suffix", [".txt", ".md", ".csv", ".jsonl"])
def test_binary_file_is_refused(suffix: str) -> None:
    """A file with zero bytes is called binary, by name and offset."""
    message = refusal(write(f"a{suffix}", b"\x89PNG\r\n\x1a\n\0\0\0"))
    assert f"a{suffix} is a binary file (a zero byte at offset 8)" in message


def test_utf16_is_called_by_its_name() -> None:
    """What a Windows editor calls Unicode gets its own remedy."""
    assert "iconv -f UTF-16" in refusal(write("a.txt", "hello".encode("utf-16")))


@pytest.mark.parametrize("suffix", [".txt", ".md", ".csv", ".jsonl"])
def test_latin1_names_line_and_byte(suffix: str) -> None:
    """Latin-1 is refused with the line, the byte, its offset, and the command that converts."""
    message = refusal(write(f"a{suffix}", '"text"\n"fin"\n"caf\xe9 au lait"\n'.encode("latin-1")))
    assert f"a{suffix}: line 3: byte offset 17 (0xe9): not UTF-8" in message
    assert "iconv -f LATIN1 -t UTF-8" in message


@given(
    lines=st.lists(st.text(alphabet="aé€👩", max_size=4), max_size=5),
    bad=st.sampled_from([b"\xff", b"\xe2\x82", b"\xc3"]),
)
def test_bad_byte_costs_its_line_alone(lines: list[str], bad: bytes) -> None:
    """Line and offset of the first bad byte are right, and the lines around it are read."""
    before = "".join(line + "\n" for line in lines).encode()
    name = write("a.txt", before + bad + b"\nrest\n")
    (failure,) = failures(name)
    assert failure.line == len(lines) + 1
    assert f"byte offset {len(before)} (0x{bad[0]:02x})" in failure.reason
    assert documents(name)[-1].text == "rest"


def test_cut_off_character_at_the_end_is_found() -> None:
    """A file that ends within a character is not UTF-8 either."""
    assert "line 2: byte offset 4" in refusal(write("a.txt", b"one\n\xe2\x82"))


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", "id,body\n1,x\n"), ("a.jsonl", '{"id": 1, "body": "x"}\n')],
)
def test_missing_column_lists_those_there(name: str, content: str) -> None:
    """A column that is not there is an error that lists the others and names the option."""
    write(name, content)
    message = refusal(name)
    assert f"{name} has no column 'text'" in message
    assert "'id', 'body'" in message
    assert "--column" in message
    assert "--id" in refusal(name, column="body", identifier="key")


def test_parquet_column_has_to_be_there_and_hold_strings() -> None:
    """A missing column, and one of numbers, are both refused before anything is read."""
    parquet.write_table(pa.table({"id": [1], "body": ["x"]}), "a.parquet")
    assert "Its columns: 'id', 'body'" in refusal("a.parquet")
    assert "holds int64, not strings" in refusal("a.parquet", column="id")


def test_csv_column_that_is_there_twice_is_refused() -> None:
    """Two columns of one name cannot be told apart."""
    assert "more than one column 'text'" in refusal(write("a.csv", "text,text\na,b\n"))


def test_csv_without_a_header_row_is_refused() -> None:
    """A first line with nothing in it names no columns."""
    assert "line 1 is no header row" in refusal(write("a.csv", "\ntext\nx\n"))


@pytest.mark.parametrize(
    ("first", "said"),
    [("[", "not JSON"), ("[1, 2]", "a list, where an object is needed"), ("5", "a number")],
)
def test_file_that_is_no_json_lines_is_refused(first: str, said: str) -> None:
    """A first line that is no row means that the file is another format."""
    assert said in refusal(write("a.jsonl", first + "\n"))


def test_file_that_is_no_parquet_is_refused() -> None:
    """A file that only ends in .parquet is not believed."""
    assert "a.parquet is no Parquet file" in refusal(write("a.parquet", "text\n"))


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.json"])
def test_unknown_format_lists_the_known(name: str) -> None:
    """A file of another format is refused with the formats that are read."""
    message = refusal(write(name, "x"))
    assert f"{name}: files ending in" in message
    assert ".txt, .md, .markdown, .csv, .tsv, .jsonl" in message


@pytest.mark.skipif(os.name != "posix", reason="named pipes are POSIX's")
def test_pipe_with_a_name_is_refused() -> None:
    """A named pipe could only be read once: the message says how pipes are read."""
    os.mkfifo("a.txt")
    assert "A pipe is read as -" in refusal("a.txt")


def test_folder_without_texts_is_refused() -> None:
    """A folder that gives nothing is not passed over in silence, nor what else is in it."""
    Path("d").mkdir()
    assert "d: no .txt or .md file in this folder." in refusal("d")
    write("d/a.csv", "text\nx\n")
    assert "passed over: 1 .csv (name them to embed them, as in 'd/**/*.csv')" in refusal("d")


def test_every_bad_file_is_named_at_once() -> None:
    """All that is wrong is said in one go, also within a folder."""
    write("d/a.txt", b"caf\xe9\n")
    write("d/b.md", b"\0")
    message = refusal("gone.csv", "d")
    assert all(name in message for name in ("gone.csv", "d/a.txt", "d/b.md"))


def test_text_longer_than_the_limit_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one text may cost in memory is bounded: a longer line, or file, is a failure."""
    from ellmental_embeddings_jobs.sources import utf8, whole

    monkeypatch.setattr(utf8, "MAX_TEXT", 10)
    monkeypatch.setattr(utf8, "_CHUNK", 7)
    monkeypatch.setattr(whole, "MAX_TEXT", 10)
    name = write("a.txt", "short\n" + "x" * 110 + "\nafter\n" + "y" * 30)
    assert [item.text for item in documents(name)] == ["short", "after"]
    assert [(item.line, item.reason[:22]) for item in failures(name)] == [
        (2, "a line of 111 bytes: a"),
        (4, "a line of 30 bytes: a "),
    ]
    assert sum(item.size for item in items(name)) == Path(name).stat().st_size
    assert "longer than 10 bytes" in failures(write("a.md", "x" * 11))[0].reason


def test_unreadable_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without permission is an error with the system's reason."""

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    write("a.txt", "x")
    monkeypatch.setattr(Path, "open", refused)  # the tests may run as root, who reads everything
    assert "a.txt cannot be read: Permission denied" in refusal("a.txt")
