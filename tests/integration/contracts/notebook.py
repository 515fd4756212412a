"""A notebook: notes under keys, a reminder, and functions that misbehave, for tests against running nodes."""

from chaincode.api import Context, Contract, Refusal, query, transaction


class AlreadyWritten(Refusal):
    """This key has a note already."""

    code = "ALREADY_WRITTEN"


class Notebook(Contract):
    """Notes that are written once or overwritten."""

    name = "notebook"
    version = "1.0.0"

    @transaction
    def put(self, ctx: Context, key: str, text: str) -> None:
        ctx.put(key, text)

    @transaction
    def write_once(self, ctx: Context, key: str, text: str) -> str:
        if ctx.get(key) is not None:
            raise AlreadyWritten("there is a note under this key")
        ctx.put(key, text)
        ctx.emit("Written", key=key)
        return key

    @transaction(items="notes")
    def write_many(self, ctx: Context, notes: list[str]) -> int:
        for place, text in enumerate(notes):
            ctx.put(ctx.key("note", str(place)), text)
        return len(notes)

    @transaction(roles=("regulator",))
    def inspect(self, ctx: Context) -> None:
        ctx.emit("Inspected")

    @transaction
    def remind(self, ctx: Context, name: str, due_ms: int) -> None:
        ctx.schedule(name, due_ms, "remember", key=name)

    @transaction
    def remember(self, ctx: Context, key: str) -> None:
        ctx.put(key, "remembered")
        ctx.emit("Remembered", key=key)

    @transaction
    def spin(self, ctx: Context) -> None:
        while True:
            ctx.put("spin", 1)

    @transaction
    def key_with_nul(self, ctx: Context) -> None:
        ctx.put("a\x00b", 1)

    @query
    def get(self, ctx: Context, key: str) -> str | None:
        return ctx.get(key)

    @query
    def count(self, ctx: Context) -> int:
        return sum(1 for _ in ctx.range())

    @query
    def toil(self, ctx: Context, turns: int) -> int:
        done = 0
        for _ in range(turns):
            done += 1
        return done

    @query
    def scribble(self, ctx: Context) -> None:
        ctx.put("scribble", 1)
