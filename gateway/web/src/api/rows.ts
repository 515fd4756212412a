// Rows of the read model as the HTTP API answers them. Made by tests/gateway/readmodel/typescript.py: do not edit.
// Energy is mWh (Wh where the name says so), money minor units, times UTC ms; ids and hashes are hex.

/** Where a row comes from: the block and receipt that changed it last, and that receipt's id in hex. */
export interface Placed {
  readonly height: number;
  readonly position: number;
  readonly transaction: string;
}

/** A block with what its header says and who has signed it. */
export interface BlockDetail {
  readonly row: BlockRow;
  readonly chain_id: string;
  readonly parent_hash: string;
  readonly transaction_root: string;
  readonly receipts_root: string;
  readonly state_commitment: string;
  readonly current_set: string;
  readonly next_set: string;
  readonly validators: number;
  readonly certificate: readonly Signed[];
}

export interface BlockRow {
  readonly height: number;
  readonly hash: string;
  readonly time_ms: number;
  readonly epoch: number;
  readonly transactions: number;
  readonly receipts: number;
  readonly signatures: number;
}

/** `arguments` and `result` are null where they are longer than the model keeps: then the node has them. */
export interface CallRow {
  readonly arguments: unknown;
  readonly arguments_bytes: number;
  readonly result: unknown;
  readonly message: string;
}

export interface EventRow {
  readonly height: number;
  readonly number: number;
  readonly position: number;
  readonly time_ms: number;
  readonly contract: string;
  readonly name: string;
  readonly subject: string;
  readonly payload: unknown;
}

/** How far the model is. */
export interface Followed {
  readonly chain_id: string;
  readonly height: number;
  readonly time_ms: number;
}

/** One validator's signature under a block. */
export interface Signed {
  readonly position: number;
  readonly identity: string;
  readonly organisation: string;
  readonly signature: string;
}

export interface TransactionDetail {
  readonly row: TransactionRow;
  readonly call: CallRow;
  readonly events: readonly EventRow[];
}

/** A receipt. `origin`: 0 a transaction, 1 a timer's call, 2 a reward; the last two have no creator. */
export interface TransactionRow {
  readonly height: number;
  readonly position: number;
  readonly id: string;
  readonly origin: number;
  readonly time_ms: number;
  readonly creator: string;
  readonly contract: string;
  readonly function: string;
  readonly code: string;
  readonly events: number;
  readonly items: number;
  readonly budget_used: number;
}

/** The validators of an epoch, and what decides among them. */
export interface Epoch {
  readonly epoch: number;
  readonly from_height: number;
  readonly seats: readonly Seat[];
  readonly quorum: number;
  readonly may_fail: number;
}

export interface FaultRow extends Placed {
  readonly fault: string;
  readonly member: string;
  readonly organisation: string;
  readonly ballot: string;
  readonly epoch: number;
  readonly fault_height: number;
  readonly reported_by: string;
}

export interface GovernanceRow extends Placed {
  readonly proposal: string;
  readonly kind: string;
  readonly organisation: string;
  readonly proposer: string;
  readonly stage: string;
  readonly change: unknown;
  readonly made_ms: number;
  readonly expires_ms: number;
  readonly closed_ms: number;
}

export interface IdentityRow extends Placed {
  readonly identity: string;
  readonly organisation: string;
  readonly role: string;
  readonly name: string;
  readonly status: string;
  readonly public_key: string;
  readonly registered_ms: number;
}

/** A key that an identity has or had; `overlap_until_ms`: until when the one before it holds, too. */
export interface KeyRow extends Placed {
  readonly public_key: string;
  readonly overlap_until_ms: number;
}

export interface OrganisationRow extends Placed {
  readonly organisation: string;
  readonly status: string;
}

export interface PackageApproval extends Placed {
  readonly organisation: string;
  readonly approved_by: string;
  readonly withdrawn: boolean;
}

export interface PackageRow extends Placed {
  readonly name: string;
  readonly package_hash: string;
  readonly version: string;
  readonly installed_by: string;
  readonly committed_height: number;
}

/** Of a contract, by one of the staff; open until another has decided. */
export interface ProposalRow extends Placed {
  readonly contract: string;
  readonly proposal: string;
  readonly kind: string;
  readonly organisation: string;
  readonly proposer: string;
  readonly function: string;
  readonly arguments: unknown;
  readonly status: string;
  readonly decided_by: string;
  readonly proposed_ms: number;
  readonly decided_ms: number;
}

export interface RuleRow extends Placed {
  readonly contract: string;
  readonly owner: string;
  readonly from_ms: number;
  readonly proposal: string;
}

export interface Seat {
  readonly position: number;
  readonly identity: string;
  readonly organisation: string;
  readonly public_key: string;
}

export interface UnreadRow {
  readonly height: number;
  readonly number: number;
  readonly position: number;
  readonly event: string;
  readonly reason: string;
}

export interface VoteRow extends Placed {
  readonly organisation: string;
  readonly vote: string;
  readonly voter: string;
}

export interface AreaRow extends Placed {
  readonly area: string;
  readonly operator: string;
  readonly opened_ms: number;
}

export interface ClaimRow extends Placed {
  readonly premises: string;
  readonly wallet: string;
  readonly status: string;
  readonly customer: string;
  readonly claimed_ms: number;
}

export interface ConsentRow extends Placed {
  readonly point: string;
  readonly reader: string;
  readonly scopes: string;
  readonly until_ms: number;
  readonly given_by: string;
  readonly withdrawn: boolean;
}

export interface CustomerRow extends Placed {
  readonly customer: string;
  readonly utility: string;
  readonly document_hash: string;
}

/** What everything on the ledger stands on: the length of an interval, the currency's digits. */
export interface GroundRow extends Placed {
  readonly interval_ms: number;
  readonly digits: number;
  readonly founder: string;
}

/** With what it told last; `heard_ms` is when the ledger last took readings of it, 0 if never. */
export interface MeterRow extends Placed {
  readonly meter: string;
  readonly utility: string;
  readonly point: string;
  readonly pan: string;
  readonly gateway_signed: boolean;
  readonly installed_ms: number;
  readonly removed_ms: number;
  readonly predecessor: string;
  readonly last_ms: number;
  readonly last_import_mwh: number;
  readonly last_export_mwh: number;
  readonly held: number;
  readonly heard_ms: number;
}

export interface PointChange extends Placed {
  readonly from_ms: number;
  readonly what: string;
  readonly value: string;
}

/** `customer` lives there now, '' if nobody does. */
export interface PointRow extends Placed {
  readonly point: string;
  readonly utility: string;
  readonly kind: string;
  readonly premises: string;
  readonly customer: string;
  readonly feeder: string;
  readonly phases: number;
  readonly import_rating_w: number;
  readonly export_rating_w: number;
  readonly prepaid: boolean;
  readonly tariff: string;
  readonly meter: string;
}

/** From when on a customer lives there; '' is nobody. */
export interface Tenancy extends Placed {
  readonly premises: string;
  readonly from_ms: number;
  readonly customer: string;
}

export interface UtilityRow extends Placed {
  readonly organisation: string;
  readonly zone: unknown;
  readonly treasury: string;
  readonly tax_account: string;
  readonly levy_account: string;
}

export interface WalletRow extends Placed {
  readonly wallet: string;
  readonly customer: string;
  readonly removed: boolean;
}

/**
 * Energy of a span of time that begins at `from_ms`; how much of that time is known by whom. `height` and
 * `position` name the transaction that changed it last.
 */
export interface BucketRow {
  readonly from_ms: number;
  readonly import_mwh: number;
  readonly export_mwh: number;
  readonly measured_ms: number;
  readonly gateway_ms: number;
  readonly estimated_ms: number;
  readonly height: number;
  readonly position: number;
}

export interface CorrectionRow extends Placed {
  readonly point: string;
  readonly interval_ms: number;
  readonly import_mwh: number;
  readonly export_mwh: number;
}

export interface HeadRow extends Placed {
  readonly meter: string;
  readonly point: string;
  readonly last_ms: number;
  readonly last_import_mwh: number;
  readonly last_export_mwh: number;
  readonly accepted: number;
  readonly held: number;
  readonly heard_ms: number;
}

/** `item` is its place in the signed batch (-1: a register at removal), by which it is proven alone. */
export interface ReadingRow extends Placed {
  readonly meter: string;
  readonly time_ms: number;
  readonly sequence: number;
  readonly import_mwh: number;
  readonly export_mwh: number;
  readonly flags: number;
  readonly state: string;
  readonly origin: string;
  readonly item: number;
  readonly voltage_mv: number | null;
  readonly current_ma: number | null;
  readonly power_mw: number | null;
  readonly reactive_mvar: number | null;
  readonly power_factor_milli: number | null;
  readonly others: unknown;
}

/** Of several points together. */
export interface SumRow {
  readonly from_ms: number;
  readonly import_mwh: number;
  readonly export_mwh: number;
  readonly points: number;
}

export interface TamperRow extends Placed {
  readonly meter: string;
  readonly point: string;
  readonly time_ms: number;
  readonly kind: string;
  readonly detail: string;
}

/** What an account has, as the sum of its postings. */
export interface AccountRow extends Placed {
  readonly account: string;
  readonly available_minor: number;
  readonly escrow_minor: number;
  readonly postings: number;
}

/** `supply_minor`: what was minted less what was burned. */
export interface CurrencyRow extends Placed {
  readonly code: string;
  readonly issuer: string;
  readonly approval_above_minor: number;
  readonly supply_minor: number;
}

export interface DistributionRow extends Placed {
  readonly keeper: string;
  readonly amount_minor: number;
  readonly purpose: string;
  readonly time_ms: number;
}

export interface EscrowRow extends Placed {
  readonly owner: string;
  readonly escrow: string;
  readonly keeper: string;
  readonly beneficiary: string;
  readonly purpose: string;
  readonly amount_minor: number;
}

/** What all accounts hold together: as much as there is, or something is wrong. */
export interface HeldRow {
  readonly accounts: number;
  readonly available_minor: number;
  readonly escrow_minor: number;
}

export interface IssueRow extends Placed {
  readonly issue: string;
  readonly kind: string;
  readonly account: string;
  readonly amount_minor: number;
  readonly proposer: string;
  readonly status: string;
  readonly decided_by: string;
}

/** What an account gained or lost, available and in escrow. */
export interface PostingRow extends Placed {
  readonly account: string;
  readonly other: string;
  readonly kind: string;
  readonly available_minor: number;
  readonly escrow_minor: number;
  readonly escrow: string;
  readonly purpose: string;
  readonly time_ms: number;
}

export interface DebtRow extends Placed {
  readonly owner: string;
  readonly debt: number;
  readonly reason: string;
  readonly amount_minor: number;
  readonly paid_minor: number;
  readonly written_off_minor: number;
}

export interface PayableRow extends Placed {
  readonly day: number;
  readonly debtor: string;
  readonly creditor: string;
  readonly amount_minor: number;
  readonly paid: boolean;
}

/**
 * What is known of a prepaid point. `balance_mwh` is what its meter said last, at `balance_ms`; `low` that it is
 * little. `low_balance_mwh` is what it had when it last began to be little.
 */
export interface PrepaidRow extends Placed {
  readonly point: string;
  readonly low_balance_mwh: number | null;
  readonly low_ms: number;
  readonly supply_blocked: boolean;
  readonly vending_blocked: boolean;
  readonly sharing_blocked: boolean;
  readonly key_revision: number;
  readonly tariff_index: number;
  readonly redeemed_mwh: number;
  readonly returned_mwh: number;
  readonly balance_mwh: number | null;
  readonly balance_ms: number;
  readonly low: boolean;
}

export interface ShareRow extends Placed {
  readonly share: number;
  readonly sender: string;
  readonly meter: string;
  readonly recipient_pan: string;
  readonly recipient: string;
  readonly energy_mwh: number;
  readonly units: number;
  readonly until_ms: number;
  readonly status: string;
  readonly reason: string;
  readonly credit: number;
  readonly verified: boolean;
  readonly requested_ms: number;
}

/**
 * A credit and its token. Energy, price and lines are known of what a transaction of its own has reserved, and
 * the energy of what the meter has taken. The digits are never on the ledger.
 */
export interface TokenRow extends Placed {
  readonly point: string;
  readonly credit: number;
  readonly kind: string;
  readonly status: string;
  readonly pan: string;
  readonly base: number;
  readonly tid: number;
  readonly units: number;
  readonly energy_mwh: number | null;
  readonly total_minor: number | null;
  readonly payer: string;
  readonly lines: unknown;
  readonly token_hash: string;
  readonly proven: boolean;
  readonly replaced_by: number;
  readonly reserved_ms: number;
  readonly minted_ms: number;
  readonly delivered_ms: number;
  readonly redeemed_ms: number;
}

export interface CreditNoteRow extends Placed {
  readonly credit: string;
  readonly invoice: string;
  readonly customer: string;
  readonly total_minor: number;
  readonly reason: string;
  readonly issued_ms: number;
}

/** What an invoice is made of: `parts` are stays with how many of the lines are their own. */
export interface InvoiceLines extends Placed {
  readonly invoice: string;
  readonly parts: unknown;
  readonly lines: unknown;
}

/**
 * An invoice and how it stands. `settled_ms` is when nothing was open any more, 0 until then; `issued_height` and
 * `issued_position` name the transaction to prove. `about`: the invoice that a late fee is for; `handed_over`: vends
 * of the prepaid meter pay it.
 */
export interface InvoiceRow extends Placed {
  readonly invoice: string;
  readonly utility: string;
  readonly number: number;
  readonly kind: string;
  readonly point: string;
  readonly customer: string;
  readonly total_minor: number;
  readonly received_minor: number;
  readonly paid_minor: number;
  readonly credited_minor: number;
  readonly due_ms: number;
  readonly issued_ms: number;
  readonly stage: string;
  readonly overdue: boolean;
  readonly dispute: string;
  readonly dispute_text: string;
  readonly settled_ms: number;
  readonly issued_height: number;
  readonly issued_position: number;
  readonly from_ms: number;
  readonly until_ms: number;
  readonly about: string;
  readonly handed_over: boolean;
}

/** A customer's invoices in sum. */
export interface Owed {
  readonly invoices: number;
  readonly open: number;
  readonly open_minor: number;
  readonly next_due_ms: number;
}

/** A payment of an invoice; or a withdrawal of credit, below zero. */
export interface PaymentRow extends Placed {
  readonly kind: string;
  readonly invoice: string;
  readonly customer: string;
  readonly payer: string;
  readonly amount_minor: number;
  readonly time_ms: number;
}

export interface RunRow extends Placed {
  readonly utility: string;
  readonly year: number;
  readonly month: number;
  readonly status: string;
  readonly progress: unknown;
  readonly started_ms: number;
  readonly done_ms: number;
}

/** A version of a tariff, from when it holds. `arguments` are those of its proposal: the tariff itself. */
export interface TariffRow extends Placed {
  readonly tariff: string;
  readonly from_ms: number;
  readonly utility: string;
  readonly proposal: string;
  readonly arguments: unknown;
}

export interface WaitingRow extends Placed {
  readonly point: string;
  readonly reason: string;
  readonly since_ms: number;
}

export interface AdjustmentRow extends Placed {
  readonly area: string;
  readonly point: string;
  readonly day: number;
  readonly intervals: number;
}

export interface ClearingRow extends Placed {
  readonly market: string;
  readonly slot: number;
  readonly cleared_by: string;
  readonly volume_wh: number;
  readonly price_micro: number | null;
  readonly welfare_micro: number;
  readonly surplus_micro: number;
  readonly matches: number;
}

export interface CommandRow extends Placed {
  readonly command: number;
  readonly trade: number;
  readonly point: string;
  readonly device: string;
  readonly action: string;
  readonly energy_wh: number;
  readonly text: string;
  readonly status: string;
  readonly measured_mwh: number | null;
  readonly sent_ms: number;
  readonly answered_ms: number;
}

/** The best prices first: bids from the highest, asks from the lowest. */
export interface Depth {
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
}

export interface HaltRow extends Placed {
  readonly feeder: string;
  readonly direction: string;
  readonly until_ms: number;
}

/** All open orders of a side at a price. */
export interface Level {
  readonly price_micro: number;
  readonly energy_wh: number;
  readonly orders: number;
}

/** `arguments` are those of the proposal that made it what it is. */
export interface MarketRow extends Placed {
  readonly market: string;
  readonly from_ms: number;
  readonly proposal: string;
  readonly arguments: unknown;
}

/** What a member of the market may answer, without a name; `energy_wh` is what is left of it. */
export interface OpenRow {
  readonly number: number;
  readonly side: string;
  readonly kind: string;
  readonly energy_wh: number;
  readonly price_micro: number;
  readonly from_ms: number;
  readonly until_ms: number;
  readonly placed_ms: number;
}

/** Point, customer and wallet of a strategy's order are the strategy's own. */
export interface OrderRow extends Placed {
  readonly number: number;
  readonly market: string;
  readonly side: string;
  readonly kind: string;
  readonly point: string;
  readonly customer: string;
  readonly wallet: string;
  readonly feeder: string;
  readonly strategy: number;
  readonly energy_wh: number;
  readonly matched_wh: number;
  readonly price_micro: number;
  readonly from_ms: number;
  readonly until_ms: number;
  readonly expires_ms: number;
  readonly placed_ms: number;
  readonly ended: string;
  readonly placed_height: number;
  readonly placed_position: number;
}

export interface PoolRow extends Placed {
  readonly area: string;
  readonly point: string;
  readonly since_ms: number;
  readonly until_ms: number;
  readonly unfunded_ms: number;
  readonly paid_in_minor: number;
}

/** What was traded in a span of time that begins at `from_ms` (UTC). */
export interface PriceRow {
  readonly from_ms: number;
  readonly trades: number;
  readonly energy_wh: number;
  readonly average_micro: number;
  readonly low_micro: number;
  readonly high_micro: number;
}

export interface SettledRow extends Placed {
  readonly area: string;
  readonly interval_ms: number;
  readonly sums_mwh: unknown;
  readonly moved_minor: number;
  readonly trades: number;
}

export interface StrategyRow extends Placed {
  readonly strategy: number;
  readonly market: string;
  readonly point: string;
  readonly customer: string;
  readonly wallet: string;
  readonly rule: string;
  readonly budget_minor: number;
  readonly until_ms: number;
  readonly alarm: string;
  readonly stopped: boolean;
}

/** Energy delivered and short is known once it is done. */
export interface TradeRow extends Placed {
  readonly trade: number;
  readonly market: string;
  readonly area: string;
  readonly bid: number;
  readonly ask: number;
  readonly seller_point: string;
  readonly buyer_point: string;
  readonly energy_wh: number;
  readonly price_micro: number;
  readonly buyer_price_micro: number;
  readonly from_ms: number;
  readonly until_ms: number;
  readonly matched_ms: number;
  readonly status: string;
  readonly delivered_mwh: number | null;
  readonly seller_short_mwh: number | null;
  readonly buyer_short_mwh: number | null;
  readonly curtailed_mwh: number | null;
  readonly seller_pays_minor: number;
  readonly buyer_pays_minor: number;
  readonly matched_height: number;
  readonly matched_position: number;
}

export interface AlertEvent extends Placed {
  readonly feeder: string;
  readonly kind: string;
  readonly open: boolean;
  readonly value: number | null;
  readonly limit: number | null;
  readonly time_ms: number;
}

export interface AlertRow extends Placed {
  readonly feeder: string;
  readonly kind: string;
  readonly open: boolean;
  readonly value: number | null;
  readonly limit: number | null;
  readonly opened_ms: number;
  readonly changed_ms: number;
}

/** With its transformer's rating, its last report and how many alerts are open. */
export interface FeederRow extends Placed {
  readonly feeder: string;
  readonly operator: string;
  readonly transformer: string;
  readonly area: string;
  readonly phases: number;
  readonly limit_w: number;
  readonly reverse_limit_w: number;
  readonly watched_ms: number;
  readonly rating_va: number;
  readonly last_interval_ms: number;
  readonly alerts: number;
}

/** A report. What is not known is null; of a report that its own call has not returned, the first six are known. */
export interface IntervalRow extends Placed {
  readonly feeder: string;
  readonly interval_ms: number;
  readonly state: string;
  readonly renewed: boolean;
  readonly generation_mwh: number | null;
  readonly consumption_mwh: number | null;
  readonly supply_mwh: number | null;
  readonly loss_mwh: number | null;
  readonly loading_micro: number | null;
  readonly import_mwh: number | null;
  readonly export_mwh: number | null;
  readonly self_mwh: number | null;
  readonly pool_mwh: number | null;
  readonly surplus_mwh: number | null;
  readonly deficit_mwh: number | null;
  readonly technical_mwh: number | null;
  readonly non_technical_mwh: number | null;
  readonly uncertainty_mwh: number | null;
  readonly load_factor_micro: number | null;
  readonly apparent_mva: number | null;
}

/** A transformer at an instant, phase by phase; power above zero flows into the feeder. */
export interface SampleRow extends Placed {
  readonly feeder: string;
  readonly time_ms: number;
  readonly temperature_milli: number | null;
  readonly high_mv: number | null;
  readonly distortion_micro: number | null;
  readonly phases: number;
  readonly power_mw: number;
  readonly reactive_mvar: number;
  readonly voltage_mv_1: number | null;
  readonly current_ma_1: number | null;
  readonly power_mw_1: number | null;
  readonly reactive_mvar_1: number | null;
  readonly voltage_mv_2: number | null;
  readonly current_ma_2: number | null;
  readonly power_mw_2: number | null;
  readonly reactive_mvar_2: number | null;
  readonly voltage_mv_3: number | null;
  readonly current_ma_3: number | null;
  readonly power_mw_3: number | null;
  readonly reactive_mvar_3: number | null;
}

export interface TransformerRow extends Placed {
  readonly transformer: string;
  readonly operator: string;
  readonly rating_va: number;
  readonly low_mv: number;
  readonly high_mv: number;
  readonly concentrator: string;
}

/** `id` is what the page of that kind is asked by; `label` is what was found. */
export interface Found {
  readonly kind: string;
  readonly id: string;
  readonly label: string;
}
