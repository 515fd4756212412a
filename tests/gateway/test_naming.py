"""Names of people: a file for its owner alone, read again when it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.naming import NameBook, Named
from ledgernode.errors import BadRequest

ANNA = '{"name":"A","lines":["1 Lane"],"place":"P"}'
GOOD = f'{{"utilities":{{"north":{{"name":"North Power"}}}},"customers":{{"north:h1":{ANNA}}}}}'


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    """Anew each time, as an editor or a mounted secret does it."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(mode)
    return new.replace(path)


def test_who_is_known_is_named_and_nobody_else(tmp_path: Path) -> None:
    book = NameBook(written(tmp_path / "names.json", GOOD))
    assert book.customer("north:h1") == Named("A", ("1 Lane",), "P")
    assert book.customer("north:h2") is None
    paper = book.of_bill("north", "north:h1")
    assert (paper.utility, paper.customer, paper.customer_lines, paper.place) == ("North Power", "A", ("1 Lane",), "P")
    assert (book.of_bill("south", "").utility, NameBook().of_bill("north", "north:h1").customer) == ("", "")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"people":{}}', '{"customers":{"a":{"age":7}}}', '{"customers":{"a":{"lines":[1,2]}}}']
)
def test_what_is_no_such_file_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadRequest):
        NameBook(written(tmp_path / "names.json", text))
    with pytest.raises(BadRequest):
        NameBook(tmp_path / "none.json")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(BadRequest, match="chmod 600"):
        NameBook(written(tmp_path / "names.json", GOOD, mode))


def test_names_are_read_again_and_a_broken_file_leaves_them_as_they_were(tmp_path: Path) -> None:
    path = written(tmp_path / "names.json", GOOD)
    book = NameBook(path)
    written(path, GOOD.replace('"A"', '"Anna"'))
    assert book.customer("north:h1") == Named("Anna", ("1 Lane",), "P")
    written(path, "{")
    assert book.customer("north:h1") == Named("Anna", ("1 Lane",), "P")
    path.unlink()
    assert book.customer("north:h1") == Named("Anna", ("1 Lane",), "P")
    written(path, "{}")
    assert book.customer("north:h1") is None
