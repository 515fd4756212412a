/** An order of one's own: what, how much, at which price, for the delivery that takes orders now. */

import { type FormEvent, useState } from "react";

import type { MarketRow } from "../../../api/rows";
import { useFormat } from "../../../format";
import { unshift } from "../../../format/decimal";
import { useTexts } from "../../../i18n";
import { Answer, Button, Card, Field, Notice, Segments } from "../../../ui";
import { useConfirm } from "../../../wallet/ConfirmProvider";
import { useAskContract } from "../../../wallet/useAskContract";
import { CUSTOMER } from "../texts";

/** `market.window` */
export interface Delivery {
  readonly from_ms: number;
  readonly until_ms: number;
  readonly closes_ms: number;
}

type Side = "buy" | "sell";

const CALLS = { board: { buy: "request", sell: "offer" }, auction: { buy: "bid", sell: "ask" } } as const;

/** A price as it was typed, in millionths; null if it is none. */
export function readPrice(text: string): bigint | null {
  const separator = text.includes(",") ? "," : ".";
  return unshift(text, 6, separator);
}

/** Energy as it was typed in kWh, in Wh; null if it is none, or is finer than a Wh. */
export function readWh(text: string): bigint | null {
  return unshift(text, 3, text.includes(",") ? "," : ".");
}

export function PlaceOrder({ market, board, point }: { market: MarketRow; board: boolean; point: string }) {
  const t = useTexts(CUSTOMER).market;
  const format = useFormat();
  const confirm = useConfirm();
  const which = market.market;
  const window = useAskContract<Delivery | null>("market", "window", { market: which }, { path: "contract/market" });
  const [side, setSide] = useState<Side>("buy");
  const [typedEnergy, setTypedEnergy] = useState("");
  const [typedPrice, setTypedPrice] = useState("");
  const [looked, setLooked] = useState(false);
  const [done, setDone] = useState(false);
  const energy = readWh(typedEnergy);
  const price = readPrice(typedPrice);
  const energyRight = energy !== null && energy > 0n;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setLooked(true);
    if (!energyRight || price === null || !window.data) return;
    const { from_ms, until_ms } = window.data;
    const outcome = await confirm({
      contract: "market",
      function: CALLS[board ? "board" : "auction"][side],
      arguments: {
        market: which,
        point,
        energy_wh: Number(energy),
        price_micro: Number(price),
        from_ms,
        until_ms,
      },
    });
    if (outcome && (outcome.code === "OK" || outcome.code === "")) {
      setTypedEnergy("");
      setLooked(false);
      setDone(true);
    }
  };
  return (
    <Card title={t.place}>
      <form className="grid gap-4" onSubmit={submit} noValidate>
        <Segments<Side>
          label={t.side}
          value={side}
          options={[
            ["buy", t.buy],
            ["sell", t.sell],
          ]}
          onChange={setSide}
        />
        <Field
          label={t.energy}
          unit="kWh"
          inputMode="decimal"
          value={typedEnergy}
          autoComplete="off"
          error={looked && !energyRight ? t.energyWrong : undefined}
          onChange={(event) => {
            setTypedEnergy(event.target.value);
            setDone(false);
          }}
        />
        <Field
          label={t.price}
          hint={t.priceHint}
          unit={format.ground.currency}
          inputMode="decimal"
          value={typedPrice}
          autoComplete="off"
          error={looked && price === null ? t.priceWrong : undefined}
          onChange={(event) => setTypedPrice(event.target.value)}
        />
        <Answer of={window} lines={1} empty={(found) => found === null} whenEmpty={<p>{t.deliveryNone}</p>}>
          {(found) =>
            found && (
              <p className="text-sm text-ink-soft">
                {t.delivery(format.time(found.from_ms), format.time(found.until_ms))}
                <br />
                {t.bidsUntil(format.time(found.closes_ms))}
              </p>
            )
          }
        </Answer>
        {done && <Notice tone="good" icon="check" title={t.placed} />}
        <Button type="submit" look="primary" disabled={!window.data}>
          {t.go}
        </Button>
      </form>
    </Card>
  );
}
