// A live page misses nothing and hears nothing twice, however often its stream breaks.

import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { expect, it, vi } from "vitest";

import { askAnew } from "../src/api/asking";
import { isAfter, type LiveEvent, type LiveState, listen, readEvents } from "../src/api/live";

const encoder = new TextEncoder();

function streamOf(...pieces: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(encoder.encode(piece));
      controller.close();
    },
  });
}

async function eventsOf(...pieces: string[]) {
  const heard: { id: string; name: string; data: string }[] = [];
  await readEvents(streamOf(...pieces), (event) => heard.push(event), new AbortController());
  return heard;
}

it("reads events however they are cut", async () => {
  const text = 'id: 7.1\nevent: block\ndata: {"height":\ndata: 7}\n\n: alive\n\nid: 7\n\nevent: x\ndata\n\n';
  const whole = [
    { id: "7.1", name: "block", data: '{"height":\n7}' },
    { id: "7", name: "", data: "" },
    { id: "", name: "x", data: "" },
  ];
  expect(await eventsOf(text)).toEqual(whole);
  expect(await eventsOf(...text)).toEqual(whole);
  expect(await eventsOf(text.replaceAll("\n", "\r\n"))).toEqual(whole);
  expect(await eventsOf("id: 1.1\nevent: block\ndata: cut off")).toEqual([]);
});

it("orders places by height, then number", () => {
  expect(isAfter("10.2", "9.30")).toBe(true);
  expect(isAfter("10.2", "10.10")).toBe(false);
  expect(isAfter("10.2", "10.2")).toBe(false);
  expect([isAfter("10", "10.9"), isAfter("10.9", "10"), isAfter("11.0", "10")]).toEqual([true, false, true]);
});

/** A gateway that has events 1.0 to n.0 and breaks each stream after a few of them. */
function gateway(count: number, each: number, repeats: number) {
  const asked: string[] = [];
  const stream = async (_path: string, _params: object, headers: Record<string, string>) => {
    const last = headers["last-event-id"] ?? "";
    asked.push(last);
    const from = last ? Math.max(0, Number(last.split(".")[0]) - repeats) : 0;
    const events = Array.from({ length: Math.min(each, count - from) }, (_, at) => from + at + 1);
    return new Response(
      streamOf(...events.map((at) => `id: ${at}.0\nevent: news\ndata: {"topics":["blocks"],"number":${at}}\n\n`)),
    );
  };
  return { asked, stream };
}

async function heardFrom(client: { stream: unknown }, until: (heard: LiveEvent[], anew: number) => boolean) {
  const heard: LiveEvent[] = [];
  const states: LiveState[] = [];
  let anew = 0;
  await new Promise<void>((resolve) => {
    const done = () => until(heard, anew) && resolve();
    const listener = {
      event: (event: LiveEvent) => {
        heard.push(event);
        done();
      },
      anew: () => {
        anew += 1;
        done();
      },
      state: (state: LiveState) => states.push(state),
    };
    const live = listen(client as never, ["blocks"], listener, "", () => 0);
    void vi.waitFor(() => expect(until(heard, anew)).toBe(true), { timeout: 20_000 }).then(live.close);
  });
  return { heard, states, anew };
}

it("takes a broken stream up where it ended, without a gap", async () => {
  const { asked, stream } = gateway(12, 5, 0);
  const { heard, states } = await heardFrom({ stream }, (all) => all.length >= 12);
  expect(heard.map((event) => (event.data as { number: number }).number)).toEqual(
    Array.from({ length: 12 }, (_, at) => at + 1),
  );
  expect(asked.slice(0, 3)).toEqual(["", "5.0", "10.0"]);
  expect(states.slice(0, 4)).toEqual(["connecting", "live", "broken", "connecting"]);
});

it("tells nothing twice that a gateway repeats", async () => {
  const { stream } = gateway(9, 5, 2);
  const { heard } = await heardFrom({ stream }, (all) => all.length >= 9);
  expect(heard.map((event) => (event.data as { number: number }).number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

it("has everything read anew when the gateway cannot go on from there", async () => {
  let times = 0;
  const asked: string[] = [];
  const stream = async (_path: string, _params: object, headers: Record<string, string>) => {
    times += 1;
    asked.push(headers["last-event-id"] ?? "");
    if (times === 1) return new Response(streamOf('id: 5.0\nevent: news\ndata: {"topics":[]}\n\nid: 6\n\n'));
    return new Response(
      streamOf("id: 900\nevent: reset\ndata: {}\n\n", 'id: 901.0\nevent: block\ndata: {"number":901}\n\n'),
    );
  };
  const { anew, heard } = await heardFrom({ stream }, (all, count) => count >= 1 && all.length >= 2 && times >= 3);
  expect(anew).toBeGreaterThanOrEqual(1);
  expect(heard.map((event) => event.id).slice(0, 2)).toEqual(["5.0", "901.0"]);
  expect(asked.slice(0, 3)).toEqual(["", "6", "901.0"]);
});

it("stops when nobody is signed in", async () => {
  const states: LiveState[] = [];
  const stream = async () => new Response("", { status: 401 });
  listen({ stream }, ["blocks"], { event: () => {}, anew: () => {}, state: (state) => states.push(state) });
  await vi.waitFor(() => expect(states).toEqual(["connecting", "off"]));
});

it("does not come back when it is told to stay away, and comes back when it is not", async () => {
  let times = 0;
  const ends = [
    'event: end\ndata: {"code":"NODE_STOPPING","come_back":true}\n\n',
    'event: end\ndata: {"code":"TICKET_INVALID","come_back":false}\n\n',
  ];
  const stream = async () => new Response(streamOf(ends[times++] ?? ""));
  let ended = 0;
  const listener = { event: () => {}, anew: () => {}, state: () => {}, ended: () => (ended += 1) };
  listen({ stream }, ["blocks"], listener, "", () => 0);
  await vi.waitFor(() => expect(ended).toBe(1), { timeout: 10_000 });
  expect(times).toBe(2);
});

it("gives up a stream that has fallen silent", async () => {
  const silent = new ReadableStream<Uint8Array>({ start: (one) => one.enqueue(encoder.encode(": alive\n")) });
  const controller = new AbortController();
  await readEvents(silent, () => {}, controller, 20);
  expect(controller.signal.aborted).toBe(true);
});

it("says where its first stream begins, and not where it is taken up", async () => {
  const begun: number[] = [];
  const hello = 'id: 12\nevent: hello\ndata: {"state":"following"}\n\n';
  const client = { stream: async () => new Response(streamOf(hello)) };
  const listener = { event: () => {}, anew: () => {}, state: () => {}, begun: (height: number) => begun.push(height) };
  for (const from of ["", "11.3"]) {
    const live = listen(client as never, ["blocks"], listener, from, () => 0);
    await vi.waitFor(() => expect(live.place()).toBe("12"));
    live.close();
  }
  expect(begun).toEqual([12]);
});

it("asks once more what was being asked for the first time when something happened", async () => {
  const queries = new QueryClient();
  const answers: ((height: number) => void)[] = [];
  const observer = new QueryObserver(queries, {
    queryKey: ["/notices"],
    queryFn: () => new Promise<number>((resolve) => answers.push(resolve)),
  });
  const end = observer.subscribe(() => {});
  askAnew(queries, ({ queryKey: [path] }) => path === "/notices");
  expect(answers.length).toBe(1);
  answers[0]?.(1);
  await vi.waitFor(() => expect(answers.length).toBe(2));
  answers[1]?.(2);
  await vi.waitFor(() => expect(observer.getCurrentResult().data).toBe(2));
  askAnew(queries, ({ queryKey: [path] }) => path === "/bills");
  expect(answers.length).toBe(2);
  end();
});
