"""Events about people and things, and whose things they are."""

from chaincode.api import Context, Contract, query, transaction


class Diary(Contract):
    """A house is whose wallet has taken it."""

    name = "diary"
    version = "1.0.0"

    @transaction
    def take(self, ctx: Context, house: str) -> int:
        """From now on it is the signer's."""
        ctx.put(house, [ctx.creator.id, ctx.time_ms])
        return ctx.time_ms

    @transaction
    def note(self, ctx: Context, about: str, text: str) -> str:
        ctx.emit("Noted", about=about, text=text)
        return text

    @transaction
    def note_many(self, ctx: Context, about: list[str], text: str) -> str:
        ctx.emit("NotedTogether", notes=[[one, text] for one in about])
        return text

    @transaction
    def note_each(self, ctx: Context, about: list[str], text: str) -> str:
        for one in about:
            ctx.emit("Noted", about=one, text=text)
        return text

    @query
    def whose(self, ctx: Context, names: list[str]) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        for name in names:
            taken = ctx.get(name)
            if taken is not None:
                found.append((name, taken[1] if taken[0] == ctx.creator.id else -1))
        return found
