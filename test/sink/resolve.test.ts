/** Sinks as users write them. */
import { createServer } from "node:http";
import test from "ava";
import { resolveSink } from "../../actors/sink/resolve.ts";
import { FlError } from "../../src/errors.ts";
import { measured, pourInto, sourceOf } from "../support/metrics.ts";

test("a built-in name or a path, and behind the first = what it writes to (RS1)", async (t) => {
  for (const [text, name, target] of [
    ["console", "console", ""],
    ["csv=a.csv", "csv", "a.csv"],
    ["tensorboard=/runs/x=y", "tensorboard", "/runs/x=y"],
    ["./examples/webhook-sink.ts=https://a.b/?c=d", "webhook", "https://a.b/?c=d"],
  ] as const) {
    const placed = await resolveSink(text);
    t.deepEqual([placed.text, placed.sink.name, placed.target], [text, name, target]);
  }
});

test("what is none is refused with what there is", async (t) => {
  for (const [text, code, says] of [
    ["tensorbord=runs", "FL_PART_UNKNOWN", /no metric sink is named tensorbord; did you mean tensorboard\?/],
    ["mlflow", "FL_PART_UNKNOWN", /there are: console, csv, ndjson, tensorboard/],
    ["csv", "FL_USAGE", /sink csv needs a target: csv=FILE/],
    ["tensorboard=", "FL_USAGE", /tensorboard=DIR/],
    ["./examples/webhook-sink.ts", "FL_USAGE", /webhook-sink\.ts=URL/],
    ["nats:mine", "FL_PART_UNKNOWN", /a sink runs where it writes/],
    ["", "FL_PART_UNKNOWN", /is no name/],
    ["./examples/nothing.ts=x", "FL_PART_FAILED", /there is no file/],
    ["./examples/mnist/shard.ts", "FL_PART_FAILED", /metric sink: .*name is missing/],
  ] as const) {
    const e = await t.throwsAsync(resolveSink(text), { instanceOf: FlError }, text);
    t.is(e?.code, code, text);
    t.regex(e?.message ?? "", says);
  }
});

test("the example posts every metric, and ends when it is not taken", async (t) => {
  const bodies: unknown[] = [];
  let status = 200;
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      bodies.push(JSON.parse(body));
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => void server.close());
  const { port } = server.address() as { port: number };
  const use = `./examples/webhook-sink.ts=http://127.0.0.1:${port}/in`;
  const metrics = measured(2);
  t.like(await pourInto(use, sourceOf(metrics)), { written: 4, error: null });
  t.deepEqual(bodies, metrics);
  status = 503;
  const { error } = await pourInto(use, sourceOf(metrics));
  t.regex(error!.message, /metric sink webhook: .* answered 503/);
});
