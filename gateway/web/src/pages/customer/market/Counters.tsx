/** Counter-bids to one's own offers. The contract tells them to who offers; accepting one sells at its price at once. */

import type { OrderRow } from "../../../api/rows";
import { useFormat } from "../../../format";
import { useTexts } from "../../../i18n";
import { Answer, Button, Card } from "../../../ui";
import { useConfirm } from "../../../wallet/ConfirmProvider";
import { useAskContract } from "../../../wallet/useAskContract";
import { CUSTOMER } from "../texts";
import { AsListed } from "./AsListed";

/** `market.counters` */
interface Counter {
  readonly order: number;
  readonly energy_wh: number;
  readonly price_micro: number;
  readonly from_ms: number;
  readonly until_ms: number;
}

const leftOf = (row: OrderRow): number => row.energy_wh - row.matched_wh;

export function Counters({ own }: { own: readonly OrderRow[] }) {
  const t = useTexts(CUSTOMER).market;
  const offers = own.filter((row) => row.side === "ask");
  if (offers.length === 0) return null;
  return (
    <Card title={t.counters} lead={t.countersLead}>
      <ul className="grid gap-4">
        {offers.map((offer) => (
          <li key={offer.number}>
            <ToOffer offer={offer} />
          </li>
        ))}
      </ul>
    </Card>
  );
}

function ToOffer({ offer }: { offer: OrderRow }) {
  const t = useTexts(CUSTOMER).market;
  const format = useFormat();
  const confirm = useConfirm();
  const asked = useAskContract<readonly Counter[]>(
    "market",
    "counters",
    { order: offer.number },
    { path: "contract/market" },
  );
  const accept = (row: Counter) => {
    const sold = { ...row, energy_wh: Math.min(row.energy_wh, leftOf(offer)) };
    const call = { contract: "market", function: "accept", arguments: { order: row.order } };
    void confirm(call, { beside: <AsListed row={sold} /> });
  };
  return (
    <>
      <p className="font-medium">
        {t.yourOffer(String(offer.number), format.energyWh(leftOf(offer)), format.price(offer.price_micro))}
      </p>
      <Answer
        of={asked}
        lines={1}
        empty={(rows) => rows.length === 0}
        whenEmpty={<p className="text-ink-soft">{t.countersNone}</p>}
      >
        {(rows) => (
          <ul>
            {rows.map((row) => (
              <li
                key={row.order}
                className="flex flex-wrap items-center justify-between gap-x-4 border-line py-2 not-first:border-t"
              >
                <span>{t.counterBid(format.energyWh(row.energy_wh), format.price(row.price_micro))}</span>
                <Button aria-label={t.acceptOf(String(row.order))} onClick={() => accept(row)}>
                  {t.accept}
                </Button>
              </li>
            ))}
          </ul>
        )}
      </Answer>
    </>
  );
}
