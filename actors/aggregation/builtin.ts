/**
 * The aggregations a plan can name without a path. A new rule is a new file here and a line below; a user's rule is neither.
 */
import type { AggregationPart } from "../../src/parts/aggregation.ts";
import { fedavg } from "./fedavg.ts";
import { median } from "./median.ts";

export const aggregations: Readonly<Record<string, AggregationPart>> = { fedavg, median };
