"""The contracts that govern the ledger itself: identities, governance, chaincode life cycle."""
