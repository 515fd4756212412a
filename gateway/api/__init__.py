"""What pages ask: the read model's rows over HTTP, to whom they may be shown. docs/http.md says it for those who call.

scope        what a person may see; pure
asking       `Asking`, which every area is given: the model, who is there, the ledger behind; `Viewer`, one request
holdings     what the ledger has under a person's name
answering    how an answer leaves: ETag, `Model-Height`, bounds of a page, refusals
areas        the list of areas; a new one is one line there

ledger       facts, blocks, transactions, events, search
submitting   signed transactions and questions, handed on as they are
proofs       evidence of a transaction
registry     customers, claims, consents
points       points; `meters` what hangs there
names        of people, from the utility's own file
governance   organisations, identities, proposals, contracts
consensus    validators, their nodes, evidence against them
founding     the genesis file, by whose hash the ledger is known
live         what happens, as it happens: `news` says whom it is for (pure), `newsroom` reads each block once for all

accounts     currency accounts, postings, escrows
metering     consumption and generation over time, readings, now
prepaid      credit, tokens, shares, debts
tariffs      every version
billing      bills, as documents too, payments, runs, disputes
market       books, prices, orders, trades, deliveries, strategies
feeders      load, loss, flow (`flow`, pure), alerts
notices      what a person is to know without looking
exports      tables as CSV and Parquet
places       what areas about points have in common
"""
