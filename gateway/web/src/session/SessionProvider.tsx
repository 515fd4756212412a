// Who is there, for every page; and the wallet's account that they signed with. A wallet that was not signed out enters
// again by itself when the gateway has forgotten it, where somebody is at the page.

import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from "react";

import type { Person } from "../api/answers";
import { isSignedOut } from "../api/problem";
import { type Account, accounts } from "../wallet/vault";
import { attending } from "./attended";
import { enter, leave, who } from "./session";

const CURRENT = "account";

export interface Session {
  /** undefined: not known yet */
  readonly person: Person | null | undefined;
  readonly account: Account | null;
  /** Keys kept in this browser */
  readonly kept: readonly Account[];
  readonly error: unknown;
  enterAs(account: Account): Promise<Person>;
  leave(everywhere?: boolean): Promise<void>;
  /** The vault has changed, or the gateway may know more. */
  reload(): Promise<void>;
}

const Context = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(Context);
  if (!session) throw new Error("no session around this page");
  return session;
}

/** For pages behind the entry: somebody is there. */
export function usePerson(): Person {
  const { person } = useSession();
  if (!person) throw new Error("this page is shown to who is signed in");
  return person;
}

export function SessionProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const [person, setPerson] = useState<Person | null>();
  const [account, setAccount] = useState<Account | null>(null);
  const [kept, setKept] = useState<readonly Account[]>([]);
  const [error, setError] = useState<unknown>(null);
  const renewing = useRef<Promise<void> | null>(null);
  const attended = useRef<() => boolean>(() => true);
  useEffect(() => {
    const { look, end } = attending(window, Date.now);
    attended.current = look;
    return end;
  }, []);

  const enterAs = useCallback(
    async (wanted: Account) => {
      const entered = await enter(wanted);
      localStorage.setItem(CURRENT, entered.account.identity);
      setAccount(entered.account);
      setPerson(entered.person);
      setKept(await accounts());
      setError(null);
      queries.removeQueries({ type: "inactive" }); // what somebody else has seen
      void queries.resetQueries({ predicate: ({ queryKey }) => queryKey[0] !== "/ledger" });
      return entered.person;
    },
    [queries],
  );

  const reload = useCallback(async () => {
    try {
      const all = await accounts();
      setKept(all);
      const found = await who();
      const current = all.find((one) => one.identity === (found?.identity ?? localStorage.getItem(CURRENT)));
      if (!found && current && attended.current()) {
        await enterAs(current);
        return;
      }
      setAccount(current ?? null);
      setPerson(found);
      if (!found) queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "/ledger" });
      setError(null);
    } catch (refused) {
      setError(refused);
      setPerson((before) => before ?? null);
    }
  }, [enterAs, queries]);

  useEffect(() => {
    void reload();
  }, [reload]);

  useEffect(
    () =>
      queries.getQueryCache().subscribe(({ type, query }) => {
        if (type !== "updated" || !isSignedOut(query.state.error) || renewing.current) return;
        renewing.current = reload().finally(() => {
          renewing.current = null;
        });
      }),
    [queries, reload],
  );

  const value = useMemo<Session>(
    () => ({
      person,
      account,
      kept,
      error,
      enterAs,
      reload,
      async leave(everywhere = false) {
        localStorage.removeItem(CURRENT);
        await leave(everywhere);
        queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "/ledger" });
        setPerson(null);
        setAccount(null);
      },
    }),
    [person, account, kept, error, enterAs, reload, queries],
  );
  return <Context value={value}>{children}</Context>;
}
