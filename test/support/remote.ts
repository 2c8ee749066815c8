/** An aggregation on a bus in memory: both sides, ways to lose one of them, and a clock that is moved until things settle. */
import type { ExecutionContext } from "ava";
import { aggregations } from "../../actors/aggregation/builtin.ts";
import { RemoteAggregation } from "../../actors/aggregation/remote.ts";
import { serveAggregation } from "../../actors/aggregation/serve.ts";
import { type Code, FlError } from "../../src/errors.ts";
import type { Aggregation, AggregationPart, Update } from "../../src/parts/aggregation.ts";
import type { Bus } from "../../src/ports.ts";
import { layoutOf } from "../../src/tensor/layout.ts";
import type { Wire } from "../../src/wire/wire.ts";
import type { ManualClock } from "./clock.ts";
import { quiet, type TestWorld } from "./ports.ts";

export const layout = layoutOf([{ name: "w", dtype: "f32", shape: [200_000] }]); // two chunks
export const valuesOf = (x: number): Float32Array => new Float32Array(layout.length).fill(x);
export const update = (k: number, weight = 1): Update => ({ collaborator: `c${k}`, weight, values: valuesOf(k) });
export const roundOf = (round: number) => ({ round, layout, global: valuesOf(0), weightBound: 10, updatesBound: 8 });
export const finished = async (rule: Aggregation): Promise<number | undefined> => {
  const out = new Float32Array(layout.length);
  await rule.finish(out);
  return out[layout.length - 1];
};

export type Actor = {
  readonly stop: AbortController;
  readonly service: ReturnType<typeof serveAggregation>;
  die(): Promise<void>;
};

/** An actor named `rule`; `die` is kill -9. */
export function actor(
  t: ExecutionContext,
  world: TestWorld,
  part: AggregationPart,
  options?: Record<string, unknown>,
): Actor {
  const wire = world.wire("actor");
  const stop = new AbortController();
  const service = serveAggregation({ wire, name: "rule", part, stop: stop.signal, ...(options && { options }) });
  t.teardown(() => stop.abort());
  return { stop, service, die: () => wire.ports.bus.close() };
}

export const remoteOn = (wire: Wire, options = {}, exp = "exp"): RemoteAggregation =>
  new RemoteAggregation({ wire, exp, name: "rule", options });

/** Lets a manual clock run until the promise settles. */
export async function hurry<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let settled = false;
  const over = (): void => {
    settled = true;
  };
  promise.then(over, over);
  for (await quiet(); !settled; await quiet()) clock.advance(100);
  return promise;
}

export async function fails(t: ExecutionContext, promise: Promise<unknown>, code: Code): Promise<FlError> {
  const e = await t.throwsAsync(promise, { instanceOf: FlError });
  t.is(e?.code, code);
  return e as FlError;
}

/** A bus whose requests go another way. */
export const asking = (bus: Bus, request: Bus["request"]): Bus => ({
  name: bus.name,
  maxPayload: bus.maxPayload,
  request,
  publish: bus.publish.bind(bus),
  subscribe: bus.subscribe.bind(bus),
  flush: bus.flush.bind(bus),
  onReconnect: bus.onReconnect.bind(bus),
  close: bus.close.bind(bus),
});

export const fedavg = aggregations.fedavg as AggregationPart;
