import test from "ava";
import { shelfContract } from "../contract/shelf.ts";
import { natsWorld } from "./world.ts";

shelfContract(test, natsWorld(test));
