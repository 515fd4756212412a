/**
 * A button that puts something on the ledger: the wallet shows what is to be signed, the person confirms, and what came
 * of it is said. Whoever has no key in this browser (who came by the organisation's own entrance) is told so.
 */

import { type ReactNode, useState } from "react";
import { useTexts } from "../i18n";
import { texts } from "../i18n/texts";
import { Button, problemOf, useToast } from "../ui";
import { useConfirm } from "../wallet/ConfirmProvider";
import type { Call } from "../wallet/signing";

const TEXTS = texts(
  {
    done: "It is on the ledger",
    waits: "Sent: it waits for its block",
    refused: "The ledger refused it",
    noKey: "Your key is not in this browser. Sign in with your wallet, or use the command line.",
  },
  {
    done: "Es steht im Ledger",
    waits: "Gesendet: es wartet auf seinen Block",
    refused: "Das Ledger hat es abgelehnt",
    noKey:
      "Ihr Schlüssel ist nicht in diesem Browser. Melden Sie sich mit Ihrer Wallet an, oder nehmen Sie die Befehlszeile.",
  },
);

/** Sign and send; true when the ledger has taken it. */
export function useAct(): (call: Call) => Promise<boolean> {
  const confirm = useConfirm();
  const say = useToast();
  const t = useTexts(TEXTS);
  return async (call) => {
    try {
      const outcome = await confirm(call);
      if (outcome === null) return false;
      if (outcome.code === "" || outcome.code === "OK") {
        say({ title: outcome.code === "" ? t.waits : t.done, tone: "good" });
        return true;
      }
      say({ title: t.refused, text: outcome.message || outcome.code, tone: "bad" });
    } catch (error) {
      const { code, text } = problemOf(error);
      say({ title: t.refused, text: code === "NO_KEY" ? t.noKey : text || code, tone: "bad" });
    }
    return false;
  };
}

interface ActProps {
  readonly call: Call;
  readonly look?: "primary" | "quiet" | "danger" | "plain";
  readonly disabled?: boolean;
  readonly children: ReactNode;
  onDone?(): void;
}

export function Act({ call, look = "quiet", disabled = false, children, onDone }: ActProps) {
  const act = useAct();
  const [busy, setBusy] = useState(false);
  const press = async () => {
    setBusy(true);
    if (await act(call)) onDone?.();
    setBusy(false);
  };
  return (
    <Button look={look} busy={busy} disabled={disabled} onClick={press}>
      {children}
    </Button>
  );
}
