/** Selectors that take the best by what devices are like in the round; from the first round on, no history needed. */
import { defineSelector, expectedSeconds, least, most } from "../selector.ts";

/** The fastest computers. */
export const best_ips = defineSelector({
  name: "best_ips",
  select: ({ available, size, look }) => most(available, size, (d) => look(d).speed),
});

/** The fastest networks: the least time for one parameter to come and go. */
export const best_net_speed = defineSelector({
  name: "best_net_speed",
  select: ({ available, size, look }) => least(available, size, (d) => 1 / look(d).up + 1 / look(d).down),
});

/** Those with the most energy left. */
export const best_energy = defineSelector({
  name: "best_energy",
  select: ({ available, size, look }) => most(available, size, (d) => look(d).energy),
});

/** Those whose part takes the least time: computing, and what travels both ways. */
export const best_round_time = defineSelector({
  name: "best_round_time",
  select: (round) => least(round.available, round.size, (d) => expectedSeconds(round, d)),
});
