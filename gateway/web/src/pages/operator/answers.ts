/** Answers of the API about feeders and points that are more than a row. */

import type {
  BucketRow,
  CustomerRow,
  FeederRow,
  IntervalRow,
  MeterRow,
  PointChange,
  PointRow,
  SampleRow,
  Tenancy,
  TransformerRow,
  WalletRow,
} from "../../api/rows";

export interface FeederShown extends FeederRow {
  readonly houses: number;
  readonly at: TransformerRow | null;
  readonly sample: SampleRow | null;
  readonly interval: IntervalRow | null;
}

/** A report, and its energy as links between nodes; none of what is not known. */
export interface FlowShown {
  readonly report: IntervalRow;
  readonly links: readonly { readonly source: string; readonly target: string; readonly energy_mwh: number }[];
}

export interface Items<Row> {
  readonly items: readonly Row[];
}

export interface CustomerShown {
  readonly row: CustomerRow;
  readonly wallets: readonly WalletRow[];
  readonly points: readonly PointRow[];
  readonly tenancies: readonly Tenancy[];
}

export interface PointShown {
  readonly row: PointRow;
  readonly meters: readonly MeterRow[];
  readonly changes: readonly PointChange[];
  readonly tenancies: readonly Tenancy[];
  readonly reads: readonly string[];
  readonly since_ms: number;
}

export type Series = Items<BucketRow>;

/** `GET /notices`, as staff are told */
export interface Told {
  readonly kind: string;
  readonly about: string;
  readonly since_ms: number;
  readonly detail: string;
}

export const waitingKinds = (rows: readonly Told[]): ReadonlySet<string> => new Set(rows.map((row) => row.kind));
