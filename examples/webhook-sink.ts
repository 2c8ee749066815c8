/**
 * A metric sink of one's own: each value is posted to a web service, as JSON. What is not taken ends the sink, and is told.
 *
 *   entente metrics digits --follow --sink ./webhook-sink.ts=https://metrics.example.org/in
 */
import { defineSink } from "entente";

export default defineSink({
  name: "webhook",
  target: "URL",
  async write(metric, { target }) {
    const headers = { "content-type": "application/json" };
    const { ok, status } = await fetch(target, { method: "POST", headers, body: JSON.stringify(metric) });
    if (!ok) throw new Error(`${target} answered ${status}`);
  },
});
