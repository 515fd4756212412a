// `useAsk("/tokens", { point })`: an answer of the API that a page shows, kept while it is asked anew. `useRows` goes on
// page by page. What is asked is named by its address, so that a live event can have just that asked again.

import { QueryClient, useInfiniteQuery, useQuery } from "@tanstack/react-query";

import { api, type Page } from "./client";
import { mayPass } from "./problem";

type Params = Readonly<Record<string, string | number | boolean | undefined>>;

const FRESH_MS = 3_000;
const TRIES = 3;

export function newQueries(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: FRESH_MS,
        retry: (count, error) => count < TRIES && mayPass(error),
        retryDelay: (count) => Math.min(500 * 2 ** count, 5_000),
        networkMode: "always", // a gateway in the house answers without the internet
      },
    },
  });
}

export interface AskOptions {
  /** Do not ask yet: something it needs is not known. */
  readonly when?: boolean;
  readonly everyMs?: number;
}

export function useAsk<Answer>(path: string, params: Params = {}, { when = true, everyMs }: AskOptions = {}) {
  return useQuery({
    queryKey: [path, params],
    queryFn: ({ signal }) => api.get<Answer>(path, params, signal),
    enabled: when,
    ...(everyMs ? { refetchInterval: everyMs } : {}),
  });
}

/** A list, as far as it was gone through: `more` is the next page, where there is one. */
export function useRows<Row>(path: string, params: Params = {}, { when = true }: AskOptions = {}) {
  const asked = useInfiniteQuery({
    queryKey: [path, params, "rows"],
    queryFn: ({ signal, pageParam }) => api.get<Page<Row>>(path, { ...params, after: pageParam }, signal),
    initialPageParam: "",
    getNextPageParam: (last) => last.after || undefined,
    enabled: when,
  });
  return {
    ...asked,
    data: asked.data?.pages.flatMap((page) => page.items),
    more: asked.hasNextPage ? () => void asked.fetchNextPage() : undefined,
  };
}
