/** "Verify this bill": what was checked, step by step, and what was not. */

import { useState } from "react";

import { api, part } from "../../api/client";
import { Refused } from "../../api/problem";
import type { TransactionRow } from "../../api/rows";
import { useLedger } from "../../app/LedgerProvider";
import { useFormat } from "../../format";
import { useTexts } from "../../i18n";
import { type Bytes, concat, sha256, tag, toHex, utf8 } from "../../ledger/bytes";
import { useSession } from "../../session/SessionProvider";
import { Button, Card, Field, Icon, Notice } from "../../ui";
import { useContract } from "../../wallet/ConfirmProvider";
import type { BillShown } from "./Bill";
import { CUSTOMER } from "./texts";
import { type Checked, checkBill, type Line } from "./verifying";

interface Done extends Checked {
  readonly text: string;
  /** The nodes' own recomputation; null where it could not be asked. */
  readonly recomputed: boolean | null;
  readonly given: boolean;
}

class NoGenesis extends Error {}

export function Verify({ bill, lines }: { bill: BillShown; lines: readonly Line[] | null }) {
  const t = useTexts(CUSTOMER).verify;
  const { account } = useSession();
  const ledger = useLedger();
  const ask = useContract();
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState<Done | null>(null);
  const [error, setError] = useState<unknown>(null);
  const chainId = account?.chainId ?? ledger.chain_id;

  const check = async (given?: Bytes) => {
    setBusy(true);
    setError(null);
    try {
      const genesis = given ?? (await servedGenesis());
      const text = await proofText(bill);
      const checked = await checkBill(bill, lines, text, genesis, chainId);
      const recomputed = await ask<{ readonly agrees: boolean }>({
        contract: "billing",
        function: "recompute",
        arguments: { invoice: bill.invoice },
      }).then(
        (answer) => answer.agrees,
        () => null,
      );
      setDone({ ...checked, text, recomputed, given: given !== undefined });
    } catch (failed) {
      setDone(null);
      setError(failed);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Card title={t.title} lead={t.lead}>
      <div className="grid grid-cols-1 gap-4">
        {done && <Steps done={done} />}
        {error instanceof NoGenesis ? (
          <GiveGenesis chainId={chainId} onGiven={(genesis) => void check(genesis)} />
        ) : (
          Boolean(error) && (
            <Notice tone="bad" icon="alert" title={t.bad}>
              {error instanceof Error ? error.message : String(error)}
            </Notice>
          )
        )}
        <div className="flex flex-wrap gap-2">
          <Button icon="shield" onClick={() => void check()} busy={busy}>
            {busy ? t.working : done || error ? t.again : t.go}
          </Button>
          {done && (
            <a
              className="inline-flex min-h-11 items-center rounded-lg px-4 py-2 font-medium text-accent hover:bg-accent-soft"
              download={`${bill.invoice.replaceAll(":", "-")}.proof.json`}
              href={`data:application/json,${encodeURIComponent(done.text)}`}
            >
              {t.save}
            </a>
          )}
        </div>
      </div>
    </Card>
  );
}

function Steps({ done }: { done: Done }) {
  const t = useTexts(CUSTOMER).verify;
  const format = useFormat();
  const { proof, sum, recomputed, given } = done;
  const bad = sum === false || recomputed === false;
  const [signed, all, needed] = [proof.signers.length, proof.validators, proof.quorum].map((one) => format.number(one));
  const names = [...new Set(proof.signers)].join(", ");
  const steps: readonly (readonly [boolean | null, string, string?])[] = [
    [true, given ? t.steps.genesisGiven : t.steps.genesis],
    [true, t.steps.block(signed ?? "", all ?? "", needed ?? ""), t.organisations(names)],
    [true, t.steps.receipt, t.at(format.number(proof.header.height), format.moment(proof.header.timeMs))],
    [true, t.steps.facts],
    [sum, t.steps.sum],
    [recomputed, t.steps.recompute],
  ];
  return (
    <>
      <Notice tone={bad ? "bad" : "good"} icon={bad ? "alert" : "shield"} title={bad ? t.bad : t.good} />
      <ol className="grid gap-2.5">
        {steps
          .filter(([held]) => held !== null)
          .map(([held, text, more]) => (
            <li key={text} className="flex items-start gap-3">
              <span className={held ? "text-good" : "text-bad"}>
                <Icon name={held ? "check" : "close"} />
              </span>
              <span className="min-w-0">
                {text}
                {more && <span className="block text-sm text-ink-soft">{more}</span>}
              </span>
            </li>
          ))}
      </ol>
      <div className="rounded-xl bg-sunken p-4 text-sm">
        <p className="font-medium">{t.notTitle}</p>
        <ul className="mt-1.5 grid list-disc gap-1.5 ps-5 text-ink-soft">
          <li>{t.notLines}</li>
          {recomputed !== null && <li>{t.notRecompute}</li>}
          <li>{t.notPage}</li>
        </ul>
      </div>
    </>
  );
}

function GiveGenesis({ chainId, onGiven }: { chainId: string; onGiven(genesis: Bytes): void }) {
  const t = useTexts(CUSTOMER).verify;
  const [wrong, setWrong] = useState(false);
  const read = async (file: File | undefined) => {
    if (!file) return;
    const genesis = new Uint8Array(await file.arrayBuffer());
    const right = toHex(await sha256(concat(tag("genesis"), genesis))) === chainId;
    setWrong(!right);
    if (right) onGiven(genesis);
  };
  return (
    <Field
      type="file"
      label={t.genesis}
      hint={t.genesisHint}
      error={wrong ? t.genesisWrong : undefined}
      accept="application/json,.json"
      onChange={(event) => void read(event.target.files?.[0])}
    />
  );
}

/** What the gateway hands out need not be trusted: its hash is the ledger's id, which the wallet keeps with its key. */
async function servedGenesis(): Promise<Bytes> {
  try {
    return utf8(await api.text("/genesis"));
  } catch (error) {
    if (error instanceof Refused && error.status === 404) throw new NoGenesis("the gateway has no founding document");
    throw error;
  }
}

/** The proof of the call that issued the bill, in its one form. */
async function proofText(bill: BillShown): Promise<string> {
  const id = await issuing(bill);
  return api.text(`/proofs/transactions/${part(id)}`);
}

async function issuing(bill: BillShown): Promise<string> {
  if (bill.issued_transaction) return bill.issued_transaction;
  let after = "";
  do {
    const page = await api.get<{ items: readonly TransactionRow[]; after: string }>("/transactions", {
      height: bill.issued_height,
      size: 200,
      after,
    });
    const found = page.items.find((row) => row.position === bill.issued_position);
    if (found) return found.id;
    after = page.after;
  } while (after);
  throw new Error("the call that issued this bill is not in the model");
}
