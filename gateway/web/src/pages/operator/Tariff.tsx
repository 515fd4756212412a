/**
 * One tariff: what it says, its price over a day; and for staff a draft of its next version, with what the draft would
 * have made of energy that a point really took. What is proposed is the data of the draft; another person approves it.
 */

import { useMemo, useState } from "react";
import { useAsked } from "../../api/asking";
import { api, part } from "../../api/client";
import type { TariffRow } from "../../api/rows";
import { isStaff } from "../../app/roles";
import { Chart } from "../../charts";
import { useFormat } from "../../format";
import { shift } from "../../format/decimal";
import { dayStart, monthStart } from "../../format/zone";
import { useTexts } from "../../i18n";
import type { Arguments } from "../../ledger/arguments";
import { usePerson } from "../../session/SessionProvider";
import { Answer, Button, Card, type Column, Columns, Empty, Facts, Field, Json, Page, Table } from "../../ui";
import { Act } from "../Act";
import type { Series } from "./answers";
import { OPERATOR } from "./places";
import { type Line, previewed, pricesOfDay, type Tariff } from "./pricing";
import { tariffOf } from "./Tariffs";
import { TEXTS } from "./texts";

const DAY_MS = 86_400_000;
const PRICE_DIGITS = 6;

export default function TariffPage({ params }: { params: { id: string } }) {
  const t = useTexts(TEXTS);
  const person = usePerson();
  const asked = useAsked<TariffRow>(`/tariffs/${part(params.id)}`);
  const [editing, setEditing] = useState(false);
  const tariff = asked.data ? tariffOf(asked.data) : null;
  const may = tariff !== null && isStaff(person.role) && tariff.utility === person.organisation;
  return (
    <Page
      title={params.id}
      lead={t.tariff}
      back={{ href: `${OPERATOR}/tariffs`, label: t.tariffs }}
      action={
        may &&
        !editing && (
          <Button look="primary" onClick={() => setEditing(true)}>
            {t.draft}
          </Button>
        )
      }
    >
      <Answer of={asked} lines={8}>
        {(row) => {
          const held = tariffOf(row);
          if (!held)
            return (
              <Card>
                <Json value={row.arguments} />
              </Card>
            );
          return editing ? (
            <Editor held={held} onClose={() => setEditing(false)} />
          ) : (
            <Shown tariff={held} fromMs={row.from_ms} />
          );
        }}
      </Answer>
    </Page>
  );
}

function Shown({ tariff, fromMs }: { tariff: Tariff; fromMs: number }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const kinds: Readonly<Record<string, string>> = t.tariffKinds;
  const money = (minor: number | undefined) => (minor ? format.money(minor) : t.none);
  return (
    <>
      <Day tariffs={[[tariff.id, tariff]]} />
      <Columns>
        <Card title={t.tariff}>
          <Facts
            of={[
              [t.kind, kinds[tariff.kind] ?? tariff.kind],
              [t.utility, tariff.utility],
              [t.holdsFrom, format.time(fromMs)],
              [t.zone, tariff.zone.name],
              [t.fixed, money(tariff.fixed_minor)],
              [t.gridFee, tariff.grid_fee_micro ? format.price(tariff.grid_fee_micro) : t.none],
              ...(tariff.levies ?? []).map((levy) => [levy.name, format.price(levy.price_micro)] as const),
              [t.tax, tariff.tax_micro ? format.share(tariff.tax_micro) : t.none],
            ]}
          />
        </Card>
        <Card title={t.prices} flush>
          <PriceTable tariff={tariff} />
        </Card>
      </Columns>
      <Card title={t.wholeData}>
        <Json value={tariff} />
      </Card>
    </>
  );
}

function PriceTable({ tariff }: { tariff: Tariff }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const clock = (minute: number) => `${Math.floor(minute / 60)}:${`${minute % 60}`.padStart(2, "0")}`;
  const rows = [
    ...(tariff.bands ?? []).map((band) => ({
      name: band.name,
      when: [
        band.season,
        band.day_type,
        band.from_minute || (band.until_minute ?? 1_440) < 1_440
          ? `${clock(band.from_minute ?? 0)}–${clock(band.until_minute ?? 1_440)}`
          : "",
      ]
        .filter(Boolean)
        .join(", "),
      price: band.price_micro,
    })),
    ...(tariff.steps ?? []).map((step, at) => ({
      name: t.step(format.number(at + 1)),
      when: step.up_to_wh ? t.upTo(format.energyWh(step.up_to_wh)) : t.beyond,
      price: step.price_micro,
    })),
    ...(tariff.feed_in ?? []).map((band) => ({ name: band.name, when: t.feedIn, price: -band.price_micro })),
  ];
  type Row = (typeof rows)[number];
  const columns: Column<Row>[] = [
    { id: "name", title: t.band, main: true, cell: (row) => row.name },
    { id: "when", title: t.when, cell: (row) => row.when || t.always },
    { id: "price", title: t.price, figure: true, cell: (row) => format.price(row.price) },
  ];
  return <Table caption={t.prices} columns={columns} rows={rows} keyOf={(row, at) => `${at} ${row.name}`} />;
}

/** The price over today, of one tariff or of two to be compared. */
function Day({ tariffs }: { tariffs: readonly (readonly [string, Tariff])[] }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const drawn = useMemo(() => {
    const lists = tariffs.map(([label, tariff]) => {
      const prices = pricesOfDay(tariff, dayStart(tariff.zone, api.now()));
      return { label, times: prices.map(([time]) => time), values: prices.map(([, price]) => price) };
    });
    const times = lists[0]?.times ?? [];
    return { times, series: lists.map(({ label, values }) => ({ label, values, shape: "steps" as const })) };
  }, [tariffs]);
  if (drawn.times.length === 0) return null;
  return (
    <Card title={t.priceOfDay}>
      <Chart
        title={t.priceOfDay}
        summary={format.price(drawn.series[0]?.values[0] ?? 0)}
        timeTitle={t.time}
        {...drawn}
        value={(value) => format.price(Math.round(value))}
      />
    </Card>
  );
}

// ---------------------------------------------------------------- a draft of the next version

interface Draft {
  readonly bands: readonly string[];
  readonly steps: readonly string[];
  readonly feedIn: readonly string[];
  readonly fixed: string;
  readonly gridFee: string;
  readonly tax: string;
  readonly from: string;
}

function useDraft(held: Tariff) {
  const format = useFormat();
  const { digits } = format.ground;
  const separator = format.moneyPlain(0).includes(",") ? "," : ".";
  const write = (value: number | undefined, of: number) => {
    const text = shift(value ?? 0, of);
    const plain = text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
    return plain.replace(".", separator);
  };
  const [draft, setDraft] = useState<Draft>(() => ({
    bands: (held.bands ?? []).map((band) => write(band.price_micro, PRICE_DIGITS)),
    steps: (held.steps ?? []).map((step) => write(step.price_micro, PRICE_DIGITS)),
    feedIn: (held.feed_in ?? []).map((band) => write(band.price_micro, PRICE_DIGITS)),
    fixed: write(held.fixed_minor, digits),
    gridFee: write(held.grid_fee_micro, PRICE_DIGITS),
    tax: write(held.tax_micro, 4),
    from: new Date(monthStart(held.zone, api.now(), 1) + DAY_MS).toISOString().slice(0, 8).concat("01"),
  }));
  const tariff = useMemo(
    () => drafted(held, draft, (text, of) => readNumber(text, of, separator), digits),
    [held, draft, separator, digits],
  );
  return { draft, setDraft, tariff };
}

function readNumber(text: string, digits: number, separator: string): number | null {
  const found = /^(-?)(\d{1,9})(?:\.(\d*))?$/.exec(text.trim().replace(separator, "."));
  const after = (found?.[3] ?? "").replace(/0+$/, "");
  if (!found || after.length > digits) return null;
  const value = Number(`${found[2]}${after.padEnd(digits, "0")}`);
  return found[1] ? -value : value;
}

/** The held tariff with what was typed; null while something typed is no number. */
function drafted(
  held: Tariff,
  draft: Draft,
  read: (text: string, digits: number) => number | null,
  digits: number,
): Tariff | null {
  const price = (texts: readonly string[]) => texts.map((text) => read(text, PRICE_DIGITS));
  const [bands, steps, feedIn] = [price(draft.bands), price(draft.steps), price(draft.feedIn)];
  const [fixed, gridFee, tax] = [read(draft.fixed, digits), read(draft.gridFee, PRICE_DIGITS), read(draft.tax, 4)];
  if ([...bands, ...steps, ...feedIn, fixed, gridFee, tax].includes(null)) return null;
  return {
    ...held,
    bands: (held.bands ?? []).map((band, at) => ({ ...band, price_micro: bands[at] ?? 0 })),
    steps: (held.steps ?? []).map((step, at) => ({ ...step, price_micro: steps[at] ?? 0 })),
    feed_in: (held.feed_in ?? []).map((band, at) => ({ ...band, price_micro: feedIn[at] ?? 0 })),
    fixed_minor: fixed ?? 0,
    grid_fee_micro: gridFee ?? 0,
    tax_micro: tax ?? 0,
  };
}

function Editor({ held, onClose }: { held: Tariff; onClose: () => void }) {
  const t = useTexts(TEXTS);
  const { draft, setDraft, tariff } = useDraft(held);
  const { currency } = useFormat().ground;
  const perKwh = `${currency}/kWh`;
  const change = (values: Partial<Draft>) => setDraft({ ...draft, ...values });
  const one = (name: "bands" | "steps" | "feedIn", at: number, text: string) =>
    change({ [name]: draft[name].map((before, place) => (place === at ? text : before)) });
  const [year = 0, month = 1, day = 1] = draft.from.split("-").map(Number);
  const fromMs = dayStart(held.zone, Date.UTC(year, month - 1, day, 12));
  const call = tariff && {
    contract: "tariff",
    function: "propose_tariff",
    arguments: { tariff: tariff as unknown as Arguments, from_ms: fromMs },
  };
  const compared = useMemo(
    () =>
      tariff
        ? ([
            [t.heldNow, held],
            [t.draftName, tariff],
          ] as const)
        : null,
    [t, held, tariff],
  );
  return (
    <>
      <Card title={t.draft} lead={t.draftLead}>
        <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-3">
          {(held.bands ?? []).map((band, at) => (
            <Field
              key={`band ${band.name}`}
              label={band.name || t.price}
              unit={perKwh}
              inputMode="decimal"
              value={draft.bands[at] ?? ""}
              onChange={(event) => one("bands", at, event.target.value)}
            />
          ))}
          {(held.steps ?? []).map((step, at) => (
            <Field
              key={`step ${step.up_to_wh}`}
              label={t.step(`${at + 1}`)}
              unit={perKwh}
              inputMode="decimal"
              value={draft.steps[at] ?? ""}
              onChange={(event) => one("steps", at, event.target.value)}
            />
          ))}
          {(held.feed_in ?? []).map((band, at) => (
            <Field
              key={`feed ${band.name}`}
              label={`${t.feedIn}: ${band.name}`}
              unit={perKwh}
              inputMode="decimal"
              value={draft.feedIn[at] ?? ""}
              onChange={(event) => one("feedIn", at, event.target.value)}
            />
          ))}
          <Field
            label={t.gridFee}
            unit={perKwh}
            inputMode="decimal"
            value={draft.gridFee}
            onChange={(event) => change({ gridFee: event.target.value })}
          />
          <Field
            label={t.fixed}
            unit={currency}
            inputMode="decimal"
            value={draft.fixed}
            onChange={(event) => change({ fixed: event.target.value })}
          />
          <Field
            label={t.tax}
            unit="%"
            inputMode="decimal"
            value={draft.tax}
            onChange={(event) => change({ tax: event.target.value })}
          />
          <Field
            label={t.holdsFrom}
            type="date"
            value={draft.from}
            onChange={(event) => change({ from: event.target.value })}
          />
        </div>
        {!tariff && (
          <p role="alert" className="mt-3 text-bad">
            {t.noNumber}
          </p>
        )}
        <div className="mt-5 flex flex-wrap gap-2">
          {call && (
            <Act look="primary" call={call} onDone={onClose}>
              {t.propose}
            </Act>
          )}
          <Button onClick={onClose}>{t.discard}</Button>
        </div>
      </Card>
      {compared && <Day tariffs={compared} />}
      {tariff && <Preview held={held} draft={tariff} />}
    </>
  );
}

/** Both tariffs on what a point took in the last whole month. */
function Preview({ held, draft }: { held: Tariff; draft: Tariff }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const [typed, setTyped] = useState("");
  const [point, setPoint] = useState("");
  const [from, until] = useMemo(() => [monthStart(held.zone, api.now(), -1), monthStart(held.zone, api.now())], [held]);
  const asked = useAsked<Series>(
    `/points/${part(point)}/series`,
    { from_ms: from, until_ms: until, by: "quarter" },
    { when: point !== "" },
  );
  return (
    <Card title={t.preview} lead={t.previewLead(format.month(from))}>
      <form
        className="mb-4 flex flex-wrap items-end gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          setPoint(typed.trim());
        }}
      >
        <div className="min-w-0 grow">
          <Field
            label={t.previewPoint}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
            autoComplete="off"
          />
        </div>
        <Button type="submit">{t.compute}</Button>
      </form>
      {point !== "" && (
        <Answer
          of={asked}
          empty={(answer) => answer.items.length === 0}
          whenEmpty={<Empty icon="energy" title={t.noReadings} />}
        >
          {(answer) => (
            <Compared held={held} draft={draft} rows={answer.items} days={Math.round((until - from) / DAY_MS)} />
          )}
        </Answer>
      )}
    </Card>
  );
}

function Compared({ held, draft, rows, days }: { held: Tariff; draft: Tariff; rows: Series["items"]; days: number }) {
  const t = useTexts(TEXTS);
  const format = useFormat();
  const { digits } = format.ground;
  const kinds: Readonly<Record<string, string>> = t.lineKinds;
  const [before, after] = [previewed(held, rows, days, days, digits), previewed(draft, rows, days, days, digits)];
  const nameOf = (line: Line) => [kinds[line.kind] ?? line.kind, line.name].filter(Boolean).join(": ");
  const names = [...new Set([...before, ...after].map(nameOf))];
  const sum = (lines: readonly Line[], name?: string) =>
    lines.reduce((total, line) => (name === undefined || nameOf(line) === name ? total + line.amountMinor : total), 0n);
  const table = [
    ...names.map((name) => ({ name, was: sum(before, name), is: sum(after, name) })),
    { name: t.total, was: sum(before), is: sum(after) },
  ];
  type Row = (typeof table)[number];
  const columns: Column<Row>[] = [
    {
      id: "name",
      title: t.line,
      main: true,
      cell: (row) => (row.name === t.total ? <strong>{row.name}</strong> : row.name),
    },
    { id: "was", title: t.heldNow, figure: true, cell: (row) => format.money(row.was) },
    { id: "is", title: t.draftName, figure: true, cell: (row) => format.money(row.is) },
    { id: "difference", title: t.difference, figure: true, cell: (row) => format.moved(row.is - row.was) },
  ];
  return <Table caption={t.preview} columns={columns} rows={table} keyOf={(row) => row.name} />;
}
