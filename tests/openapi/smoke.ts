// A typed client, generated from the document, talks to a node.  usage: node smoke.js URL TOKEN
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

const [url, token] = process.argv.slice(2) as [string, string];
const client = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${token}` } });

function check(condition: boolean, what: string): asserts condition {
    if (!condition) {
        throw new Error(what);
    }
}

const player = { params: { path: { type: "player", id: "typed" } } };

const made = await client.PUT("/state/{type}/{id}", { ...player, body: { name: "Typed", level: 1 } });
check(made.data?.aggregateId === "typed" && made.data.version === 1, "PUT");

const patched = await client.PATCH("/state/{type}/{id}", {
    ...player,
    body: { ops: [{ op: "increment", path: "/gold", by: 5 }, { op: "add", path: "/items", value: "sword" }], expectedVersion: 1 },
});
check(patched.data?.state["gold"] === 5, "PATCH");

// A refusal is typed, too: what `code` may be is known to the compiler.
const refused = await client.PATCH("/state/{type}/{id}", { ...player, body: { ops: [], expectedVersion: 1 } });
check(refused.response.status === 409 && refused.error !== undefined, "409");
const code: components["schemas"]["ProblemCode"] = refused.error.code;
check(code === "version_conflict" && refused.error.currentVersion === 2, code);

const event = await client.POST("/events", {
    body: { eventType: "trade.settled", changes: [{ aggregateType: "player", aggregateId: "typed", ops: [{ op: "max", path: "/best", by: 3 }] }] },
});
check(event.response.status === 201 && event.data !== undefined && "changes" in event.data, "POST /events");

const list = await client.GET("/state/{type}", { params: { path: { type: "player" }, query: { limit: 1 } } });
check(list.data?.items.length === 1 && list.data.items[0]?.version === 3, "list");

const peers = await client.GET("/peers");
check(Array.isArray(peers.data?.peers), "peers");

const health = await client.GET("/health");
check(health.data?.status === "ok", "health");

check((await client.DELETE("/state/{type}/{id}", player)).response.status === 204, "DELETE");
check((await client.GET("/state/{type}/{id}", player)).response.status === 404, "404");
console.log("typed client: all well");
