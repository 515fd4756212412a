// Which ledger this is: its name and id, its currency, its zones. Nothing is shown before it is known, for no amount can
// be written without it.

import { createContext, type ReactNode, useContext, useMemo } from "react";

import { isSimulated, type LedgerInfo, type ModelState } from "../api/answers";
import { useAsked } from "../api/asking";
import { api } from "../api/client";
import { FormatProvider } from "../format";
import { UTC } from "../format/zone";
import { useSession } from "../session/SessionProvider";
import { Failed, Loading } from "../ui";

const EVERY_MS = 15_000;

const Info = createContext<LedgerInfo | null>(null);
const Model = createContext<ModelState | null>(null);

/** What stays as it is; `useModel` tells how far the read model is. */
export function useLedger(): LedgerInfo {
  const info = useContext(Info);
  if (!info) throw new Error("no ledger around this page");
  return info;
}

export const useModel = (): ModelState | null => useContext(Model);

export function LedgerProvider({ children }: { children: ReactNode }) {
  const asked = useAsked<LedgerInfo>("/ledger", {}, { everyMs: EVERY_MS });
  const { person } = useSession();
  const found = asked.data;
  if (found && isSimulated(found)) api.standAt(found.model.time_ms + Date.now() - asked.dataUpdatedAt);
  const fixed = found && JSON.stringify({ ...found, model: null });
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new height is no new ledger
  const info = useMemo(() => found, [fixed]);
  if (!info) {
    return (
      <main className="mx-auto max-w-lg py-16">
        {asked.error ? <Failed error={asked.error} onRetry={asked.refetch} busy={asked.isFetching} /> : <Loading />}
      </main>
    );
  }
  const { ground } = info;
  const zone = (person && ground?.zones[person.organisation]) ?? Object.values(ground?.zones ?? {})[0] ?? UTC;
  return (
    <Info value={info}>
      <Model value={found?.model ?? null}>
        <FormatProvider ground={{ currency: ground?.currency ?? "", digits: ground?.digits ?? 2, zone }}>
          {children}
        </FormatProvider>
      </Model>
    </Info>
  );
}
