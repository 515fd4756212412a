"""What a process shows its own operator: health and figures, on a plain HTTP listener of its own.

    /health/started   has it begun to do its work?
    /health/ready     should it be given work now?
    /health/live      does it still get anywhere, or should it be restarted?
    /metrics          figures, as Prometheus reads them

Rules of health are pure functions of a snapshot of facts (`node.health`, `gateway.health`); figures are read when they
are asked for, from counts that the parts keep anyway (`services.metrics`, `gateway.metrics`). Nothing here is secret,
and nothing here changes anything: the listener has no TLS, so it stands on the machine's own address or behind a
network policy (docs/observability.md).
"""
