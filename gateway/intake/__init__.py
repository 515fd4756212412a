"""The ways in. Each is a thin shell around the desk, which knows nothing of how something came.

    relay.py    is this a transaction a gateway may keep? (pure)
    desk.py     who sends what, and the answer: safe, or a code
    streams.py  who may open a stream, one each (pure)
    stream.py   one device's gRPC stream
    service.py  the gRPC server

HTTP and MQTT plug in beside `service.py`: they find out who sends, and hand bytes to the desk.
"""
