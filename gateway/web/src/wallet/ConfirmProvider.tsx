// `const confirm = useConfirm()`: every page asks for a signature by it, and none signs by itself.
//
//     const outcome = await confirm({ contract: "billing", function: "pay", arguments: {…} }, { beside: <Quote … /> });

import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useCallback, useContext, useState } from "react";

import type { Outcome } from "../api/answers";
import { useLedger } from "../app/LedgerProvider";
import type { Bytes } from "../ledger/bytes";
import { useSession } from "../session/SessionProvider";
import { ConfirmSheet } from "./ConfirmSheet";
import { type Call, prepare, query } from "./signing";
import type { Account } from "./vault";

interface Options {
  readonly beside?: ReactNode;
}

/** null: rejected, or not sent */
type Confirm = (call: Call, options?: Options) => Promise<Outcome | null>;

interface Open extends Options {
  readonly body: Bytes;
  readonly account: Account;
  readonly resolve: (outcome: Outcome | null) => void;
}

/** Nobody's key is here: staff who came by another way, or a key that was forgotten. */
export class NoKey extends Error {
  readonly code = "NO_KEY";
}

const Context = createContext<Confirm | null>(null);

export function useConfirm(): Confirm {
  const confirm = useContext(Context);
  if (!confirm) throw new Error("no wallet around this page");
  return confirm;
}

export function ConfirmProvider({ children }: { children: ReactNode }) {
  const { account } = useSession();
  const ledger = useLedger();
  const queries = useQueryClient();
  const [open, setOpen] = useState<Open | null>(null);
  const confirm = useCallback<Confirm>(
    (call, options = {}) =>
      new Promise((resolve, reject) => {
        if (!account) {
          reject(new NoKey("no key of this person is kept in this browser"));
          return;
        }
        setOpen({ ...options, body: prepare(call, account, ledger, "transaction"), account, resolve });
      }),
    [account, ledger],
  );
  return (
    <Context value={confirm}>
      {children}
      {open && (
        <ConfirmSheet
          body={open.body}
          account={open.account}
          ledger={ledger}
          beside={open.beside}
          ended={(outcome) => {
            setOpen(null);
            open.resolve(outcome);
            if (outcome) void queries.invalidateQueries();
          }}
        />
      )}
    </Context>
  );
}

/** A contract's own answer, asked in the person's name: what the read model lacks. */
export function useContract(): <Answer>(call: Call) => Promise<Answer> {
  const { account } = useSession();
  const ledger = useLedger();
  return useCallback(
    <Answer,>(call: Call) => {
      if (!account) throw new NoKey("no key of this person is kept in this browser");
      return query<Answer>(call, account, ledger);
    },
    [account, ledger],
  );
}
