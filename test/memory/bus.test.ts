import test from "ava";
import { busContract } from "../contract/bus.ts";
import { makeWorld } from "./world.ts";

busContract(test, makeWorld);
