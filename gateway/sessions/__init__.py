"""Who is there: people enter with their wallet's key, and hold a ticket for a while.

challenges   what a wallet signs to enter; each once
tickets      what stands for a person between two requests
people       who a key belongs to, as the ledger says
paces        how fast a person may ask, and an address try to enter
staff        entering by an organisation's OpenID provider, to look; `openid` is our side of that protocol
router       `/api/v1/session`, and `present`, which every other route asks who is there
"""
