"""``python -m ledgernode.cli``."""

from ledgernode.cli.root import main

main()
