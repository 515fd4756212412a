/** A board: what everybody offers and asks for. Whoever is in the market takes one as it stands, or on own terms. */

import { useState } from "react";

import { usePages } from "../../../api/asking";
import type { OpenRow, OrderRow } from "../../../api/rows";
import { useFormat } from "../../../format";
import { useTexts } from "../../../i18n";
import { Answer, Badge, Button, Card, type Column, Empty, Table } from "../../../ui";
import { useConfirm } from "../../../wallet/ConfirmProvider";
import { CUSTOMER } from "../texts";
import { AsListed } from "./AsListed";
import { OwnTerms } from "./OwnTerms";
import { answerTo, type Terms } from "./terms";

interface OffersProps {
  readonly at: string;
  readonly point: string;
  readonly own: readonly OrderRow[];
  readonly mayTake: boolean;
}

export function Offers({ at, point, own, mayTake }: OffersProps) {
  const t = useTexts(CUSTOMER).market;
  const format = useFormat();
  const confirm = useConfirm();
  const asked = usePages<OpenRow>(`${at}/open`, { size: 50 });
  const [haggled, setHaggled] = useState<OpenRow | null>(null);
  const mine = new Set(own.map((row) => row.number));
  const answer = (row: OpenRow, terms: Terms) => {
    setHaggled(null);
    const call = answerTo(row, point, terms);
    const listed = call.function === "counter" ? row : { ...row, energy_wh: Number(terms.energyWh) };
    void confirm(call, { beside: <AsListed row={listed} /> });
  };
  const whole = (row: OpenRow) => answer(row, { energyWh: BigInt(row.energy_wh), priceMicro: BigInt(row.price_micro) });
  const columns: Column<OpenRow>[] = [
    {
      id: "order",
      title: t.order,
      main: true,
      cell: (row) => (
        <Badge tone={row.side === "ask" ? "energy" : "accent"}>
          {row.side === "ask" ? t.asks : t.bids} #{row.number}
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
        mine.has(row.number) ? (
          <Badge>{t.yours}</Badge>
        ) : (
          mayTake && (
            <span className="flex flex-wrap gap-2">
              <Button look="plain" aria-label={t.takeOf(String(row.number))} onClick={() => whole(row)}>
                {row.side === "ask" ? t.take : t.deliver}
              </Button>
              <Button look="plain" aria-label={t.haggleOf(String(row.number))} onClick={() => setHaggled(row)}>
                {row.side === "ask" ? t.haggle : t.deliverPart}
              </Button>
            </span>
          )
        ),
    },
  ];
  return (
    <>
      <Card title={t.offers} lead={t.offersLead} flush>
        <Answer of={asked} empty={(rows) => rows.length === 0} whenEmpty={<Empty icon="market" title={t.bookEmpty} />}>
          {(rows) => (
            <Table
              caption={t.offers}
              columns={columns}
              rows={rows}
              keyOf={(row) => String(row.number)}
              onMore={asked.more}
              busy={asked.busy}
            />
          )}
        </Answer>
      </Card>
      {haggled && (
        <OwnTerms row={haggled} onClose={() => setHaggled(null)} onTerms={(terms) => answer(haggled, terms)} />
      )}
    </>
  );
}
