import test from "ava";
import { busContract } from "../contract/bus.ts";
import { natsWorld } from "./world.ts";

busContract(test, natsWorld(test));
