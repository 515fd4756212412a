"""Shells of houses: sockets and disks around the pure cores of `devices.house`.

http    as much of HTTP/1.1 as a controller of five dollars speaks
bus     the village's server: who is told to close its relays, and the page of each house
tie     a house's controller: a message a second, and a page of its own; tie_meter: its way to the ledger
agent   a home's agent between its machines (MQTT) and its people (HTTP)
sink    what it logged, to a time-series store
surroundings   prices, forecast, orders, trades and halts, between the ledger and the agent; home: a home's folder
"""
