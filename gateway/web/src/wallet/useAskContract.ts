// What the read model lacks, asked of a contract in the person's own name, and kept like any other answer.

import { useQuery } from "@tanstack/react-query";

import { mayPass } from "../api/problem";
import type { Arguments } from "../ledger/arguments";
import { useSession } from "../session/SessionProvider";
import { useContract } from "./ConfirmProvider";

/** `path`: where in the API it would stand, so that a live event has it asked anew (`useLive`). */
export function useAskContract<Answer>(
  contract: string,
  name: string,
  values: Arguments,
  { when = true, path = "" }: { when?: boolean; path?: string } = {},
) {
  const ask = useContract();
  const { account } = useSession();
  return useQuery({
    queryKey: [path || `contract/${contract}`, contract, name, values, account?.identity],
    queryFn: () => ask<Answer>({ contract, function: name, arguments: values }),
    enabled: when && account !== null,
    retry: (count, error) => count < 1 && mayPass(error),
  });
}
