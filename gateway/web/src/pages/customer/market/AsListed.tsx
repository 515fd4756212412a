/** Beside the sheet: what the order is that the bytes name by its number, as the board lists it. */

import { useFormat } from "../../../format";
import { useTexts } from "../../../i18n";
import { Facts } from "../../../ui";
import { worthMinor } from "../../../wallet/reading";
import { CUSTOMER } from "../texts";

interface Listed {
  readonly energy_wh: number;
  readonly price_micro: number;
  readonly from_ms: number;
  readonly until_ms: number;
}

export function AsListed({ row }: { row: Listed }) {
  const t = useTexts(CUSTOMER).market;
  const format = useFormat();
  const worth = worthMinor(BigInt(row.energy_wh), BigInt(row.price_micro), format.ground.digits);
  return (
    <section>
      <p className="mb-2 text-sm text-ink-soft">{t.asListed}</p>
      <Facts
        of={[
          [t.energy, format.energyWh(row.energy_wh)],
          [t.price, format.price(row.price_micro)],
          [t.worth, <strong key="worth">{format.money(worth)}</strong>],
          [t.when, `${format.time(row.from_ms)} – ${format.clock(row.until_ms)}`],
        ]}
      />
    </section>
  );
}
