/**
 * Stand-ins for actor logic that an entrypoint provides. A machine names its parts with their types here; running one that
 * nobody provided is a wiring bug and says so.
 */
import { type CallbackActorLogic, type EventObject, fromCallback, fromPromise, type PromiseActorLogic } from "xstate";
import { FlError } from "../src/errors.ts";

export const promisePort = <Out, In>(name: string): PromiseActorLogic<Out, In> =>
  fromPromise<Out, In>(() => Promise.reject(new FlError("FL_NOT_PROVIDED", { name })));

export const callbackPort = <In, Received extends EventObject = EventObject>(
  name: string,
): CallbackActorLogic<Received, In> =>
  fromCallback<Received, In>(() => {
    throw new FlError("FL_NOT_PROVIDED", { name });
  });
