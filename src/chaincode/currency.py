"""Currency: money in minor units, issued by one organisation, held by identities, never made or lost in between.

    account    what an identity has: available, and in escrow. Named by the permanent identity id
    supply     what was minted less what was burned: the sum of all accounts, after every call
    escrow     money set aside by its owner for a purpose, until it is released to another or refunded
    rewards    how much more blocks of proof of work may mint for their miners
    statement  every movement of an account, numbered, with the balances after it

Rules it keeps:

* only the issuer mints and burns: an admin or operator of the organisation that established the currency.
  What one person mints and burns within a day (UTC, block time) stays within the approval limit; above
  it a second person of the issuer approves what the first has proposed;
* a block mints its reward within what the issuer has allowed for rewards, whole or not at all. To allow takes who may
  mint, alone or with a second person; to stop takes one of the issuer's people;
* money is burned from the issuer's own people's accounts: nobody's money is taken away;
* an account begins with its first credit, and only for an identity that this ledger knows;
* contracts name their escrows `<kind>/<number>`; nobody opens one of such a name directly, to be in their way;
* an escrow opened directly is released by its owner, to its beneficiary alone, and refunded by the
  beneficiary; one that a contract opened for the signer is released and refunded by that contract
  alone; either can be refunded by the owner once its term is over;
* a contract may split the escrows it keeps, hand them to another contract, and pay out of many to many at
  once, all of it or nothing: what is taken is what is given;
* another contract moves a signer's money through an escrow only, so that every such movement has a
  purpose and a keeper. Organisations that approve a contract approve that it may do so.

Warning: whoever calls `establish` first is the issuer. Call it in the hour in which the contract is committed.

Roles: admin and operator of the issuer mint, burn, propose, approve, allow and stop rewards; every identity transfers
its own; a mined block calls `reward`, nobody else can;
the owner, the issuer's people and regulators read an account.
Events: CurrencyEstablished, Minted, Burned, Transferred, EscrowOpened, EscrowToppedUp, EscrowSplit, EscrowReleased,
EscrowRefunded, Distributed, IssueProposed, IssueApproved, IssueWithdrawn, RewardsAllowed, RewardsStopped.
"""

from chaincode.api import Context, Contract, Record, Refusal, query, transaction

LARGEST_MINOR = 9_007_199_254_740_991
PURPOSE_CHARACTERS = 140
NAME_CHARACTERS = 100
STATEMENT_ENTRIES = 100
DISTRIBUTED_AT_ONCE = 250
DAY_MS = 86_400_000
ISSUING_ROLES = ("admin", "operator")
MINT = "mint"
BURN = "burn"
REWARDS = "rewards"

# ---------------------------------------------------------------- records


class Book(Record):
    """The currency itself, under the key `book`."""

    code: str
    digits: int
    issuer: str
    approval_above_minor: int
    supply_minor: int


class Account(Record):
    """Under `account`, identity."""

    available_minor: int
    escrow_minor: int
    entries: int


class Balance(Record):
    """What an account has: to spend, in escrow, and in all."""

    available_minor: int
    escrow_minor: int
    total_minor: int
    entries: int


class Entry(Record):
    """One movement of an account, under `entry`, identity, number; the balances are those after it."""

    number: int
    kind: str
    amount_minor: int
    other: str
    purpose: str
    available_minor: int
    escrow_minor: int
    time_ms: int
    transaction_id: str


class Escrow(Record):
    """Under `escrow`, owner, name. `keeper` is the contract that opened it, '' when the owner did."""

    owner: str
    name: str
    keeper: str
    beneficiary: str
    purpose: str
    amount_minor: int
    refundable_from_ms: int


class Rewards(Record):
    """Under `rewards`: what blocks may still mint, and what they have minted."""

    left_minor: int
    minted_minor: int


class Issue(Record):
    """What waits for a second person, under `issue`, id of the proposing transaction: a mint, a burn, an allowance
    for rewards."""

    kind: str
    proposer: str
    account: str
    amount_minor: int
    purpose: str


class Alone(Record):
    """What one person minted, burned and allowed on a day without a second one, under `alone`, identity."""

    day: int
    amount_minor: int


class Statement(Record):
    """Entries, newest first; `before` is where the next page begins, 0 at the end."""

    entries: list[Entry]
    before: int


class Reconciliation(Record):
    """Whether an account adds up: its escrows hold what it has in escrow, its last entry ends at its balances."""

    agrees: bool
    available_minor: int
    escrow_minor: int
    escrows_minor: int
    entries: int


# ---------------------------------------------------------------- refusals


class NotEstablished(Refusal):
    """There is no issuer yet."""

    code = "NOT_ESTABLISHED"


class AlreadyEstablished(Refusal):
    """The currency has its issuer."""

    code = "ALREADY_ESTABLISHED"


class NotTheIssuer(Refusal):
    """Only an admin or operator of the issuer may do this."""

    code = "NOT_THE_ISSUER"


class SecondPersonNeeded(Refusal):
    """The day's amount is above what one person may mint or burn alone."""

    code = "SECOND_PERSON_NEEDED"


class SamePerson(Refusal):
    """The second person must be another one."""

    code = "SAME_PERSON"


class IssueUnknown(Refusal):
    """No such mint, burn or allowance waits for approval."""

    code = "ISSUE_UNKNOWN"


class RewardsSpent(Refusal):
    """The issuer has allowed less for rewards than this one."""

    code = "REWARDS_SPENT"


class AmountOutOfRange(Refusal):
    """An amount is positive, and neither it nor the supply goes beyond 2^53-1."""

    code = "AMOUNT_OUT_OF_RANGE"


class TextOutOfRange(Refusal):
    """A name or purpose is missing or too long."""

    code = "TEXT_OUT_OF_RANGE"


class InsufficientBalance(Refusal):
    """The account has less available than is asked for."""

    code = "INSUFFICIENT_BALANCE"


class TransferToSelf(Refusal):
    """Sender and recipient are the same account."""

    code = "TRANSFER_TO_SELF"


class DirectCallsOnly(Refusal):
    """This moves the signer's money, so the signer's transaction calls it, not another contract."""

    code = "DIRECT_CALLS_ONLY"


class EscrowExists(Refusal):
    """The owner has an escrow of this name."""

    code = "ESCROW_EXISTS"


class EscrowUnknown(Refusal):
    """The owner has no escrow of this name."""

    code = "ESCROW_UNKNOWN"


class EscrowTooSmall(Refusal):
    """The escrow holds less than is to be released."""

    code = "ESCROW_TOO_SMALL"


class Unbalanced(Refusal):
    """What is taken from escrows is not what is given to accounts, or there is too much of it at once."""

    code = "UNBALANCED"


class NotTheKeeper(Refusal):
    """Somebody else decides over this escrow."""

    code = "NOT_THE_KEEPER"


class NotYourAccount(Refusal):
    """An account is read by its owner, the issuer's people and regulators."""

    code = "NOT_YOUR_ACCOUNT"


# ---------------------------------------------------------------- the contract


class Currency(Contract):
    name = "currency"
    version = "1.1.0"

    # ------------------------------------------------------------ issuing

    @transaction(roles=("admin",))
    def establish(self, ctx: Context, code: str, digits: int, approval_above_minor: int) -> Book:
        """Make the caller's organisation the issuer. Refuses a second time."""
        require_direct(ctx)
        if ctx.get("book", Book) is not None:
            raise AlreadyEstablished("this currency has its issuer")
        require_text(code, 12, "code")
        if not 0 <= digits <= 6 or not 0 <= approval_above_minor <= LARGEST_MINOR:
            raise AmountOutOfRange("a currency has 0 to 6 digits and an approval limit from 0 to 2^53-1")
        book = Book(
            code=code,
            digits=digits,
            issuer=ctx.creator.organisation,
            approval_above_minor=approval_above_minor,
            supply_minor=0,
        )
        ctx.put("book", book)
        ctx.emit("CurrencyEstablished", code=code, issuer=book.issuer, approval_above_minor=approval_above_minor)
        return book

    @transaction
    def mint(self, ctx: Context, account: str, amount_minor: int, purpose: str) -> Account:
        """Make money on an account. Refuses all but the issuer's people, and more than one may alone."""
        require_alone(ctx, require_issuer(ctx), amount_minor)
        return minted(ctx, account, amount_minor, purpose)

    @transaction
    def burn(self, ctx: Context, amount_minor: int, purpose: str) -> Account:
        """Take money of the caller's own account out of the world; refusals as for `mint`."""
        require_alone(ctx, require_issuer(ctx), amount_minor)
        return burned(ctx, ctx.creator.id, amount_minor, purpose)

    @transaction
    def propose(self, ctx: Context, kind: str, account: str, amount_minor: int, purpose: str) -> str:
        """Ask a second person of the issuer for a mint, a burn of one's own, or an allowance for rewards.

        Answers the id to approve. An allowance names no account.
        """
        require_issuer(ctx)
        require_amount(amount_minor)
        require_text(purpose, PURPOSE_CHARACTERS, "purpose")
        if kind not in (MINT, BURN, REWARDS):
            raise TextOutOfRange(f"one proposes to {MINT}, to {BURN}, or {REWARDS}")
        if kind == REWARDS and account != "":
            raise TextOutOfRange("an allowance for rewards names no account: blocks pay whoever finds them")
        if kind == BURN and account != ctx.creator.id:
            raise NotYourAccount("one proposes to burn from one's own account")
        issue = Issue(kind=kind, proposer=ctx.creator.id, account=account, amount_minor=amount_minor, purpose=purpose)
        ctx.put(ctx.key("issue", ctx.transaction_id), issue)
        ctx.emit(
            "IssueProposed",
            issue=ctx.transaction_id,
            kind=kind,
            account=account,
            amount_minor=amount_minor,
            proposer=issue.proposer,
        )
        return ctx.transaction_id

    @transaction
    def approve(self, ctx: Context, issue: str) -> Account | Rewards:
        """Carry out what another person of the issuer proposed. Refuses the proposer."""
        require_issuer(ctx)
        found = issue_of(ctx, issue)
        if found.proposer == ctx.creator.id:
            raise SamePerson("the second person is another one than the proposer")
        ctx.delete(ctx.key("issue", issue))
        ctx.emit("IssueApproved", issue=issue, proposer=found.proposer, approver=ctx.creator.id)
        if found.kind == MINT:
            return minted(ctx, found.account, found.amount_minor, found.purpose)
        if found.kind == REWARDS:
            return allowed(ctx, found.amount_minor)
        return burned(ctx, found.account, found.amount_minor, found.purpose)

    @transaction
    def withdraw(self, ctx: Context, issue: str) -> None:
        """Take back what waits for approval; anyone of the issuer's people may."""
        require_issuer(ctx)
        issue_of(ctx, issue)
        ctx.delete(ctx.key("issue", issue))
        ctx.emit("IssueWithdrawn", issue=issue, withdrawn_by=ctx.creator.id)

    # ------------------------------------------------------------ rewards of mined blocks

    @transaction
    def allow_rewards(self, ctx: Context, amount_minor: int) -> Rewards:
        """Let blocks mint so much more for their miners; refusals as for `mint`, whose limit it counts against."""
        require_alone(ctx, require_issuer(ctx), amount_minor)
        return allowed(ctx, amount_minor)

    @transaction
    def stop_rewards(self, ctx: Context) -> Rewards:
        """Leave nothing of what was allowed; anyone of the issuer's people may."""
        require_issuer(ctx)
        stopped = rewards_of(ctx)
        ctx.put("rewards", stopped.replace(left_minor=0))
        ctx.emit("RewardsStopped", left_minor=stopped.left_minor, stopped_by=ctx.creator.id)
        return stopped.replace(left_minor=0)

    @transaction(roles=("block",))
    def reward(self, ctx: Context, miner: str, amount_minor: int) -> Account:
        """Mint for whoever found this block; called by the block itself. Refuses more than is left allowed."""
        require_amount(amount_minor)
        found = rewards_of(ctx)
        if amount_minor > found.left_minor:
            raise RewardsSpent(f"{found.left_minor} is left of what the issuer allowed, a block pays {amount_minor}")
        left_minor = found.left_minor - amount_minor
        ctx.put("rewards", Rewards(left_minor=left_minor, minted_minor=found.minted_minor + amount_minor))
        return minted(ctx, miner, amount_minor, "block " + str(ctx.height))

    # ------------------------------------------------------------ moving

    @transaction
    def transfer(self, ctx: Context, to: str, amount_minor: int, purpose: str = "") -> Account:
        """Pay from the caller's account. Refuses more than is available, and oneself as recipient."""
        require_direct(ctx)
        require_amount(amount_minor)
        sender = ctx.creator.id
        if to == sender:
            raise TransferToSelf("sender and recipient are the same account")
        left = moved(ctx, sender, "sent", -amount_minor, 0, other=to, purpose=purpose)
        moved(ctx, to, "received", amount_minor, 0, other=sender, purpose=purpose)
        ctx.emit("Transferred", sender=sender, recipient=to, amount_minor=amount_minor, purpose=purpose)
        return left

    @transaction
    def open_escrow(
        self,
        ctx: Context,
        escrow: str,
        amount_minor: int,
        purpose: str,
        beneficiary: str = "",
        refundable_from_ms: int = 0,
    ) -> Escrow:
        """Set the signer's money aside under a name of their own.

        Refuses a name in use, more than is available, and (called directly) an escrow without another
        identity as beneficiary. A term of 0 never ends.
        """
        owner = ctx.creator.id
        require_amount(amount_minor)
        require_text(escrow, NAME_CHARACTERS, "escrow's name")
        require_text(purpose, PURPOSE_CHARACTERS, "purpose")
        if not ctx.caller and "/" in escrow:
            raise TextOutOfRange("a name with a slash is one that a contract gives")
        if not ctx.caller and beneficiary in ("", owner):
            raise NotTheKeeper("an escrow that no contract keeps is for another identity: name the beneficiary")
        if beneficiary:
            account_of(ctx, beneficiary)
        if ctx.get(ctx.key("escrow", owner, escrow), Escrow) is not None:
            raise EscrowExists(f"there is an escrow {escrow} of this owner already")
        opened = Escrow(
            owner=owner,
            name=escrow,
            keeper=ctx.caller,
            beneficiary=beneficiary,
            purpose=purpose,
            amount_minor=amount_minor,
            refundable_from_ms=refundable_from_ms,
        )
        moved(ctx, owner, "escrowed", -amount_minor, amount_minor, other=beneficiary, purpose=purpose)
        ctx.put(ctx.key("escrow", owner, escrow), opened)
        ctx.emit(
            "EscrowOpened",
            owner=owner,
            escrow=escrow,
            keeper=opened.keeper,
            beneficiary=beneficiary,
            amount_minor=amount_minor,
            purpose=purpose,
        )
        return opened

    @transaction
    def release_escrow(self, ctx: Context, owner: str, escrow: str, to: str, amount_minor: int) -> Escrow:
        """Pay from an escrow, all of it or a part; what is left stays there. Refuses all but who keeps it."""
        held = escrow_of(ctx, owner, escrow)
        require_amount(amount_minor)
        if ctx.caller != held.keeper or (not held.keeper and ctx.creator.id != owner):
            raise NotTheKeeper(f"escrow {escrow} is released by {held.keeper or 'its owner'}")
        if held.beneficiary and to != held.beneficiary:
            raise NotTheKeeper(f"escrow {escrow} pays its beneficiary and nobody else")
        if to == owner:
            raise TransferToSelf("money goes back to its owner by a refund")
        if amount_minor > held.amount_minor:
            raise EscrowTooSmall(f"escrow {escrow} holds {held.amount_minor}, {amount_minor} were to be released")
        moved(ctx, owner, "released", 0, -amount_minor, other=to, purpose=held.purpose)
        moved(ctx, to, "received", amount_minor, 0, other=owner, purpose=held.purpose)
        ctx.emit("EscrowReleased", owner=owner, escrow=escrow, recipient=to, amount_minor=amount_minor)
        return kept(ctx, held.replace(amount_minor=held.amount_minor - amount_minor))

    @transaction
    def refund_escrow(self, ctx: Context, owner: str, escrow: str) -> Account:
        """Give what an escrow holds back to its owner; refuses all but who may, as the rules say."""
        held = escrow_of(ctx, owner, escrow)
        kept_by_caller = ctx.caller == held.keeper and (held.keeper != "" or ctx.creator.id == held.beneficiary)
        term_over = 0 < held.refundable_from_ms <= ctx.time_ms
        if not kept_by_caller and not (term_over and not ctx.caller and ctx.creator.id == owner):
            raise NotTheKeeper(f"escrow {escrow} is refunded by {held.keeper or 'its beneficiary'}, or after its term")
        amount = held.amount_minor
        back = moved(ctx, owner, "refunded", amount, -amount, other=held.beneficiary, purpose=held.purpose)
        kept(ctx, held.replace(amount_minor=0))
        ctx.emit("EscrowRefunded", owner=owner, escrow=escrow, amount_minor=amount)
        return back

    # ------------------------------------------------------------ for the contracts that keep escrows

    @transaction
    def top_up_escrow(self, ctx: Context, escrow: str, amount_minor: int) -> Escrow:
        """Add the signer's money to an escrow of their own; for the contract that keeps it."""
        held = kept_by_caller(ctx, ctx.creator.id, escrow)
        require_amount(amount_minor)
        moved(ctx, held.owner, "escrowed", -amount_minor, amount_minor, other=held.beneficiary, purpose=held.purpose)
        ctx.emit("EscrowToppedUp", owner=held.owner, escrow=escrow, amount_minor=amount_minor)
        return kept(ctx, held.replace(amount_minor=held.amount_minor + amount_minor))

    @transaction
    def split_escrow(
        self, ctx: Context, owner: str, escrow: str, into: str, amount_minor: int, keeper: str = ""
    ) -> Escrow:
        """Put a part of an escrow into another of the same owner, for the contract that keeps it.

        The other one is kept by `keeper`, by default the caller; one that is open under that name and so
        kept gets more. Refuses more than there is, and a name that somebody else keeps. No balance changes.
        """
        held = kept_by_caller(ctx, owner, escrow)
        require_amount(amount_minor)
        require_text(into, NAME_CHARACTERS, "escrow's name")
        if amount_minor > held.amount_minor:
            raise EscrowTooSmall(f"escrow {escrow} holds {held.amount_minor}, {amount_minor} were to be split off")
        there = ctx.get(ctx.key("escrow", owner, into), Escrow)
        if into == escrow or (there is not None and there.keeper != (keeper or ctx.caller)):
            raise EscrowExists(f"there is an escrow {into} of this owner already")
        part = there or held.replace(name=into, keeper=keeper or ctx.caller, amount_minor=0)
        kept(ctx, held.replace(amount_minor=held.amount_minor - amount_minor))
        ctx.emit("EscrowSplit", owner=owner, escrow=escrow, into=into, keeper=part.keeper, amount_minor=amount_minor)
        return kept(ctx, part.replace(amount_minor=part.amount_minor + amount_minor))

    @transaction
    def refund_part(self, ctx: Context, owner: str, escrow: str, amount_minor: int) -> Account:
        """Give a part of an escrow back to its owner, for the contract that keeps it."""
        held = kept_by_caller(ctx, owner, escrow)
        require_amount(amount_minor)
        if amount_minor > held.amount_minor:
            raise EscrowTooSmall(f"escrow {escrow} holds {held.amount_minor}, {amount_minor} were to be refunded")
        back = moved(ctx, owner, "refunded", amount_minor, -amount_minor, other="", purpose=held.purpose)
        kept(ctx, held.replace(amount_minor=held.amount_minor - amount_minor))
        ctx.emit("EscrowRefunded", owner=owner, escrow=escrow, amount_minor=amount_minor)
        return back

    @transaction
    def distribute(
        self, ctx: Context, debits: list[tuple[str, str, int]], credits: list[tuple[str, int]], purpose: str
    ) -> int:
        """Pay from many escrows, as (owner, escrow, minor units), to many accounts, as (account, minor units).

        For the contract that keeps all of these escrows; answers the sum. Refuses sums that differ, and
        more than 250 of either. Each account has one entry, an owner may be among the paid.
        """
        if len(debits) > DISTRIBUTED_AT_ONCE or len(credits) > DISTRIBUTED_AT_ONCE:
            raise Unbalanced(f"at most {DISTRIBUTED_AT_ONCE} escrows and accounts at once")
        taken: dict[str, int] = {}
        given: dict[str, int] = {}
        for owner, escrow, amount_minor in debits:
            held = kept_by_caller(ctx, owner, escrow)
            require_amount(amount_minor)
            if amount_minor > held.amount_minor:
                raise EscrowTooSmall(f"escrow {escrow} holds {held.amount_minor}, {amount_minor} were to be paid")
            if held.beneficiary:
                raise NotTheKeeper(f"escrow {escrow} pays its beneficiary and nobody else")
            kept(ctx, held.replace(amount_minor=held.amount_minor - amount_minor))
            taken[owner] = taken.get(owner, 0) + amount_minor
        for account, amount_minor in credits:
            require_amount(amount_minor)
            given[account] = given.get(account, 0) + amount_minor
        whole = sum(taken.values())
        if whole != sum(given.values()):
            raise Unbalanced(f"{whole} is taken from escrows, {sum(given.values())} is given to accounts")
        for owner in sorted(taken):
            moved(ctx, owner, "released", 0, -taken[owner], other=ctx.caller, purpose=purpose)
        for account in sorted(given):
            moved(ctx, account, "received", given[account], 0, other=ctx.caller, purpose=purpose)
        moves = {"debits": debits, "credits": credits}
        ctx.emit("Distributed", keeper=ctx.caller, amount_minor=whole, purpose=purpose, **moves)
        return whole

    # ------------------------------------------------------------ reading

    @query
    def book(self, ctx: Context) -> Book:
        """The currency, its issuer and its supply."""
        return book_of(ctx)

    @query
    def rewards(self, ctx: Context) -> Rewards:
        """What blocks may still mint for their miners, and what they have minted."""
        return rewards_of(ctx)

    @query
    def balance(self, ctx: Context, account: str) -> Balance:
        """What an account has."""
        require_reader(ctx, account)
        found = ctx.get(ctx.key("account", account), Account) or empty_account()
        return Balance(
            available_minor=found.available_minor,
            escrow_minor=found.escrow_minor,
            total_minor=found.available_minor + found.escrow_minor,
            entries=found.entries,
        )

    @query
    def statement(self, ctx: Context, account: str, before: int = 0, size: int = 20) -> Statement:
        """Movements of an account, newest first: those numbered below `before` (0: from the newest on)."""
        require_reader(ctx, account)
        if not 1 <= size <= STATEMENT_ENTRIES or before < 0:
            raise AmountOutOfRange(f"a page has 1 to {STATEMENT_ENTRIES} entries and begins at a number of one")
        found = ctx.get(ctx.key("account", account), Account) or empty_account()
        newest = min(before - 1, found.entries) if before else found.entries
        oldest = max(newest - size + 1, 1)
        numbers = range(newest, oldest - 1, -1)
        found_entries = [ctx.get(entry_key(ctx, account, number), Entry) for number in numbers]
        entries = [entry for entry in found_entries if entry is not None]
        return Statement(entries=entries, before=oldest if oldest > 1 and entries else 0)

    @query
    def escrow(self, ctx: Context, owner: str, escrow: str) -> Escrow:
        """One open escrow."""
        return escrow_of(ctx, owner, escrow)

    @query
    def escrows(self, ctx: Context, owner: str) -> list[Escrow]:
        """Every open escrow of an owner, by name."""
        require_reader(ctx, owner)
        return [held for key, held in ctx.matching("escrow", owner, type=Escrow)]

    @query
    def reconcile(self, ctx: Context, account: str) -> Reconciliation:
        """Add up an account anew, from its escrows and its statement; the audit does so for all of them."""
        require_reader(ctx, account)
        found = ctx.get(ctx.key("account", account), Account) or empty_account()
        escrows_minor = 0
        for _, held in ctx.matching("escrow", account, type=Escrow):
            escrows_minor += held.amount_minor
        last = ctx.get(entry_key(ctx, account, found.entries), Entry)
        stated = (0, 0) if last is None else (last.available_minor, last.escrow_minor)
        whole = found.escrow_minor == escrows_minor and stated == (found.available_minor, found.escrow_minor)
        return Reconciliation(
            agrees=whole and (last is not None or not found.entries),
            available_minor=found.available_minor,
            escrow_minor=found.escrow_minor,
            escrows_minor=escrows_minor,
            entries=found.entries,
        )

    @query
    def issues(self, ctx: Context) -> dict[str, Issue]:
        """What waits for a second person, by id."""
        return {ctx.parts(key)[1]: issue for key, issue in ctx.matching("issue", type=Issue)}


# ---------------------------------------------------------------- who may


def require_direct(ctx: Context) -> None:
    """Refuses calls by other contracts, and by timers, which nobody signs."""
    if ctx.caller or not ctx.creator.id:
        raise DirectCallsOnly("this is called by a signed transaction, not by a contract or a timer")


def require_issuer(ctx: Context) -> Book:
    """The book, when one of the issuer's people calls directly."""
    require_direct(ctx)
    book = book_of(ctx)
    if ctx.creator.organisation != book.issuer or ctx.creator.role not in ISSUING_ROLES:
        raise NotTheIssuer(f"only an admin or operator of {book.issuer} issues this currency")
    return book


def require_alone(ctx: Context, book: Book, amount_minor: int) -> None:
    """Count the amount against what this person may do alone today; refuses what goes beyond."""
    require_amount(amount_minor)
    day = ctx.time_ms // DAY_MS
    key = ctx.key("alone", ctx.creator.id)
    alone = ctx.get(key, Alone)
    so_far = alone.amount_minor if alone is not None and alone.day == day else 0
    if so_far + amount_minor > book.approval_above_minor:
        raise SecondPersonNeeded(
            f"{amount_minor} after {so_far} today is above {book.approval_above_minor}: propose it, another approves"
        )
    ctx.put(key, Alone(day=day, amount_minor=so_far + amount_minor))


def require_reader(ctx: Context, account: str) -> None:
    """Refuses strangers; contracts, approved by the organisations, may look."""
    creator = ctx.creator
    if ctx.caller or creator.id == account or creator.role == "regulator":
        return
    if creator.organisation != book_of(ctx).issuer or creator.role not in ISSUING_ROLES:
        raise NotYourAccount("an account is read by its owner, the issuer's people and regulators")


def require_amount(amount_minor: int) -> None:
    if not 0 < amount_minor <= LARGEST_MINOR:
        raise AmountOutOfRange(f"an amount is 1 to 2^53-1 minor units, not {amount_minor}")


def require_text(text: str, characters: int, what: str) -> None:
    if not 0 < len(text) <= characters:
        raise TextOutOfRange(f"the {what} has 1 to {characters} characters")


def allowed(ctx: Context, amount_minor: int) -> Rewards:
    """Add to what blocks may mint; together with the supply it stays below 2^53."""
    found = rewards_of(ctx)
    left_minor = found.left_minor + amount_minor
    if book_of(ctx).supply_minor + left_minor > LARGEST_MINOR:
        raise AmountOutOfRange(f"{left_minor} for rewards would take the supply beyond 2^53-1")
    ctx.put("rewards", found.replace(left_minor=left_minor))
    ctx.emit("RewardsAllowed", amount_minor=amount_minor, left_minor=left_minor, allowed_by=ctx.creator.id)
    return found.replace(left_minor=left_minor)


# ---------------------------------------------------------------- the only places where balances change


def minted(ctx: Context, account: str, amount_minor: int, purpose: str) -> Account:
    require_text(purpose, PURPOSE_CHARACTERS, "purpose")
    book = book_of(ctx)
    if book.supply_minor + amount_minor > LARGEST_MINOR:
        raise AmountOutOfRange(f"the supply is {book.supply_minor}: {amount_minor} more go beyond 2^53-1")
    ctx.put("book", book.replace(supply_minor=book.supply_minor + amount_minor))
    ctx.emit("Minted", account=account, amount_minor=amount_minor, purpose=purpose)
    return moved(ctx, account, "minted", amount_minor, 0, other="", purpose=purpose)


def burned(ctx: Context, account: str, amount_minor: int, purpose: str) -> Account:
    require_text(purpose, PURPOSE_CHARACTERS, "purpose")
    book = book_of(ctx)
    ctx.put("book", book.replace(supply_minor=book.supply_minor - amount_minor))
    ctx.emit("Burned", account=account, amount_minor=amount_minor, purpose=purpose)
    return moved(ctx, account, "burned", -amount_minor, 0, other="", purpose=purpose)


def moved(ctx: Context, account: str, kind: str, available: int, escrow: int, *, other: str, purpose: str) -> Account:
    """Change an account by these two amounts and note it in its statement; refuses to go below zero."""
    if len(purpose) > PURPOSE_CHARACTERS:
        raise TextOutOfRange(f"a purpose has at most {PURPOSE_CHARACTERS} characters")
    before = account_of(ctx, account)
    if before.available_minor + available < 0:
        raise InsufficientBalance(f"{before.available_minor} is available, {-available} is needed")
    after = Account(
        available_minor=before.available_minor + available,
        escrow_minor=before.escrow_minor + escrow,
        entries=before.entries + 1,
    )
    entry = Entry(
        number=after.entries,
        kind=kind,
        amount_minor=available or escrow,
        other=other,
        purpose=purpose,
        available_minor=after.available_minor,
        escrow_minor=after.escrow_minor,
        time_ms=ctx.time_ms,
        transaction_id=ctx.transaction_id,
    )
    ctx.put(ctx.key("account", account), after)
    ctx.put(entry_key(ctx, account, entry.number), entry)
    return after


def kept(ctx: Context, escrow: Escrow) -> Escrow:
    """Keep what an escrow still holds; an empty one is gone."""
    key = ctx.key("escrow", escrow.owner, escrow.name)
    if escrow.amount_minor:
        ctx.put(key, escrow)
    else:
        ctx.delete(key)
    return escrow


# ---------------------------------------------------------------- finding


def book_of(ctx: Context) -> Book:
    book = ctx.get("book", Book)
    if book is None:
        raise NotEstablished("no organisation has established this currency yet")
    return book


def rewards_of(ctx: Context) -> Rewards:
    return ctx.get("rewards", Rewards) or Rewards(left_minor=0, minted_minor=0)


def account_of(ctx: Context, account: str) -> Account:
    """An account; one that does not exist yet belongs to an identity that the ledger knows."""
    found = ctx.get(ctx.key("account", account), Account)
    if found is None:
        ctx.call("identity", "describe", identity=account)
        return empty_account()
    return found


def empty_account() -> Account:
    return Account(available_minor=0, escrow_minor=0, entries=0)


def entry_key(ctx: Context, account: str, number: int) -> str:
    return ctx.key("entry", account, str(number))


def issue_of(ctx: Context, issue: str) -> Issue:
    found = ctx.get(ctx.key("issue", issue), Issue)
    if found is None:
        raise IssueUnknown("no mint, burn or allowance of this id waits for approval")
    return found


def kept_by_caller(ctx: Context, owner: str, escrow: str) -> Escrow:
    """An escrow that the calling contract keeps; refuses people, and other contracts."""
    held = escrow_of(ctx, owner, escrow)
    if not ctx.caller or ctx.caller != held.keeper:
        raise NotTheKeeper(f"escrow {escrow} is kept by {held.keeper or 'its owner'}")
    return held


def escrow_of(ctx: Context, owner: str, escrow: str) -> Escrow:
    found = ctx.get(ctx.key("escrow", owner, escrow), Escrow)
    if found is None:
        raise EscrowUnknown(f"this owner has no escrow {escrow}")
    return found
