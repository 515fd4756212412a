"""What a meter sees of metering: rows in, kept as they come, also if they came twice; notices."""

from chaincode.api import Context, Contract, query, transaction


class Metering(Contract):
    """Rows as they were recorded."""

    name = "metering"
    version = "1.0.0"

    @transaction(roles=("meter",))
    def record(self, ctx: Context, rows: list[list[int]], columns: list[str]) -> int:
        number: int = ctx.get(ctx.key("batches", ctx.creator.id), int) or 0
        ctx.put(ctx.key("batch", ctx.creator.id, f"{number:06d}"), rows)
        ctx.put(ctx.key("batches", ctx.creator.id), number + 1)
        return len(rows)

    @transaction(roles=("meter",))
    def report(self, ctx: Context, kind: str, time_ms: int, detail: str = "") -> None:
        ctx.emit("TamperReported", meter=ctx.creator.id, kind=kind, detail=detail)

    @query
    def rows(self, ctx: Context, meter: str) -> list[list[int]]:
        found: list[list[int]] = []
        for _, batch in ctx.matching("batch", meter, type=list[list[int]]):
            found = [*found, *batch]
        return found
