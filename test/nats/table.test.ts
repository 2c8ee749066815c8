import test from "ava";
import { tableContract } from "../contract/table.ts";
import { natsWorld } from "./world.ts";

tableContract(test, natsWorld(test));
