// What a person confirms, drawn from the bytes that are then signed; and, on the same sheet, what became of it.

import { type ReactNode, useEffect, useMemo, useState } from "react";

import type { Balance, LedgerInfo, Outcome } from "../api/answers";
import { api } from "../api/client";
import { Refused, Unreachable } from "../api/problem";
import { useFormat } from "../format";
import { useTexts } from "../i18n";
import { type Bytes, toHex } from "../ledger/bytes";
import { Button, Dialog, Facts, Hash, Notice } from "../ui";
import { type Line, type Reading, readingOf, type Shown, saysTheSame } from "./reading";
import { outcomeSince, query, renewed, submit } from "./signing";
import { WALLET } from "./texts";
import type { Account } from "./vault";

export interface SheetProps {
  /** What is shown. It is renewed (nonce, validity) when it is confirmed, read again, and must say the same. */
  readonly body: Bytes;
  readonly account: Account;
  readonly ledger: LedgerInfo;
  /** What the page knows beside the bytes: a quote, a recipient's name. It stands apart from what is signed. */
  readonly beside?: ReactNode;
  ended(outcome: Outcome | null): void;
}

type Stage =
  | { readonly at: "asked" | "signing" | "expired" }
  | { readonly at: "waiting" | "done"; readonly outcome: Outcome }
  | { readonly at: "failed"; readonly error: unknown };

/** Not answered yet is undefined; null is an answer that did not come. */
type Asked<T> = T | null | undefined;

const LOOK_AGAIN_MS = 1_500;

export function ConfirmSheet({ body: prepared, account, ledger, beside, ended }: SheetProps) {
  const t = useTexts(WALLET);
  const [body, setBody] = useState(prepared);
  const [stage, setStage] = useState<Stage>({ at: "asked" });
  const expected = {
    chainId: ledger.chain_id,
    identity: account.identity,
    nowMs: api.now(),
    currencyDigits: ledger.ground?.digits ?? 2,
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: the bytes decide, not the moment of drawing
  const reading = useMemo(() => readingOf(body, expected), [body]);
  const balance = useBalance(account, ledger, stage.at === "done");
  useOutcome(stage, setStage, body, account);

  const confirm = async () => {
    setStage({ at: "signing" });
    try {
      const fresh = await renewed(body, ledger);
      if (!saysTheSame(readingOf(fresh, { ...expected, nowMs: api.now() }), reading)) throw new Error("other bytes");
      setBody(fresh);
      const outcome = await submit(fresh, account);
      setStage({ at: outcome.code ? "done" : "waiting", outcome });
    } catch (error) {
      setStage({ at: "failed", error });
    }
  };
  const close = () => {
    if (stage.at === "signing") return;
    ended(stage.at === "done" || stage.at === "waiting" ? stage.outcome : null);
  };
  const serious = reading.warnings.some((one) => one === "otherLedger" || one === "otherSigner");
  const over = stage.at === "done" || stage.at === "waiting" || stage.at === "failed";
  const actions = over ? (
    <Button look="primary" onClick={close}>
      {t.close}
    </Button>
  ) : (
    <>
      <Button look="primary" onClick={confirm} busy={stage.at === "signing"} disabled={serious}>
        {stage.at === "signing" ? t.sending : t.confirm}
      </Button>
      <Button onClick={close} disabled={stage.at === "signing"}>
        {t.reject}
      </Button>
    </>
  );
  return (
    <Dialog
      open
      onOpenChange={(open) => open || close()}
      title={t.titles[reading.call ?? "unknown"]}
      lead={over ? undefined : t.lead}
      actions={actions}
    >
      <div className="grid grid-cols-1 gap-4">
        {reading.warnings.map((warning) => (
          <Notice
            key={warning}
            tone={warning === "unknownCall" ? "warn" : "bad"}
            icon="alert"
            title={t.warnings[warning]}
          />
        ))}
        <Ended stage={stage} />
        <Said reading={reading} />
        {!over && beside}
        <Money reading={reading} balance={balance} done={stage.at === "done"} />
        <Raw body={body} reading={reading} />
      </div>
    </Dialog>
  );
}

/** What the call says, line by line. Money and energy stand out. */
export function Said({ reading }: { reading: Reading }) {
  const call = reading.call ? "" : `${reading.body.contract}.${reading.body.function}`;
  return <Lines of={reading.lines} call={call} />;
}

export function Lines({ of, call = "" }: { of: readonly Line[]; call?: string }) {
  const names: Readonly<Record<string, string>> = useTexts(WALLET).labels;
  const lines = of.map(
    (line) => [labelOf(line, names), <Value key={labelOf(line, names)} shown={line.shown} />] as const,
  );
  return <Facts of={[...lines, call ? (["→", <code key="call">{call}</code>] as const) : null]} />;
}

const labelOf = ({ label, of }: Line, names: Readonly<Record<string, string>>): string =>
  [names[label] ?? label, of].filter(Boolean).join(": ");

function Value({ shown }: { shown: Shown }) {
  const t = useTexts(WALLET);
  const format = useFormat();
  switch (shown.kind) {
    case "money":
      return <strong className="text-lg">{format.money(shown.value)}</strong>;
    case "energy":
      return <strong className="text-lg">{format.energy(shown.value)}</strong>;
    case "energyWh":
      return <strong className="text-lg">{format.energyWh(shown.value)}</strong>;
    case "price":
      return format.price(shown.value);
    case "share":
      return format.share(shown.value);
    case "time":
      return format.time(Number(shown.value));
    case "scopes": {
      const names: Readonly<Record<string, string>> = t.scopesOf;
      return <>{shown.value.map((one) => names[one] ?? one).join(", ")}</>;
    }
    case "code": {
      const rules: Readonly<Record<string, string>> = t.rules;
      return <>{rules[shown.value] ?? <Code value={shown.value} />}</>;
    }
    case "id":
      return /^[0-9a-f]{64}$/.test(shown.value) ? <Hash value={shown.value} /> : shown.value;
    default:
      return shown.value;
  }
}

function Code({ value }: { value: string }) {
  if (/^\d{11,20}$/.test(value)) return <span className="font-mono">{value.replace(/(.{4})(?=.)/g, "$1 ")}</span>;
  return value.length > 40 && !value.includes('"') ? (
    <Hash value={value} />
  ) : (
    <code className="font-mono text-sm">{value}</code>
  );
}

/** Its lines have their places before their figures are known: nothing moves under the finger that confirms. */
function Money({ reading, balance, done }: { reading: Reading; balance: Asked<Balance>; done: boolean }) {
  const t = useTexts(WALLET);
  const format = useFormat();
  const spends = reading.spendsMinor;
  const have = balance ? BigInt(balance.available_minor) : null;
  const after = have === null || spends === null ? null : have - spends;
  return (
    <div className="rounded-xl bg-sunken p-4" aria-busy={balance === undefined}>
      <Facts
        of={[
          [t.fee, t.noFee],
          balance === null ? null : [done ? t.afterNow : t.before, have === null ? t.looking : format.money(have)],
          done || balance === null || spends === null
            ? null
            : [
                reading.more ? t.afterAndMore : t.after,
                <strong key="after">{after === null ? t.looking : format.money(after < 0n ? 0n : after)}</strong>,
              ],
        ]}
      />
      {!done && reading.more && <p className="mt-3 text-sm text-ink-soft">{t.more}</p>}
      {!done && after !== null && after < 0n && (
        <p role="alert" className="mt-3 text-sm font-medium text-bad">
          {t.notEnough}
        </p>
      )}
    </div>
  );
}

function Ended({ stage }: { stage: Stage }) {
  const t = useTexts(WALLET);
  const format = useFormat();
  if (stage.at === "waiting") return <Notice title={t.sending}>{t.waiting}</Notice>;
  if (stage.at === "done") {
    const { code, message, height } = stage.outcome;
    if (code === "OK") {
      return (
        <Notice tone="good" icon="check" title={t.done}>
          {height > 0 && t.inBlock(format.number(height))}
        </Notice>
      );
    }
    return (
      <Notice tone="bad" icon="alert" title={t.refusedTitle}>
        {message || t.refusedText} <span className="font-mono">{code}</span>
      </Notice>
    );
  }
  if (stage.at !== "failed") return null;
  const { error } = stage;
  const unknown = error instanceof Unreachable || (error instanceof Refused && error.status >= 500);
  const text = error instanceof Error ? error.message : String(error);
  return (
    <Notice tone={unknown ? "warn" : "bad"} icon="alert" title={unknown ? t.unknownTitle : t.failedTitle}>
      {unknown ? t.unknownText : text} {error instanceof Refused && <span className="font-mono">{error.code}</span>}
    </Notice>
  );
}

function Raw({ body, reading }: { body: Bytes; reading: Reading }) {
  const t = useTexts(WALLET);
  const format = useFormat();
  const { replay, chainId, creator, contract } = reading.body;
  return (
    <details className="text-sm">
      <summary className="py-2 text-ink-soft">{t.bytes}</summary>
      <p className="mb-2 text-ink-soft">{t.bytesHint}</p>
      <Facts
        of={[
          ["→", <code key="call">{`${contract}.${reading.body.function}`}</code>],
          [t.signer, <Hash key="signer" value={toHex(creator)} />],
          [t.ledgerId, <Hash key="ledger" value={toHex(chainId)} />],
          "validUntilMs" in replay ? [t.validUntil, format.moment(replay.validUntilMs)] : null,
        ]}
      />
      <p className="mt-2 max-h-32 overflow-auto rounded bg-sunken p-2 font-mono text-xs break-all">{toHex(body)}</p>
    </details>
  );
}

/** Before, and again when it is done: what the ledger says, not what we reckon. */
function useBalance(account: Account, ledger: LedgerInfo, done: boolean): Asked<Balance> {
  const [balance, setBalance] = useState<Asked<Balance>>(undefined);
  // biome-ignore lint/correctness/useExhaustiveDependencies: asked again when it is done
  useEffect(() => {
    let here = true;
    const asking = { contract: "currency", function: "balance", arguments: { account: account.identity } };
    query<Balance>(asking, account, ledger)
      .then((found) => here && setBalance(found))
      .catch(() => here && setBalance(null));
    return () => {
      here = false;
    };
  }, [account, ledger, done]);
  return balance;
}

/** What waits for its block is looked for until it is there. */
function useOutcome(stage: Stage, setStage: (stage: Stage) => void, body: Bytes, account: Account): void {
  useEffect(() => {
    if (stage.at !== "waiting") return;
    const { id } = stage.outcome;
    const kept = { id, identity: account.identity, body, signedMs: api.now(), code: null, message: "", height: 0 };
    const timer = setInterval(() => {
      outcomeSince(kept)
        .then((outcome) => outcome.code && setStage({ at: "done", outcome }))
        .catch(() => {});
    }, LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [stage, setStage, body, account]);
}
