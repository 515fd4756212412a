"""A small contract, packed for the vectors."""

from chaincode.api import Context, Contract, query, transaction


class Register(Contract):
    name = "register"
    version = "1.0.0"

    @transaction
    def write(self, ctx: Context, key: str, text: str) -> None:
        ctx.put(key, text)

    @query
    def read(self, ctx: Context, key: str) -> str:
        return ctx.get(key, str) or "—"
