/** Standing orders: a rule, a price, a budget, until when; and those that there are. */

import { type FormEvent, useState } from "react";

import { useAsked } from "../../../api/asking";
import { api } from "../../../api/client";
import type { StrategyRow } from "../../../api/rows";
import { useFormat } from "../../../format";
import { useTexts } from "../../../i18n";
import { Answer, Badge, Button, Card, Choice, type Column, Columns, Empty, Field, Table } from "../../../ui";
import { useConfirm } from "../../../wallet/ConfirmProvider";
import { WALLET } from "../../../wallet/texts";
import { CUSTOMER } from "../texts";
import { readPrice, readWh } from "./PlaceOrder";

type Rule = "sell_above" | "buy_below" | "keep_battery";

const DAY_MS = 86_400_000;
const RULES: readonly Rule[] = ["buy_below", "sell_above", "keep_battery"];

export function Standing({ market, point, customer }: { market: string; point: string; customer: string }) {
  return (
    <Columns of={2}>
      <Running market={market} customer={customer} />
      <Start market={market} point={point} />
    </Columns>
  );
}

function Running({ market, customer }: { market: string; customer: string }) {
  const t = useTexts(CUSTOMER).market;
  const rules: Readonly<Record<string, string>> = useTexts(WALLET).rules;
  const format = useFormat();
  const confirm = useConfirm();
  const asked = useAsked<{ readonly items: readonly StrategyRow[] }>(
    "/strategies",
    { customer },
    { when: customer !== "" },
  );
  const stop = (strategy: number) =>
    void confirm({ contract: "market", function: "stop_strategy", arguments: { strategy } });
  const columns: Column<StrategyRow>[] = [
    { id: "rule", title: t.rule, main: true, cell: (row) => rules[row.rule] ?? row.rule },
    { id: "budget", title: t.budget, figure: true, cell: (row) => format.money(row.budget_minor) },
    { id: "until", title: t.until, cell: (row) => format.date(row.until_ms) },
    {
      id: "state",
      title: t.state,
      cell: (row) =>
        row.stopped ? (
          <Badge>{t.stopped}</Badge>
        ) : row.alarm ? (
          <Badge tone="warn">{t.alarm}</Badge>
        ) : (
          <Badge tone="good">{t.running}</Badge>
        ),
    },
    {
      id: "stop",
      title: "",
      cell: (row) =>
        !row.stopped && (
          <Button look="plain" aria-label={t.stopOf(String(row.strategy))} onClick={() => stop(row.strategy)}>
            {t.stop}
          </Button>
        ),
    },
  ];
  return (
    <Card title={t.strategy} lead={t.strategyLead} flush>
      <Answer
        of={asked}
        empty={({ items }) => items.every((row) => row.market !== market)}
        whenEmpty={<Empty icon="time" title={t.noStrategies} />}
      >
        {({ items }) => (
          <Table
            caption={t.strategy}
            columns={columns}
            rows={items.filter((row) => row.market === market)}
            keyOf={(row) => String(row.strategy)}
          />
        )}
      </Answer>
    </Card>
  );
}

function Start({ market, point }: { market: string; point: string }) {
  const t = useTexts(CUSTOMER).market;
  const names = useTexts(WALLET).rules;
  const format = useFormat();
  const confirm = useConfirm();
  const [rule, setRule] = useState<Rule>("buy_below");
  const [typed, setTyped] = useState({ energy: "", price: "", sell: "", target: "", budget: "", days: "30" });
  const [looked, setLooked] = useState(false);
  const set = (name: keyof typeof typed) => (event: { target: { value: string } }) =>
    setTyped({ ...typed, [name]: event.target.value });
  const battery = rule === "keep_battery";
  const [energy, price, sell, target] = [
    readWh(typed.energy),
    readPrice(typed.price),
    readPrice(typed.sell),
    readWh(typed.target),
  ];
  const budget = format.readMoney(typed.budget);
  const wrong = {
    energy: energy === null || energy <= 0n,
    price: price === null,
    sell: battery && sell === null,
    target: battery && target === null,
    budget: budget === null || budget < 0n,
    days: !/^[1-9]\d{0,2}$/.test(typed.days),
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setLooked(true);
    if (Object.values(wrong).some(Boolean)) return;
    await confirm({
      contract: "market",
      function: "strategy",
      arguments: {
        market,
        point,
        rule,
        price_micro: Number(price),
        energy_wh: Number(energy),
        budget_minor: Number(budget),
        until_ms: api.now() + Number(typed.days) * DAY_MS,
        ...(battery ? { sell_price_micro: Number(sell), target_wh: Number(target) } : {}),
      },
    });
  };
  return (
    <Card title={t.start}>
      <form className="grid gap-4" onSubmit={submit} noValidate>
        <Choice
          label={t.rule}
          value={rule}
          options={RULES.map((one) => [one, names[one]] as const)}
          onChange={(event) => setRule(event.target.value as Rule)}
        />
        <Field
          label={t.energy}
          unit="kWh"
          inputMode="decimal"
          value={typed.energy}
          error={looked && wrong.energy ? t.energyWrong : undefined}
          onChange={set("energy")}
        />
        <Field
          label={t.price}
          unit={format.ground.currency}
          inputMode="decimal"
          value={typed.price}
          error={looked && wrong.price ? t.priceWrong : undefined}
          onChange={set("price")}
        />
        {battery && (
          <>
            <Field
              label={t.sellPrice}
              unit={format.ground.currency}
              inputMode="decimal"
              value={typed.sell}
              error={looked && wrong.sell ? t.priceWrong : undefined}
              onChange={set("sell")}
            />
            <Field
              label={t.target}
              unit="kWh"
              inputMode="decimal"
              value={typed.target}
              error={looked && wrong.target ? t.energyWrong : undefined}
              onChange={set("target")}
            />
          </>
        )}
        <Field
          label={t.budget}
          unit={format.ground.currency}
          inputMode="decimal"
          value={typed.budget}
          error={looked && wrong.budget ? t.priceWrong : undefined}
          onChange={set("budget")}
        />
        <Field
          label={t.days}
          inputMode="numeric"
          value={typed.days}
          error={looked && wrong.days ? t.energyWrong : undefined}
          onChange={set("days")}
        />
        <Button type="submit" look="primary">
          {t.go}
        </Button>
      </form>
    </Card>
  );
}
