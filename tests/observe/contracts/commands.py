"""What traces need of commands: a text for a meter's display, and the meter's answer."""

from chaincode.api import Context, Contract, transaction


class Commands(Contract):
    """Without points, staff and rounds."""

    name = "commands"
    version = "1.0.0"

    @transaction
    def message(self, ctx: Context, meter: str, number: int, text: str) -> None:
        ctx.emit("MeterCommanded", command=number, meter=meter, number=number, kind="message", text=text)

    @transaction(roles=("meter",))
    def answer(self, ctx: Context, number: int, code: str) -> None:
        ctx.emit("CommandAnswered", command=number, meter=ctx.creator.id, number=number, kind="message", code=code)
