"""Letters of five by seven dots, as such displays have them, drawn with braille: eight dots to a character cell.

A letter stands in a cell of six by eight dots, which are three by two characters of the terminal. What has no letter of
its own is shown by its capital, and what is not known at all by a box.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CELL_COLUMNS: Final = 3
CELL_ROWS: Final = 2
_WIDTH, _HEIGHT = 5, 7
_BRAILLE: Final = 0x2800
_DOT: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bit of a dot, by row and column of a braille character."""

_SHEETS: Final = (
    (
        "0123456789",
        """
        .###. ..#.. .###. ##### ...#. ##### ..##. ##### .###. .###.
        #...# .##.. #...# ...#. ..##. #.... .#... ....# #...# #...#
        #..## ..#.. ....# ..#.. .#.#. ####. #.... ...#. #...# #...#
        #.#.# ..#.. ...#. ...#. #..#. ....# ####. ..#.. .###. .####
        ##..# ..#.. ..#.. ....# ##### ....# #...# .#... #...# ....#
        #...# ..#.. .#... #...# ...#. #...# #...# .#... #...# ...#.
        .###. .###. ##### .###. ...#. .###. .###. .#... .###. .##..
        """,
    ),
    (
        "ABCDEFGHI",
        """
        .###. ####. .###. ###.. ##### ##### .###. #...# .###.
        #...# #...# #...# #..#. #.... #.... #...# #...# ..#..
        #...# #...# #.... #...# #.... #.... #.... #...# ..#..
        ##### ####. #.... #...# ####. ####. #.### ##### ..#..
        #...# #...# #.... #...# #.... #.... #...# #...# ..#..
        #...# #...# #...# #..#. #.... #.... #...# #...# ..#..
        #...# ####. .###. ###.. ##### #.... .#### #...# .###.
        """,
    ),
    (
        "JKLMNOPQR",
        """
        ..### #...# #.... #...# #...# .###. ####. .###. ####.
        ...#. #..#. #.... ##.## #...# #...# #...# #...# #...#
        ...#. #.#.. #.... #.#.# ##..# #...# #...# #...# #...#
        ...#. ##... #.... #.#.# #.#.# #...# ####. #...# ####.
        ...#. #.#.. #.... #...# #..## #...# #.... #.#.# #.#..
        #..#. #..#. #.... #...# #...# #...# #.... #..#. #..#.
        .##.. #...# ##### #...# #...# .###. #.... .##.# #...#
        """,
    ),
    (
        "STUVWXYZ",
        """
        .#### ##### #...# #...# #...# #...# #...# #####
        #.... ..#.. #...# #...# #...# #...# #...# ....#
        #.... ..#.. #...# #...# #...# .#.#. #...# ...#.
        .###. ..#.. #...# #...# #.#.# ..#.. .#.#. ..#..
        ....# ..#.. #...# #...# #.#.# .#.#. ..#.. .#...
        ....# ..#.. #...# .#.#. #.#.# #...# ..#.. #....
        ####. ..#.. .###. ..#.. .#.#. #...# ..#.. #####
        """,
    ),
    (
        "khx.,:;'!?",
        """
        #.... #.... ..... ..... ..... ..... ..... ..##. ..#.. .###.
        #.... #.... ..... ..... ..... .##.. .##.. ..#.. ..#.. #...#
        #..#. #.##. #...# ..... ..... .##.. .##.. .#... ..#.. ....#
        #.#.. ##..# .#.#. ..... ..... ..... ..... ..... ..#.. ...#.
        ##... #...# ..#.. ..... .##.. .##.. .##.. ..... ..... ..#..
        #.#.. #...# .#.#. .##.. ..#.. .##.. ..#.. ..... ..... .....
        #..#. #...# #...# .##.. .#... ..... .#... ..... ..#.. ..#..
        """,
    ),
    (
        "+-*#=/()<>%&",
        """
        ..... ..... ..... .#.#. ..... ..... ...#. .#... ...#. .#... ##... .##..
        ..#.. ..... ..#.. .#.#. ..... ....# ..#.. ..#.. ..#.. ..#.. ##..# #..#.
        ..#.. ..... #.#.# ##### ##### ...#. .#... ...#. .#... ...#. ...#. #.#..
        ##### ##### .###. .#.#. ..... ..#.. .#... ...#. #.... ....# ..#.. .#...
        ..#.. ..... #.#.# ##### ##### .#... .#... ...#. .#... ...#. .#... #.#.#
        ..#.. ..... ..#.. .#.#. ..... #.... ..#.. ..#.. ..#.. ..#.. #..## #..#.
        ..... ..... ..... .#.#. ..... ..... ...#. .#... ...#. .#... ...## .##.#
        """,
    ),
)


def _read() -> dict[str, tuple[str, ...]]:
    letters: dict[str, tuple[str, ...]] = {" ": ("." * _WIDTH,) * _HEIGHT}
    for names, sheet in _SHEETS:
        rows = [row.split() for row in sheet.split("\n") if row.strip()]
        assert len(rows) == _HEIGHT
        for name, letter in zip(names, zip(*rows, strict=True), strict=True):
            assert all(len(row) == _WIDTH for row in letter)
            letters[name] = letter
    return letters


LETTERS: Final[Mapping[str, tuple[str, ...]]] = _read()
BOX: Final = ("#####", *("#...#",) * 5, "#####")


def drawn(line: str) -> tuple[str, ...]:
    """A line of text as rows of braille."""
    letters = [LETTERS.get(letter) or LETTERS.get(letter.upper()) or BOX for letter in line]
    return tuple("".join(_cells(letter, row) for letter in letters) for row in range(CELL_ROWS))


def _cells(letter: tuple[str, ...], row: int) -> str:
    """The three characters of a letter in one row of the terminal."""
    found = []
    for column in range(CELL_COLUMNS):
        bits = 0
        for down, across_bits in enumerate(_DOT):
            for across, bit in enumerate(across_bits):
                y, x = 4 * row + down, 2 * column + across
                if y < _HEIGHT and x < _WIDTH and letter[y][x] == "#":
                    bits |= bit
        found.append(chr(_BRAILLE | bits))
    return "".join(found)
