"""What pages ask: the read model's rows over HTTP, to whom they may be shown. docs/http.md says it for those who call.

scope        what a person may see; pure
asking       `Asking`, which every area is given: the model, who is there, the ledger behind; `Viewer`, one request
holdings     what the ledger has under a person's name
answering    how an answer leaves: ETag, `Model-Height`, bounds of a page, refusals
areas        the list of areas; a new one is one line there

ledger       facts, blocks, transactions, events, search
submitting   signed transactions and questions, handed on as they are
proofs       evidence of a transaction
registry     customers, points, meters, claims, consents
governance   organisations, identities, proposals, contracts
consensus    validators, their nodes, evidence against them
live         what happens, as it happens: `news` says whom it is for (pure), `newsroom` reads each block once for all
"""
