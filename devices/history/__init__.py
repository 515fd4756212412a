"""Measured files as integers: what houses used and generated, interval by interval.

    columns     which column is what, and in which unit: known names, or as the caller says
    stamps      when a row was: time stamps with or without a zone, or a calendar of months and hours
    registers   the same from the ledger, through the SDK
    reading     a file, a folder or several files into one `Series` a house; or which line makes no sense, and why
    series      the value; changing its step, and putting several on one grid

Energy is integer mWh per interval. It is rounded cumulatively: the sum of any run of intervals is within one mWh of
what the file says, however long the run and however fine the step.

Nothing is guessed: a column without a unit, a house that would draw a megawatt, an hour that comes twice are refused
(`HistoryInvalid`, with file, line and column). Rows that are missing or empty stay in the series, as not known.
"""
