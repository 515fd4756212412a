/**
 * Limits that keep one mistake small: what may be vended and shared a day, what a market lets one order, one customer,
 * one feeder carry. They are contracts' rules; the gateway shows what was decided, and what waits.
 */

import { useAsked } from "../../api/asking";
import type { MarketRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Badge, Card, Empty, Facts, Page } from "../../ui";
import { Waiting } from "../ledger/Governance";
import type { Items } from "./answers";
import { TEXTS } from "./texts";

/** Of a market's data what limits a risk; 0 is no limit. */
interface Limits {
  readonly mechanism?: string;
  readonly open?: boolean;
  readonly cap_micro?: number;
  readonly floor_micro?: number;
  readonly order_limit_wh?: number;
  readonly position_limit_wh?: number;
  readonly feeder_limit_wh?: number;
  readonly partner_limit_micro?: number;
  readonly partner_days?: number;
  readonly collateral_micro?: number;
}

export default function Risk() {
  const t = useTexts(TEXTS);
  const markets = useAsked<Items<MarketRow>>("/markets");
  return (
    <Page title={t.risk} lead={t.riskLead}>
      <Answer
        of={markets}
        empty={(answer) => answer.items.length === 0}
        whenEmpty={
          <Card>
            <Empty icon="market" title={t.noMarkets} />
          </Card>
        }
      >
        {(answer) => answer.items.map((row) => <Market key={row.market} row={row} />)}
      </Answer>
      <Waiting contract="market" />
      <Waiting contract="prepaid" />
    </Page>
  );
}

function Market({ row }: { row: MarketRow }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const said = row.arguments as { readonly market?: Limits } | null;
  const limits = said?.market ?? {};
  const energy = (wattHours: number | undefined) => (wattHours ? format.energyWh(wattHours) : t.noLimit);
  return (
    <Card
      title={row.market}
      lead={limits.mechanism}
      action={
        limits.open === false ? <Badge tone="warn">{t.marketClosed}</Badge> : <Badge tone="good">{t.marketOpen}</Badge>
      }
    >
      <Facts
        of={[
          [t.priceCap, limits.cap_micro === undefined ? "–" : format.price(limits.cap_micro)],
          [t.priceFloor, format.price(limits.floor_micro ?? 0)],
          [t.orderLimit, energy(limits.order_limit_wh)],
          [t.positionLimit, energy(limits.position_limit_wh)],
          [t.feederLimit, energy(limits.feeder_limit_wh)],
          [
            t.partnerLimit,
            limits.partner_limit_micro
              ? t.partnerDays(format.share(limits.partner_limit_micro), format.number(limits.partner_days ?? 7))
              : t.noLimit,
          ],
          [t.collateral, limits.collateral_micro ? format.share(limits.collateral_micro) : t.none],
        ]}
      />
    </Card>
  );
}
