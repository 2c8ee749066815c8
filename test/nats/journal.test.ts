import test from "ava";
import { journalContract } from "../contract/journal.ts";
import { natsWorld } from "./world.ts";

journalContract(test, natsWorld(test));
