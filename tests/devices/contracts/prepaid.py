"""What a meter sees of prepaid: what it says of its balance, kept as it comes."""

from chaincode.api import Context, Contract, query, transaction


class Prepaid(Contract):
    """A list of what meters have signed."""

    name = "prepaid"
    version = "1.0.0"

    @transaction(roles=("meter",))
    def redeem(
        self, ctx: Context, pan: str, base: int, tid: int, token_hash: str, balance_mwh: int, counter: int
    ) -> None:
        said(ctx, f"redeem {token_hash[:8]}", balance_mwh, counter)

    @transaction(roles=("meter",))
    def refused(self, ctx: Context, token_hash: str, code: str) -> None:
        said(ctx, f"refused {code}", 0, 0)

    @transaction(roles=("meter",))
    def report_balance(self, ctx: Context, balance_mwh: int, counter: int) -> None:
        said(ctx, "balance", balance_mwh, counter)

    @transaction(roles=("meter",))
    def debit(
        self,
        ctx: Context,
        counter: int,
        recipient_pan: str,
        energy_mwh: int,
        balance_mwh: int,
        share: int = 0,
        verified: bool = False,
    ) -> None:
        said(ctx, f"debit {energy_mwh}", balance_mwh, counter)

    @query
    def told(self, ctx: Context, meter: str) -> list[list[str | int]]:
        return [one for _, one in ctx.matching("told", meter, type=list[str | int])]


def said(ctx: Context, what: str, balance_mwh: int, counter: int) -> None:
    number: int = ctx.get(ctx.key("number", ctx.creator.id), int) or 0
    ctx.put(ctx.key("number", ctx.creator.id), number + 1)
    ctx.put(ctx.key("told", ctx.creator.id, f"{number:06d}"), [what, balance_mwh, counter])
