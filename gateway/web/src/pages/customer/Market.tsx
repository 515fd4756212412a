/** The market: what is open, what one does oneself, what was paid, and orders that stand. */

import { useState } from "react";

import { useAsked, usePages } from "../../api/asking";
import { part, type Page as Rows } from "../../api/client";
import { useLive } from "../../api/LiveProvider";
import type { CustomerRow, Depth, MarketRow, OrderRow, PriceRow, TradeRow } from "../../api/rows";
import { Chart, DepthChart } from "../../charts";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { useSession } from "../../session/SessionProvider";
import {
  Answer,
  Badge,
  Button,
  Card,
  Choice,
  type Column,
  Columns,
  Empty,
  Page,
  Table,
  Tabs,
  To,
  type Tone,
} from "../../ui";
import { useConfirm } from "../../wallet/ConfirmProvider";
import { type Homes, useHomes, WhichHome } from "./homes";
import { Counters } from "./market/Counters";
import { Offers } from "./market/Offers";
import { PlaceOrder } from "./market/PlaceOrder";
import { Standing } from "./market/Standing";
import { CUSTOMER } from "./texts";

/** What a market's own rules say, as far as it matters here. */
interface Rules {
  readonly mechanism?: string;
}

const BOARD = "board";
const COUNTER = "counter";

export const isBoard = (market: MarketRow): boolean =>
  ((market.arguments as { market?: Rules } | null)?.market?.mechanism ?? "") === BOARD;

export function Market() {
  const t = useTexts(CUSTOMER).market;
  const homes = useHomes();
  const asked = useAsked<{ readonly items: readonly MarketRow[] }>("/markets");
  const { person } = useSession();
  const last = useAsked<Rows<OrderRow>>("/orders", { size: 1 }, { when: person?.role === "customer" });
  const [chosen, setChosen] = useState("");
  return (
    <Answer
      of={last.isLoading ? { ...asked, data: undefined } : asked}
      lines={6}
      title={t.title}
      empty={(found) => found.items.length === 0}
      whenEmpty={
        <Page title={t.title}>
          <Empty icon="market" title={t.none} />
        </Page>
      }
    >
      {({ items }) => {
        const own = chosen || last.data?.items[0]?.market;
        const market = items.find((one) => one.market === own) ?? items[0];
        if (!market) return null;
        return (
          <Page title={t.title} lead={t.lead}>
            <div className="flex flex-wrap gap-4 empty:hidden">
              {items.length > 1 && (
                <div className="w-full max-w-sm">
                  <Choice
                    label={t.which}
                    value={market.market}
                    options={items.map((one) => [one.market, one.market] as const)}
                    onChange={(event) => setChosen(event.target.value)}
                  />
                </div>
              )}
              <WhichHome homes={homes} />
            </div>
            <One key={market.market} market={market} homes={homes} />
          </Page>
        );
      }}
    </Answer>
  );
}

function One({ market, homes }: { market: MarketRow; homes: Homes }) {
  const t = useTexts(CUSTOMER).market;
  const { account, person } = useSession();
  const at = `/markets/${part(market.market)}`;
  useLive(`market:${market.market}`, [at, "/orders", "/trades", "/strategies", "contract/market"]);
  const customers = usePages<CustomerRow>("/customers", {}, { when: person?.role === "customer" });
  const point = homes.point?.point ?? "";
  const mayTrade = account !== null && point !== "" && person?.role === "customer";
  const customer = customers.data?.[0]?.customer ?? "";
  const board = isBoard(market);
  const whose = { market: market.market, open: true, size: 100 };
  const standing = usePages<OrderRow>("/orders", whose, { when: board && mayTrade });
  const own = (
    <>
      <Orders market={market.market} mayCancel={mayTrade} />
      <Trades market={market.market} point={point} />
    </>
  );
  return (
    <Tabs
      label={t.title}
      tabs={[
        {
          id: "trade",
          title: t.tabs.trade,
          content: (
            <>
              <Columns of={2}>
                <Book at={at} />
                {mayTrade && <PlaceOrder market={market} board={board} point={point} />}
              </Columns>
              {board && mayTrade && <Counters own={standing.data ?? []} />}
              {board && <Offers at={at} point={point} own={standing.data ?? []} mayTake={mayTrade} />}
            </>
          ),
        },
        { id: "mine", title: t.tabs.mine, content: own },
        { id: "prices", title: t.tabs.prices, content: <Prices at={at} /> },
        ...(mayTrade
          ? [
              {
                id: "standing",
                title: t.tabs.standing,
                content: <Standing market={market.market} point={point} customer={customer} />,
              },
            ]
          : []),
      ]}
    />
  );
}

function Book({ at }: { at: string }) {
  const t = useTexts(CUSTOMER).market;
  const asked = useAsked<Depth>(`${at}/depth`);
  return (
    <Card title={t.depth} lead={t.depthLead}>
      <Answer
        of={asked}
        empty={({ bids, asks }) => bids.length + asks.length === 0}
        whenEmpty={<Empty icon="market" title={t.bookEmpty} />}
      >
        {({ bids, asks }) => (
          <DepthChart
            bids={bids}
            asks={asks}
            words={{
              title: t.depth,
              bids: t.bids,
              asks: t.asks,
              price: t.price,
              energy: t.energy,
              orders: t.orders,
            }}
          />
        )}
      </Answer>
    </Card>
  );
}

const TONES: Readonly<Record<string, Tone>> = { open: "info", matched: "good", cleared: "good" };

/** An order's own word, or that it is open still. */
const stateOf = (order: OrderRow): string => order.ended || (order.matched_wh >= order.energy_wh ? "matched" : "open");

function Orders({ market, mayCancel }: { market: string; mayCancel: boolean }) {
  const t = useTexts(CUSTOMER).market;
  const format = useFormat();
  const confirm = useConfirm();
  const asked = usePages<OrderRow>("/orders", { market, size: 25 });
  const states: Readonly<Record<string, string>> = t.states;
  const cancel = (order: number) => void confirm({ contract: "market", function: "cancel", arguments: { order } });
  const columns: Column<OrderRow>[] = [
    {
      id: "order",
      title: t.order,
      main: true,
      cell: (row) => (
        <span className="whitespace-nowrap">
          <To href={`/ledger/transactions/${row.transaction}`}>
            {row.kind === COUNTER ? t.counter : row.side === "bid" ? t.buy : t.sell} #{row.number}
          </To>
        </span>
      ),
    },
    { id: "energy", title: t.energy, figure: true, cell: (row) => format.energyWh(row.energy_wh) },
    { id: "price", title: t.price, figure: true, cell: (row) => format.price(row.price_micro) },
    {
      id: "delivery",
      title: t.delivered,
      cell: (row) => `${format.time(row.from_ms)} – ${format.clock(row.until_ms)}`,
    },
    {
      id: "state",
      title: t.state,
      cell: (row) => <Badge tone={TONES[stateOf(row)] ?? "plain"}>{states[stateOf(row)] ?? stateOf(row)}</Badge>,
    },
    {
      id: "cancel",
      title: "",
      cell: (row) =>
        mayCancel &&
        stateOf(row) === "open" && (
          <Button look="plain" aria-label={t.cancelOf(String(row.number))} onClick={() => cancel(row.number)}>
            {t.cancel}
          </Button>
        ),
    },
  ];
  return (
    <Card title={t.mine} flush>
      <Answer of={asked} empty={(rows) => rows.length === 0} whenEmpty={<Empty icon="market" title={t.mineEmpty} />}>
        {(rows) => (
          <Table
            caption={t.mine}
            columns={columns}
            rows={rows}
            keyOf={(row) => String(row.number)}
            onMore={asked.more}
            busy={asked.busy}
          />
        )}
      </Answer>
    </Card>
  );
}

function Trades({ market, point }: { market: string; point: string }) {
  const t = useTexts(CUSTOMER).market;
  const format = useFormat();
  const asked = usePages<TradeRow>("/trades", { market, size: 25 });
  const columns: Column<TradeRow>[] = [
    {
      id: "trade",
      title: t.trade,
      main: true,
      cell: (row) => (
        <To href={`/ledger/transactions/${row.transaction}`}>
          {row.seller_point === point ? t.sold : t.bought} #{row.trade}
        </To>
      ),
    },
    { id: "when", title: t.when, cell: (row) => `${format.time(row.from_ms)} – ${format.clock(row.until_ms)}` },
    { id: "energy", title: t.energy, figure: true, cell: (row) => format.energyWh(row.energy_wh) },
    {
      id: "price",
      title: t.price,
      figure: true,
      cell: (row) => format.price(row.seller_point === point ? row.price_micro : row.buyer_price_micro),
    },
    {
      id: "delivered",
      title: t.delivered,
      figure: true,
      cell: (row) => (row.delivered_mwh === null ? row.status : format.energy(row.delivered_mwh)),
    },
  ];
  return (
    <Card title={t.trades} flush>
      <Answer of={asked} empty={(rows) => rows.length === 0} whenEmpty={<Empty icon="market" title={t.tradesEmpty} />}>
        {(rows) => (
          <Table
            caption={t.trades}
            columns={columns}
            rows={rows}
            keyOf={(row) => String(row.trade)}
            onMore={asked.more}
            busy={asked.busy}
          />
        )}
      </Answer>
    </Card>
  );
}

function Prices({ at }: { at: string }) {
  const t = useTexts(CUSTOMER).market;
  const format = useFormat();
  const asked = useAsked<{ readonly items: readonly PriceRow[] }>(`${at}/prices`, { by: "hour" });
  return (
    <Card title={t.prices} lead={t.pricesLead}>
      <Answer
        of={asked}
        empty={(found) => found.items.length === 0}
        whenEmpty={<Empty icon="market" title={t.tradesEmpty} />}
      >
        {({ items }) => (
          <Chart
            title={t.prices}
            summary={t.pricesSummary(
              format.price(Math.min(...items.map((row) => row.low_micro))),
              format.price(Math.max(...items.map((row) => row.high_micro))),
            )}
            times={items.map((row) => row.from_ms)}
            series={[
              { label: t.average, values: items.map((row) => row.average_micro), shape: "steps", colour: 1 },
              { label: t.low, values: items.map((row) => row.low_micro), colour: 3 },
              { label: t.high, values: items.map((row) => row.high_micro), colour: 4 },
            ]}
            timeTitle={t.when}
            value={(value) => format.price(Math.round(value))}
          />
        )}
      </Answer>
    </Card>
  );
}
