/** A token's twenty digits, when asked for: to be typed at the meter. Who reads them may not use them elsewhere. */

import { useState } from "react";

import { useAsked } from "../../api/asking";
import { part } from "../../api/client";
import type { TokenRow } from "../../api/rows";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { Answer, Badge, Button, Dialog, Empty, problemOf } from "../../ui";
import { CUSTOMER } from "./texts";

interface Held {
  readonly digits: string;
}

const COPIED_MS = 1_500;

/** In fours, as they stand on slips and displays. */
export const grouped = (digits: string): readonly string[] => digits.match(/.{1,4}/g) ?? [];

/** Whether there are digits at all: the ledger has their hash. */
export const hasDigits = (row: TokenRow): boolean =>
  row.token_hash !== "" && !["burned", "refunded"].includes(row.status);

export function Digits({ row }: { row: TokenRow }) {
  const t = useTexts(CUSTOMER).tokens;
  const [open, setOpen] = useState(false);
  if (!hasDigits(row)) return "–";
  return (
    <>
      <Button look="plain" onClick={() => setOpen(true)}>
        {t.show}
      </Button>
      {open && <Shown row={row} onClose={() => setOpen(false)} />}
    </>
  );
}

function Shown({ row, onClose }: { row: TokenRow; onClose(): void }) {
  const t = useTexts(CUSTOMER).tokens;
  const format = useFormat();
  const asked = useAsked<Held>(`/points/${part(row.point)}/tokens/${row.credit}/digits`);
  const [copied, setCopied] = useState(false);
  const used = row.status === "redeemed";
  const copy = async (digits: string) => {
    await navigator.clipboard.writeText(digits);
    setCopied(true);
    setTimeout(() => setCopied(false), COPIED_MS);
  };
  return (
    <Dialog open onOpenChange={(open) => open || onClose()} title={t.digits} lead={used ? t.typedLead : t.typeLead}>
      {problemOf(asked.error).status === 404 ? (
        <Empty icon="token" title={t.noDigits} text={t.noDigitsText} />
      ) : (
        <Answer of={asked} lines={2}>
          {({ digits }) => (
            <div className="grid justify-items-center gap-4 py-2">
              <p className="flex flex-wrap justify-center gap-x-3 rounded-xl bg-sunken px-4 py-3 font-mono text-2xl tabular-nums select-all">
                {grouped(digits).map((group, at) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: groups stay where they are
                  <span key={at}>{group}</span>
                ))}
              </p>
              <p className="flex flex-wrap items-center justify-center gap-2">
                <Badge tone={used ? "good" : "accent"}>{used ? t.used : t.notUsed}</Badge>
                <span className="text-ink-soft">
                  {used ? format.time(row.redeemed_ms) : row.energy_mwh !== null && format.energy(row.energy_mwh)}
                </span>
              </p>
              <Button icon={copied ? "check" : "copy"} onClick={() => void copy(digits)}>
                {copied ? t.copied : t.copy}
              </Button>
            </div>
          )}
        </Answer>
      )}
    </Dialog>
  );
}
