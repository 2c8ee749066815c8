import test from "ava";
import { journalContract } from "../contract/journal.ts";
import { makeWorld } from "./world.ts";

journalContract(test, makeWorld);
