"""The customer unit as one would hang it on a wall, in a terminal: display, keypad and lamps.

dots     letters of five by seven dots, as braille
bench    a meter with a load, a clock and somebody who presses keys: what the display is driven by
app      the unit itself, with Textual (`pip install ledgernode[community]`)
"""
