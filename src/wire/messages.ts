/**
 * The payloads of the wire, as schemas and as the types they give: one schema a message, one file of src/wire/messages/ a
 * plane, all of them imported from here. src/wire/table.ts says where each travels. Bytes become a value of these types
 * once, at the edge (src/wire/codec.ts), and are trusted after that.
 *
 * M1 Fields are snake_case on the wire and in these types alike: a snake_case name marks a value that travels or is stored.
 * M2 Everything that is stored carries `v`. Unknown fields are refused in what users send, and dropped in what roles send
 *    each other, so that a newer peer may say more.
 * M3 Times are milliseconds since the epoch, sizes are bytes.
 */
export * from "./messages/envoy.ts";
export * from "./messages/experiment.ts";
export { count, type Failure, failure, name, nothing, wireError } from "./messages/form.ts";
export * from "./messages/ledger.ts";
export * from "./messages/part.ts";
export * from "./messages/request.ts";
export * from "./messages/reviewing.ts";
export * from "./messages/round.ts";
export * from "./messages/snapshot.ts";
