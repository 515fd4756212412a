/** Answers of the API about feeders and points that are more than a row. */

import type {
  AlertRow,
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

export interface FeederShown {
  readonly row: FeederRow;
  readonly transformer: TransformerRow | null;
  readonly houses: number;
  readonly interval: IntervalRow | null;
  readonly sample: SampleRow | null;
  readonly alerts: readonly AlertRow[];
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
