// One live stream for all that is on the screen. A page says what it follows, and what is to be asked anew when that
// changes: `useLive(`points:${point}`, ["/points/…", "/tokens"])`.

import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useState } from "react";

import { askAnew } from "./asking";
import { api } from "./client";
import { type LiveEvent, type LiveState, listen } from "./live";

interface Follower {
  readonly topic: string;
  readonly hear: (event: LiveEvent) => void;
}

interface Stream {
  readonly state: LiveState;
  follow(follower: Follower): () => void;
}

const Context = createContext<Stream>({ state: "off", follow: () => () => {} });
const SETTLE_MS = 60;
const AGAIN_MS = 1_000;
const AGAIN_LONGEST_MS = 60_000;

/** Whoever is still here listens again: at once, then ever later, should it be ended each time. */
const againMs = (tries: number): number => (tries === 0 ? 0 : Math.min(AGAIN_MS * 2 ** tries, AGAIN_LONGEST_MS));

interface LiveProps {
  readonly on: boolean;
  /** The gateway has ended it: somebody signed out elsewhere, or it was started anew. Done once it is known who is here. */
  ended(): Promise<void>;
  readonly children: ReactNode;
}

export function LiveProvider({ on, ended, children }: LiveProps) {
  const queries = useQueryClient();
  const followers = useRef(new Set<Follower>());
  const last = useRef("");
  const [topics, setTopics] = useState("");
  const [state, setState] = useState<LiveState>("off");
  const [turn, setTurn] = useState(0);
  const tries = useRef(0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: each turn is a stream of its own
  useEffect(() => {
    if (!on || !topics) return;
    let here = true;
    let again: ReturnType<typeof setTimeout> | undefined;
    const live = listen(
      api,
      topics.split(","),
      {
        event: (event) => {
          for (const one of followers.current) if (event.topics.includes(one.topic)) one.hear(event);
        },
        anew: () => void queries.invalidateQueries(),
        begun: (height) => askAnew(queries, () => api.oldest() < height),
        standing: () => void queries.invalidateQueries({ queryKey: ["/ledger"] }),
        state: (now) => {
          if (now === "live") tries.current = 0;
          setState(now);
        },
        ended: () => {
          const listen = () => setTurn((before) => before + 1);
          void ended().then(() => {
            if (here) again = setTimeout(listen, againMs(tries.current++));
          });
        },
      },
      last.current,
    );
    return () => {
      here = false;
      clearTimeout(again);
      last.current = live.place();
      live.close();
    };
  }, [on, ended, topics, queries, turn]);

  const stream = useMemo(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const settle = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        setTopics([...new Set([...followers.current].map((one) => one.topic))].sort().join(","));
      }, SETTLE_MS);
    };
    return {
      follow: (follower: Follower) => {
        followers.current.add(follower);
        settle();
        return () => {
          followers.current.delete(follower);
          settle();
        };
      },
    };
  }, []);
  const value = useMemo(() => ({ ...stream, state }), [stream, state]);
  return <Context value={value}>{children}</Context>;
}

export const useLiveState = (): LiveState => useContext(Context).state;

/** Ask anew for what begins with these paths when something of the topic happens; and hear it, if one likes. */
export function useLive(topic: string, affects: readonly string[], heard?: (event: LiveEvent) => void): void {
  const { follow } = useContext(Context);
  const queries = useQueryClient();
  const paths = affects.join(" ");
  const hearing = useRef(heard);
  hearing.current = heard;
  useEffect(() => {
    if (!topic) return;
    const begins = paths.split(" ").filter(Boolean);
    return follow({
      topic,
      hear: (event) => {
        hearing.current?.(event);
        askAnew(
          queries,
          ({ queryKey: [path] }) => typeof path === "string" && begins.some((one) => path.startsWith(one)),
        );
      },
    });
  }, [topic, paths, follow, queries]);
}
