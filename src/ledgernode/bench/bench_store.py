"""What the benchmark calls: values under keys of their own, and one key that every call changes."""

from chaincode.api import Context, Contract, query, transaction


class BenchStore(Contract):
    """Two writes, as small as a contract's write can be."""

    name = "bench_store"
    version = "1.0.0"

    @transaction
    def put(self, ctx: Context, key: str, value: str) -> None:
        ctx.put(key, value)

    @transaction
    def hot(self, ctx: Context, value: str) -> None:
        """Read, change and write the one key; nothing of it may be lost."""
        counted = ctx.get("counted", int)
        ctx.put("counted", 1 if counted is None else counted + 1)
        ctx.put("newest", value)

    @query
    def counted(self, ctx: Context) -> int:
        counted = ctx.get("counted", int)
        return 0 if counted is None else counted
