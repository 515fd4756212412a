// What happens on the ledger, as it happens: server-sent events, read by fetch so that a broken stream is taken up
// where it ended (`Last-Event-ID`: a height, or height.number). Nothing is told twice; when the gateway says `reset`,
// too much was missed, and whoever listens is told to read everything anew. So there is never a silent gap.

import type { Client } from "./client";
import { isSignedOut } from "./problem";

/** `block` or `news`, with the topics that it is told under. */
export interface LiveEvent {
  readonly id: string;
  readonly name: string;
  readonly topics: readonly string[];
  readonly data: unknown;
}

export type LiveState = "connecting" | "live" | "broken" | "off";

export interface Listener {
  readonly event: (event: LiveEvent) => void;
  /** Events may be missing: read anew. */
  readonly anew: () => void;
  readonly state: (state: LiveState) => void;
  /** How the read model stands has changed. */
  readonly standing?: () => void;
  /** The first stream tells of what is beyond this height: answers of before are to be asked anew. */
  readonly begun?: (height: number) => void;
  /** Told to go, and not to come back: nobody is signed in any more, or may not listen to this. */
  readonly ended?: () => void;
}

/** Without a word for so long, a stream is taken for dead: the gateway says every few seconds that it lives. */
const SILENT_MS = 30_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 20_000;

export interface Live {
  readonly close: () => void;
  /** Of what was told last: where another stream goes on. */
  readonly place: () => string;
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

  const hear = ({ id, name, data: text }: Parsed): void => {
    const again = id !== "" && told !== "" && !isAfter(id, told); // told before the stream broke
    if (id && (!last || name === "reset" || isAfter(id, last))) last = id;
    const data = parsed(text) as { topics?: readonly string[]; come_back?: boolean } | null;
    if (name === "reset") listener.anew();
    else if (name === "state") listener.standing?.();
    else if (name === "hello") {
      if (told === "") listener.begun?.(place(id)[0]);
      listener.standing?.();
    } else if (name === "end" && data?.come_back === false) throw new Ended();
    else if ((name === "block" || name === "news") && !again) {
      listener.event({ id, name, topics: data?.topics ?? [], data });
    }
  };

  const once = async (): Promise<void> => {
    current = new AbortController();
    const headers: Record<string, string> = last ? { "last-event-id": last } : {};
    const response = await client.stream("/live", { topics: topics.join(",") }, headers, current.signal);
    if (response.status >= 400 && response.status < 500 && response.status !== 429) throw new Ended();
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
        if (error instanceof Ended || isSignedOut(error)) {
          current.abort();
          if (!ended) listener.ended?.();
          break;
        }
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
    place: () => last,
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
  readonly name: string;
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
  let name = "";
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
          if (data.length || name || id) hear({ id, name, data: data.join("\n") });
          id = name = "";
          data = [];
          continue;
        }
        const colon = line.indexOf(":");
        if (colon === 0) continue; // a comment: the stream is alive
        const field = colon < 0 ? line : line.slice(0, colon);
        const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (field === "id") id = text;
        else if (field === "event") name = text;
        else if (field === "data") data.push(text);
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Places are height.number; a height alone is the end of its block. */
export function isAfter(one: string, other: string): boolean {
  const [height, number] = place(one);
  const [otherHeight, otherNumber] = place(other);
  return height === otherHeight ? number > otherNumber : height > otherHeight;
}

function place(text: string): [number, number] {
  const [height, number] = text.split(".");
  return [Number(height), number === undefined ? Number.POSITIVE_INFINITY : Number(number)];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
