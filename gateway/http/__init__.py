"""HTTP: for devices that speak nothing better, for vending partners, and for what is built beside them.

app.py        one application of several routers; its OpenAPI document is part of the product
problems.py   a refusal as `application/problem+json`, with the ledger's stable code
door.py       every request passes it: its id, its rate, its size, its time
server.py     uvicorn within the process' own event loop, TLS, draining
devices.py    who a device is: a secret, a signature over the request, or a certificate
payloads.py   what devices send, in the ledger's units (pure)
readings.py   POST /api/v1/readings
commands.py   GET /api/v1/commands and what is said about them
pages.py      the console's own files
demand.py     commands to devices that are asked, not asking
"""
