// The HTTP API as the console asks it: same origin, cookies by the browser, refusals as problems, answers kept by their
// ETag so that what has not changed is not sent again. How the gateway is doing is known to whoever subscribes.

import { refusalOf, Unreachable } from "./problem";

export const PREFIX = "/api/v1";
const KEPT = 200;

/** What the last answers said of the way here and of the model behind. */
export interface Health {
  readonly reached: "unknown" | "yes" | "no";
  /** The height that the read model had come to with the last answer. */
  readonly modelHeight: number;
  /** "following", or why the model does not go on. */
  readonly modelState: string;
  /** How many blocks the ledger is known to be ahead. */
  readonly modelBehind: number;
}

export interface Page<Row> {
  readonly items: readonly Row[];
  readonly after: string;
}

type Params = Readonly<Record<string, string | number | boolean | undefined>>;

interface Kept {
  readonly tag: string;
  readonly body: unknown;
}

export class Client {
  #health: Health = { reached: "unknown", modelHeight: 0, modelState: "", modelBehind: 0 };
  #watching = new Set<() => void>();
  #kept = new Map<string, Kept>();
  #ahead = 0;
  #simulated = false;
  #oldest = Number.POSITIVE_INFINITY;

  constructor(
    private readonly ask: typeof fetch = (...given) => fetch(...given),
    private readonly clock: () => number = Date.now,
  ) {}

  /** The time as the gateway has it: a wallet's own clock may be wrong. */
  now = (): number => this.clock() + this.#ahead;

  /** A ledger that goes by a simulated clock says what time it is: the gateway's own is another. */
  standAt(timeMs: number): void {
    this.#simulated = true;
    this.#ahead = timeMs - this.clock();
  }

  health = (): Health => this.#health;

  /** The lowest height of all answers since somebody came. */
  oldest = (): number => this.#oldest;

  watch = (told: () => void): (() => void) => {
    this.#watching.add(told);
    return () => this.#watching.delete(told);
  };

  /** Read. What the gateway says is unchanged comes from here. */
  async get<Answer>(path: string, params: Params = {}, signal?: AbortSignal): Promise<Answer> {
    const address = addressOf(path, params);
    const kept = this.#kept.get(address);
    const headers: Record<string, string> = { accept: "application/json" };
    if (kept) headers["if-none-match"] = kept.tag;
    const response = await this.#send(address, { headers, ...(signal ? { signal } : {}) });
    if (response.status === 304 && kept) return kept.body as Answer;
    if (!response.ok) throw await refusalOf(response);
    const body = (await response.json()) as Answer;
    const tag = response.headers.get("etag");
    if (tag) this.#keep(address, { tag, body });
    return body;
  }

  /** Read as it stands: a proof has one form, and its hash is of every byte. */
  async text(path: string, params: Params = {}): Promise<string> {
    const response = await this.#send(addressOf(path, params), { headers: { accept: "application/json" } });
    if (!response.ok) throw await refusalOf(response);
    return response.text();
  }

  /** Change something; JSON in, JSON out (nothing at 204). */
  async send<Answer>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<Answer> {
    const init: RequestInit = { method, headers: { accept: "application/json" } };
    if (body !== undefined) {
      init.headers = { ...init.headers, "content-type": "application/json" };
      init.body = JSON.stringify(body);
    }
    return this.#answer(await this.#send(addressOf(path), init));
  }

  /** Hand over bytes that a wallet has signed. */
  async post<Answer>(path: string, bytes: Uint8Array<ArrayBuffer>, params: Params = {}): Promise<Answer> {
    const headers = { accept: "application/json", "content-type": "application/octet-stream" };
    return this.#answer(await this.#send(addressOf(path, params), { method: "POST", headers, body: bytes }));
  }

  /** A stream that the caller reads; for live pages. */
  stream(path: string, params: Params, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    return this.#send(addressOf(path, params), { headers: { accept: "text/event-stream", ...headers }, signal });
  }

  /** Forget what was read: somebody else may be here next. */
  forget(): void {
    this.#kept.clear();
    this.#oldest = Number.POSITIVE_INFINITY;
  }

  async #answer<Answer>(response: Response): Promise<Answer> {
    if (!response.ok) throw await refusalOf(response);
    return (response.status === 204 ? undefined : await response.json()) as Answer;
  }

  async #send(address: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await this.ask(address, { credentials: "same-origin", ...init });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      this.#tell({ reached: "no" });
      throw new Unreachable("the gateway cannot be reached");
    }
    this.#hear(response);
    return response;
  }

  #hear(response: Response): void {
    const date = Date.parse(response.headers.get("date") ?? "");
    const ahead = date - this.clock();
    if (Number.isFinite(ahead) && !this.#simulated) this.#ahead = Math.abs(ahead) > 2_000 ? ahead : 0; // the header counts whole seconds
    const modelState = response.headers.get("model-state");
    if (modelState === null) {
      this.#tell({ reached: "yes" });
      return;
    }
    const number = (name: string) => Number(response.headers.get(name) ?? 0);
    this.#oldest = Math.min(this.#oldest, number("model-height"));
    this.#tell({
      reached: "yes",
      modelState,
      modelHeight: number("model-height"),
      modelBehind: number("model-behind"),
    });
  }

  #tell(said: Partial<Health>): void {
    const next = { ...this.#health, ...said };
    if ((Object.keys(next) as (keyof Health)[]).every((name) => next[name] === this.#health[name])) return;
    this.#health = next;
    for (const told of this.#watching) told();
  }

  #keep(address: string, kept: Kept): void {
    this.#kept.delete(address);
    this.#kept.set(address, kept);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= KEPT) break;
      this.#kept.delete(oldest);
    }
  }
}

export function addressOf(path: string, params: Params = {}): string {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== "") asked.set(name, String(value));
  }
  const query = asked.toString();
  return `${PREFIX}${path}${query ? `?${query}` : ""}`;
}

/** An id as one part of a path: ids hold colons and slashes. */
export const part = (id: string | number): string => encodeURIComponent(id);

export const api = new Client();
