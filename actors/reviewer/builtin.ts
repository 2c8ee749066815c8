/** The reviewers that a name without a path stands for. */
import { defineReviewer, type ReviewerPart } from "../../src/parts/reviewer.ts";
import type { Docket } from "./docket.ts";

/** Approves everything: for a federation whose members trust each other's code. */
const auto = (): ReviewerPart => defineReviewer({ name: "auto", review: () => ({ approved: true }) });

/** Asks people, and waits. */
const prompt = (docket: Docket): ReviewerPart =>
  defineReviewer({ name: "prompt", review: (request, _, signal) => docket.ask(request, signal) });

export const reviewers: Readonly<Record<string, (docket: Docket) => ReviewerPart>> = { auto, prompt };
