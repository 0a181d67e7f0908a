import assert from "node:assert/strict";
import { test } from "node:test";
import { Jmap, MethodError, NetworkError, retryAfterMs } from "../src/core/jmap";
import { FakeServer, settle } from "./fake";

async function make() {
	const server = new FakeServer();
	const jmap = new Jmap({ fetch: server.fetch });
	await jmap.start();
	return { server, jmap };
}

test("calls of one turn travel in one request, with references", async () => {
	const { server, jmap } = await make();
	server.add();
	const query = jmap.call<{ ids: string[] }>("Email/query", { filter: null, limit: 10 });
	const get = jmap.call<{ list: { id: string }[] }>("Email/get", { "#ids": query.ref("/ids") });
	assert.deepEqual((await get).list.map((e) => e.id), (await query).ids);
	assert.equal(server.requests, 1);
	assert.equal((server.calls[0]![1] as { accountId: string }).accountId, "A1");
});

test("at most two requests are under way, and each has only as many calls as the server takes", async () => {
	let now = 0, most = 0, calls = 0;
	const server = new FakeServer();
	server.session.capabilities["urn:ietf:params:jmap:core"].maxCallsInRequest = 4;
	const jmap = new Jmap({ fetch: (async (url: string, init: RequestInit) => {
		if (url === "/jmap/api") {
			most = Math.max(most, ++now);
			calls = Math.max(calls, JSON.parse(String(init.body)).methodCalls.length);
			await settle();
			now--;
		}
		return server.fetch(url, init);
	}) as typeof fetch });
	await jmap.start();
	const all = Array.from({ length: 19 }, (_, i) => jmap.call<{ i: number }>("Core/echo", { i }));
	assert.deepEqual((await Promise.all(all)).map((a) => a.i), all.map((_, i) => i));
	assert.equal(most, 2);
	assert.equal(calls, 4);
});

test("a call is not cut off from the one it refers to", async () => {
	const { server, jmap } = await make();
	server.session.capabilities["urn:ietf:params:jmap:core"].maxCallsInRequest = 4;
	await jmap.start();
	server.add();
	for (let i = 0; i < 3; i++)
		void jmap.call("Core/echo");
	const query = jmap.call("Email/query", { limit: 5 });
	const get = jmap.call<{ list: unknown[] }>("Email/get", { "#ids": query.ref("/ids") });
	assert.equal((await get).list.length, 1);
});

test("a method that fails rejects its call only", async () => {
	const { jmap } = await make();
	const good = jmap.call("Core/echo", { x: 1 });
	await assert.rejects(jmap.call("Nothing/do"), (e) => e instanceof MethodError && e.type === "unknownMethod");
	assert.equal((await good).x, 1);
});

test("without a network calls fail; when the login ends they wait for the next one", async () => {
	const { server, jmap } = await make();
	server.isDown = true;
	await assert.rejects(jmap.call("Core/echo"), NetworkError);
	server.isDown = false;
	server.isLoggedOut = true;
	let ends = 0, answered = false;
	jmap.onEnd = () => ends++;
	const calls = [jmap.call("Core/echo"), jmap.call("Core/echo")];
	void Promise.all(calls).then(() => { answered = true; });
	await settle();
	void jmap.call("Core/echo");
	await settle();
	assert.equal(ends, 1);
	assert.equal(answered, false);
	server.isLoggedOut = false;
	await jmap.start();
	await Promise.all(calls);
});

test("download addresses are escaped", async () => {
	const { jmap } = await make();
	assert.equal(jmap.downloadUrl("G1", "a/b ?.txt", "text/plain"), "/d/A1/G1/a%2Fb%20%3F.txt?type=text%2Fplain");
});

/** A server that refuses the first requests in this way. */
async function refusing(times: number, status: number, headers: Record<string, string>, problem: object = {}) {
	const server = new FakeServer();
	const at: number[] = [];
	const jmap = new Jmap({ fetch: (async (url: string, init: RequestInit) => {
		if (url !== "/jmap/api")
			return server.fetch(url, init);
		at.push(Date.now());
		return at.length <= times ? new Response(JSON.stringify(problem), { status, headers }) : server.fetch(url, init);
	}) as typeof fetch });
	await jmap.start();
	return { jmap, at };
}

test("when all requests that an account may have at once are taken, by other tabs, the same is asked again a moment later", async () => {
	const { jmap, at } = await refusing(2, 400, {}, { type: "urn:ietf:params:jmap:error:limit", limit: "maxConcurrentRequests" });
	assert.equal((await jmap.call("Core/echo", { x: 7 })).x, 7);
	assert.equal(at.length, 3);
	assert.ok(at[1]! - at[0]! >= 200);
});

test("Retry-After is waited for, and nothing else is asked meanwhile", async () => {
	const { jmap, at } = await refusing(1, 429, { "Retry-After": "1" });
	const first = jmap.call("Core/echo", { x: 1 });
	await settle();
	const second = jmap.call("Core/echo", { x: 2 });
	assert.deepEqual([(await first).x, (await second).x], [1, 2]);
	assert.equal(at.length, 2, "both in the request that came after the time");
	assert.ok(at[1]! - at[0]! >= 990, String(at[1]! - at[0]!));
});

test("what would take long is told with its time; a limit of ours is no reason to ask again", async () => {
	const long = await refusing(9, 503, { "Retry-After": "120" });
	await assert.rejects(long.jmap.call("Core/echo"), (e) => e instanceof NetworkError && e.afterMs === 120_000);
	const ours = await refusing(9, 400, {}, { type: "urn:ietf:params:jmap:error:limit", limit: "maxSizeRequest" });
	await assert.rejects(ours.jmap.call("Core/echo"));
	assert.deepEqual([long.at.length, ours.at.length], [1, 1]);
	assert.deepEqual(["7", "Thu, 01 Jan 1970 00:01:00 GMT", "soon", null].map((f) => retryAfterMs(f, 0)), [7000, 60_000, 0, 0]);
});
