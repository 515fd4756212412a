/** Tariffs as they hold now, those that are decided for later, and what waits for a second person. */

import { useAsked } from "../../api/asking";
import { api } from "../../api/client";
import { useLive } from "../../api/LiveProvider";
import type { TariffRow } from "../../api/rows";
import { isStaff } from "../../app/roles";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { usePerson } from "../../session/SessionProvider";
import { Answer, Badge, Card, type Column, Empty, Page, Table, To } from "../../ui";
import { Waiting } from "../ledger/Governance";
import { toTransaction } from "../ledger/places";
import type { Items } from "./answers";
import { toTariff } from "./places";
import type { Tariff } from "./pricing";
import { TEXTS } from "./texts";

/** The arguments of the proposal that made it. */
export function tariffOf(row: TariffRow): Tariff | null {
  const said = row.arguments as { readonly tariff?: Tariff } | null;
  return said?.tariff ?? null;
}

export default function Tariffs() {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const person = usePerson();
  const asked = useAsked<Items<TariffRow>>("/tariffs");
  useLive("blocks", ["/tariffs", "/proposals"]);
  const kinds: Readonly<Record<string, string>> = t.tariffKinds;
  const now = api.now();
  const columns: Column<TariffRow>[] = [
    { id: "tariff", title: t.tariff, main: true, cell: (row) => <To href={toTariff(row.tariff)}>{row.tariff}</To> },
    { id: "kind", title: t.kind, cell: (row) => kinds[tariffOf(row)?.kind ?? ""] ?? "–" },
    {
      id: "status",
      title: t.status,
      cell: (row) => (row.from_ms > now ? <Badge tone="info">{t.comes}</Badge> : <Badge tone="good">{t.holds}</Badge>),
    },
    { id: "price", title: t.price, figure: true, cell: (row) => <Prices tariff={tariffOf(row)} /> },
    { id: "from", title: t.holdsFrom, figure: true, cell: (row) => format.date(row.from_ms) },
    {
      id: "decided",
      title: t.decided,
      figure: true,
      cell: (row) => (row.transaction ? <To href={toTransaction(row.transaction)}>{t.transaction}</To> : "–"),
    },
  ];
  return (
    <Page title={t.tariffs} lead={t.tariffsLead}>
      <Card title={t.tariffs} flush>
        <Answer
          of={asked}
          empty={(answer) => answer.items.length === 0}
          whenEmpty={<Empty icon="bill" title={t.noTariffs} />}
          lines={6}
        >
          {(answer) => (
            <Table
              caption={t.tariffs}
              columns={columns}
              rows={answer.items}
              keyOf={(row) => `${row.tariff} ${row.from_ms}`}
            />
          )}
        </Answer>
      </Card>
      {(isStaff(person.role) || person.role === "regulator") && <Waiting contract="tariff" />}
    </Page>
  );
}

function Prices({ tariff }: { tariff: Tariff | null }) {
  const format = useFormat();
  const prices = [...(tariff?.bands ?? []), ...(tariff?.steps ?? [])].map((one) => one.price_micro);
  if (prices.length === 0) return <>–</>;
  const [low, high] = [Math.min(...prices), Math.max(...prices)];
  return <>{low === high ? format.price(low) : `${format.price(low)} – ${format.price(high)}`}</>;
}
