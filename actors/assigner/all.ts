/** Everybody does everything: the assigner where the plan names none. */
import { defineAssigner } from "../../src/parts/assigner.ts";

export const all = defineAssigner({
  name: "all",
  assign({ collaborators, tasks }) {
    const labels = tasks.map((t) => t.label);
    return Object.fromEntries(collaborators.map((c) => [c.name, labels]));
  },
});
