// What a page asks, as hooks: kept while one looks elsewhere, asked anew when the window comes back, tried again only
// where that may help. Lists go on page by page.

import { type Query, QueryClient, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { api, type Page } from "./client";
import { mayPass } from "./problem";

export type Params = Readonly<Record<string, string | number | boolean | undefined>>;

const FRESH_MS = 5_000;
const TRIES = 2;

export function newQueries(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: FRESH_MS,
        gcTime: 600_000,
        networkMode: "always",
        retry: (failed, error) => failed < TRIES && mayPass(error),
      },
    },
  });
}

/**
 * Ask anew. What is being asked for the first time is not interrupted by it, and its answer may be of before: it is
 * asked once more when it has come.
 */
export function askAnew(queries: QueryClient, matches: (query: Query) => boolean): void {
  const first = (query: Query) => query.state.data === undefined && query.state.fetchStatus === "fetching";
  for (const query of queries.getQueryCache().findAll({ predicate: first })) {
    const again = () => {
      if (matches(query)) void queries.invalidateQueries({ queryKey: query.queryKey, exact: true });
    };
    void query.promise?.then(again, () => {});
  }
  void queries.invalidateQueries({ predicate: (query) => !first(query) && matches(query) });
}

interface Options {
  /** Not before it is known what to ask */
  readonly when?: boolean;
  /** Ask again that often */
  readonly everyMs?: number;
}

export function useAsked<Answer>(path: string, params: Params = {}, { when = true, everyMs }: Options = {}) {
  return useQuery({
    queryKey: [path, params],
    queryFn: ({ signal }) => api.get<Answer>(path, params, signal),
    enabled: when,
    refetchInterval: everyMs ?? false,
    placeholderData: (before, query) => (query?.queryKey[0] === path ? before : undefined),
  });
}

/** All rows so far as one answer, and how to get more. */
export function usePages<Row>(path: string, params: Params = {}, { when = true, everyMs }: Options = {}) {
  const asked = useInfiniteQuery({
    queryKey: [path, "pages", params],
    queryFn: ({ signal, pageParam }) => api.get<Page<Row>>(path, { ...params, after: pageParam }, signal),
    initialPageParam: "",
    getNextPageParam: (last) => last.after || undefined,
    enabled: when,
    refetchInterval: everyMs ?? false,
    maxPages: 100,
  });
  const rows = asked.data?.pages.flatMap((page) => page.items);
  return {
    ...asked,
    data: rows as readonly Row[] | undefined,
    more: asked.hasNextPage ? () => void asked.fetchNextPage() : undefined,
    busy: asked.isFetchingNextPage,
  };
}
