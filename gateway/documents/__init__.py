"""What people keep: bills as PDF and CSV, tables as CSV and Parquet. Pure: records, names and a language in, bytes out.

bill     an invoice as the contract `billing` answers it, and where it is proven
groups   its lines as a person reads them: by stay, then by what they are for
speech   words, numbers and dates of a language
pdf      the bill on paper, with a QR code that leads to its proof
table    the bill as CSV, exact
tabular  rows of the read model as CSV and Parquet, batch by batch

The same input gives the same bytes, wherever and whenever: no clock, no fonts of the machine.
"""
