"""Tables whose first line is not what their ending says: what they are, and the way out."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from ellmental_embeddings_jobs.errors import FilesError
from ellmental_embeddings_jobs.sources import Reading, open_sources


def refusal(name: str, content: str) -> str:
    """The message with which a file of this content is refused."""
    Path(name).write_text(content)
    with pytest.raises(FilesError) as caught:
        open_sources([name], Reading())
    return caught.value.message


def test_csv_of_semicolons_gets_a_hint() -> None:
    """A header that is one column with semicolons is explained, and the remedy works."""
    message = refusal("a.csv", 'id;text\n1;"x;y, z"\n')
    assert "Its columns: 'id;text'. It seems to be separated by semicolons" in message
    command = message[message.index("python3 ") :].splitlines()[0]
    subprocess.run(command.replace("python3", sys.executable), shell=True, check=True)
    lines = Path("converted.csv").read_text().splitlines()
    assert list(csv.reader(lines)) == [["id", "text"], ["1", "x;y, z"]]


def test_tables_with_the_wrong_ending_get_a_hint() -> None:
    """Tabs in a .csv and commas in a .tsv are read with --format."""
    said = "separated by tabs; read so, it has that column: say --format tsv."
    assert said in refusal("a.csv", "id\ttext\n1\tx\n")
    assert "say --format csv." in refusal("a.tsv", "id,text\n1,x\n")
    message = refusal("b.csv", " text \nx\n")
    assert "Its columns: ' text '. Choose one with --column." in message
