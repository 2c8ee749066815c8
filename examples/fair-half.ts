/**
 * Half of the collaborators train in each round, those first who have been asked least often; the others rate the model.
 *
 * In the plan:
 *   assigner: ./fair-half.ts
 */
import { defineAssigner } from "entente";

export default defineAssigner({
  name: "fair-half",
  assign({ collaborators, tasks, history, random }) {
    const trained = (name: string): number => history.filter((r) => r.assigned[name]?.includes("train")).length;
    const order = random.permutation(collaborators.length);
    const drawn = collaborators.map(({ name }, i) => ({ name, asked: trained(name), lot: order[i] ?? 0 }));
    drawn.sort((a, b) => a.asked - b.asked || a.lot - b.lot);
    const all = tasks.map((t) => t.label);
    const ratings = tasks.filter((t) => t.on === "global").map((t) => t.label);
    const half = Math.ceil(drawn.length / 2);
    return Object.fromEntries(drawn.map(({ name }, i) => [name, i < half ? all : ratings]));
  },
});
