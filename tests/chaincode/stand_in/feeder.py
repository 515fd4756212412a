"""Stands in for the feeder in the tests of the market: halts and resumes."""

from chaincode.api import Context, Contract, transaction


class Feeder(Contract):
    name = "feeder"
    version = "0.0.1"

    @transaction
    def halt(self, ctx: Context, feeder: str, direction: str, until_ms: int) -> None:
        ctx.call("market", "halt", feeder=feeder, direction=direction, until_ms=until_ms)

    @transaction
    def resume(self, ctx: Context, feeder: str, direction: str) -> None:
        ctx.call("market", "resume", feeder=feeder, direction=direction)
