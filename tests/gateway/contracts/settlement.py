"""What a gateway sees of settlement: numbered commands to devices, acknowledged or timed out."""

from chaincode.api import Context, Contract, transaction


class Settlement(Contract):
    """Commands without trades behind them."""

    name = "settlement"
    version = "1.0.0"

    @transaction
    def command(self, ctx: Context, number: int, device: str, action: str) -> None:
        text = f"New Transaction #{number}: energy from a → b"
        ctx.emit("DeliveryCommanded", command=number, trade=number, device=device, action=action, text=text)

    @transaction
    def trade(self, ctx: Context, number: int, feeder: str, notice: int) -> None:
        """Delivery begins at a device that nobody has."""
        text = f"New Transaction #{number}: energy from a → b"
        common = {"trade": number, "device": "none", "action": "out", "text": text}
        ctx.emit("DeliveryCommanded", command=number, feeder=feeder, notice=notice, **common)

    @transaction
    def acknowledge(self, ctx: Context, command: int, measured_mwh: int = 0) -> None:
        ctx.emit("DeliveryAcknowledged", command=command, trade=command, measured_mwh=measured_mwh)

    @transaction
    def time_out(self, ctx: Context, command: int) -> None:
        ctx.emit("DeliveryTimedOut", command=command, trade=command)
