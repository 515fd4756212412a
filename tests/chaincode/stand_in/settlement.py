"""Stands in for settlement in the tests of the market: takes trades over, checks their money, pays them at once.

It judges a trade as settlement does before it takes it, so that a market that hands down a wrong one fails here too.
"""

from chaincode.api import Context, Contract, Record, Refusal, query, transaction

INTERVAL_MS = 900_000


class Obligation(Record):
    area: str
    seller_point: str
    buyer_point: str
    seller: str
    buyer: str
    seller_customer: str
    buyer_customer: str
    energy_wh: int
    price_micro: int
    from_ms: int
    until_ms: int
    escrow_minor: int
    fee_micro: int = 0
    fee_account: str = ""
    pledge_minor: int = 0
    trade: int = 0


class TradeInvalid(Refusal):
    code = "TRADE_INVALID"


class AreaUnknown(Refusal):
    code = "AREA_UNKNOWN"


class Settlement(Contract):
    name = "settlement"
    version = "0.0.1"

    @transaction
    def open_area(self, ctx: Context, area: str) -> None:
        ctx.put("area/" + area, True)

    @query
    def area(self, ctx: Context, area: str) -> bool:
        if not ctx.get("area/" + area):
            raise AreaUnknown(area)
        return True

    @query
    def trade_count(self, ctx: Context) -> int:
        return ctx.get("trades", int) or 0

    @query
    def trade(self, ctx: Context, trade: int) -> Obligation | None:
        return ctx.get(f"trade/{trade:012d}", Obligation)

    @query
    def all(self, ctx: Context) -> list[Obligation]:
        return [found for _, found in ctx.range("trade/", "trade0", type=Obligation)]

    @transaction
    def agree(self, ctx: Context, obligation: Obligation) -> int:
        assert ctx.caller == "market"
        number = (ctx.get("trades", int) or 0) + 1
        found = obligation.replace(trade=number)
        if found.from_ms % INTERVAL_MS or found.until_ms % INTERVAL_MS or not found.from_ms < found.until_ms:
            raise TradeInvalid("a window is of whole intervals")
        if found.until_ms <= ctx.time_ms or found.energy_wh <= 0 or found.escrow_minor <= 0 or found.fee_micro < 0:
            raise TradeInvalid("a trade is ahead, of some energy, with money")
        if found.seller_customer == found.buyer_customer:
            raise TradeInvalid("one customer does not trade with itself")
        for point, customer in ((found.seller_point, found.seller_customer), (found.buyer_point, found.buyer_customer)):
            if ctx.call("registry", "span", point=point, time_ms=found.from_ms)["customer"] != customer:
                raise TradeInvalid("somebody else lives there")
        require_escrow(ctx, found.buyer, f"trade/{number}", found.escrow_minor)
        if found.pledge_minor:
            require_escrow(ctx, found.seller, f"pledge/{number}", found.pledge_minor)
        ctx.put("trades", number)
        ctx.put(f"trade/{number:012d}", found)
        return number

    @transaction
    def deliver(self, ctx: Context, trade: int, seller_minor: int, fee_minor: int) -> None:
        """Pay a trade as if it had been delivered, and give back what is left."""
        found = ctx.get(f"trade/{trade:012d}", Obligation)
        assert found is not None
        paid = [(found.seller, seller_minor)]
        if fee_minor:
            paid.append((found.fee_account, fee_minor))
        debits = [(found.buyer, f"trade/{trade}", seller_minor + fee_minor)]
        ctx.call("currency", "distribute", debits=debits, credits=paid, purpose="delivered")
        if found.escrow_minor > seller_minor + fee_minor:
            ctx.call("currency", "refund_escrow", owner=found.buyer, escrow=f"trade/{trade}")
        if found.pledge_minor:
            ctx.call("currency", "refund_escrow", owner=found.seller, escrow=f"pledge/{trade}")


def require_escrow(ctx: Context, owner: str, escrow: str, amount_minor: int) -> None:
    held = ctx.call("currency", "escrow", owner=owner, escrow=escrow)
    if held["keeper"] != ctx.contract or held["amount_minor"] != amount_minor or held["beneficiary"]:
        raise TradeInvalid(f"escrow {escrow} does not hold {amount_minor}")
