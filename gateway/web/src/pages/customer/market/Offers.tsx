/** A board's offers and requests, to be taken as they stand. The contract lists them for who is in the market. */

import { useFormat } from "../../../format";
import { useTexts } from "../../../i18n";
import { Answer, Badge, Button, Card, type Column, Empty, Table } from "../../../ui";
import { useConfirm } from "../../../wallet/ConfirmProvider";
import { useAskContract } from "../../../wallet/useAskContract";
import { CUSTOMER } from "../texts";
import type { Delivery } from "./PlaceOrder";

/** `market.book` */
interface Listed {
  readonly order: number;
  readonly side: string;
  readonly kind: string;
  readonly energy_wh: number;
  readonly price_micro: number;
  readonly from_ms: number;
  readonly until_ms: number;
}

export function Offers({ market, point, mayTake }: { market: string; point: string; mayTake: boolean }) {
  const t = useTexts(CUSTOMER).market;
  const format = useFormat();
  const confirm = useConfirm();
  const known = { path: "contract/market" };
  const window = useAskContract<Delivery | null>("market", "window", { market }, known);
  const slot = window.data?.from_ms ?? 0;
  const book = useAskContract<readonly Listed[]>("market", "book", { market, slot }, { ...known, when: slot > 0 });
  const take = (row: Listed) =>
    confirm({
      contract: "market",
      function: row.side === "ask" ? "buy" : "sell",
      arguments: { order: row.order, point, energy_wh: row.energy_wh },
    });
  const columns: Column<Listed>[] = [
    {
      id: "order",
      title: t.order,
      main: true,
      cell: (row) => (
        <Badge tone={row.side === "ask" ? "energy" : "accent"}>
          {row.side === "ask" ? t.asks : t.bids} #{row.order}
        </Badge>
      ),
    },
    { id: "energy", title: t.energy, figure: true, cell: (row) => format.energyWh(row.energy_wh) },
    { id: "price", title: t.price, figure: true, cell: (row) => format.price(row.price_micro) },
    { id: "when", title: t.when, cell: (row) => `${format.time(row.from_ms)} – ${format.clock(row.until_ms)}` },
    {
      id: "take",
      title: "",
      cell: (row) =>
        mayTake && (
          <Button look="plain" aria-label={t.takeOf(String(row.order))} onClick={() => void take(row)}>
            {row.side === "ask" ? t.take : t.deliver}
          </Button>
        ),
    },
  ];
  if (!mayTake || slot === 0) return null;
  return (
    <Card title={t.offers} lead={t.offersLead} flush>
      <Answer of={book} empty={(rows) => rows.length === 0} whenEmpty={<Empty icon="market" title={t.bookEmpty} />}>
        {(rows) => <Table caption={t.offers} columns={columns} rows={rows} keyOf={(row) => String(row.order)} />}
      </Answer>
    </Card>
  );
}
