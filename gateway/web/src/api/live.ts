// What happens on the ledger, as it happens: server-sent events, read by fetch so that a broken stream is taken up
// where it ended (`Last-Event-ID`: height.number). Nothing is told twice; when the gateway cannot go on from there,
// or says `reset`, whoever listens is told to read everything anew. So there is never a silent gap.

import type { Client } from "./client";
import { isSignedOut } from "./problem";

export interface LiveEvent {
  readonly id: string;
  readonly topic: string;
  readonly data: unknown;
}

export type LiveState = "connecting" | "live" | "broken" | "off";

export interface Listener {
  readonly event: (event: LiveEvent) => void;
  /** Events may be missing: read anew. */
  readonly anew: () => void;
  readonly state: (state: LiveState) => void;
}

/** Without a word for so long, a stream is taken for dead: the gateway sends a comment every 15 s. */
const SILENT_MS = 45_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 20_000;

export interface Live {
  readonly close: () => void;
}

export function listen(
  client: Pick<Client, "stream">,
  topics: readonly string[],
  listener: Listener,
  from = "",
  random: () => number = Math.random,
): Live {
  let last = from;
  let told = from;
  let waitMs = FIRST_WAIT_MS;
  let ended = false;
  let current = new AbortController();
  let wake: () => void = () => {};
  const online = () => wake();
  globalThis.addEventListener?.("online", online);

  const hear = (event: Parsed): void => {
    if (event.topic === "reset") {
      last = event.id || last;
      listener.anew();
      return;
    }
    if (event.id) {
      if (told && !isAfter(event.id, told)) return; // told before the stream broke
      last = event.id;
    }
    listener.event({ id: event.id, topic: event.topic, data: parsed(event.data) });
  };

  const once = async (): Promise<void> => {
    current = new AbortController();
    const headers: Record<string, string> = last ? { "last-event-id": last } : {};
    const response = await client.stream("/live", { topics: topics.join(",") }, headers, current.signal);
    if (response.status === 410 || response.status === 409) {
      last = told = ""; // too long ago: it begins with what comes now
      listener.anew();
      throw new Error("the stream begins anew");
    }
    if (response.status === 401) throw new Ended();
    if (!response.ok || !response.body) throw new Error(`no stream: ${response.status}`);
    listener.state("live");
    waitMs = FIRST_WAIT_MS;
    told = last;
    await readEvents(response.body, hear, current);
  };

  const run = async (): Promise<void> => {
    while (!ended) {
      listener.state("connecting");
      try {
        await once();
      } catch (error) {
        if (error instanceof Ended || isSignedOut(error)) break;
      }
      if (ended) break;
      listener.state("broken");
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs * (0.5 + random() / 2));
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    }
    listener.state("off");
  };
  void run();

  return {
    close: () => {
      ended = true;
      globalThis.removeEventListener?.("online", online);
      current.abort();
      wake();
    },
  };
}

class Ended extends Error {}

interface Parsed {
  readonly id: string;
  readonly topic: string;
  readonly data: string;
}

/** Lines to events, as the standard says; ends when the stream does, or has been silent for too long. */
export async function readEvents(
  body: ReadableStream<Uint8Array>,
  hear: (event: Parsed) => void,
  controller: AbortController,
  silentMs = SILENT_MS,
): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let id = "";
  let topic = "";
  let data: string[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const watch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      controller.abort();
      void reader.cancel().catch(() => {});
    }, silentMs);
  };
  try {
    for (;;) {
      watch();
      const { done, value } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") {
          if (data.length || topic) hear({ id, topic: topic || "message", data: data.join("\n") });
          id = topic = "";
          data = [];
          continue;
        }
        const colon = line.indexOf(":");
        if (colon === 0) continue; // a comment: the stream is alive
        const field = colon < 0 ? line : line.slice(0, colon);
        const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (field === "id") id = text;
        else if (field === "event") topic = text;
        else if (field === "data") data.push(text);
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Places are height.number, compared as numbers, part by part. */
export function isAfter(one: string, other: string): boolean {
  const [left, right] = [one.split("."), other.split(".")];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = Number(left[at] ?? 0) - Number(right[at] ?? 0);
    if (difference) return difference > 0;
  }
  return false;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
