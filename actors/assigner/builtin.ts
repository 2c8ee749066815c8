/**
 * The assigners a plan can name without a path; src/plan/assigning.ts has their names and options. A user's is a module.
 */
import type { AssignerPart } from "../../src/parts/assigner.ts";
import { all } from "./all.ts";
import { groups } from "./groups.ts";
import { random_groups } from "./random-groups.ts";

export const assigners: Readonly<Record<string, AssignerPart>> = { all, random_groups, groups };
