// JMAP clients that others have written, as they come from npm: jmap-jam and jmap-client-ts.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { startStation, until } from "./lib/station.mjs";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { default: JamClient } = await import(require.resolve("jmap-jam"));
const { Client } = require("jmap-client-ts");
const { FetchTransport } = require("jmap-client-ts/lib/utils/fetch-transport");

let station, password, url;

before(async () => {
	station = await startStation();
	// both send bearer tokens: an app password is one
	password = JSON.parse(station.cli("account", "app-password-add", station.account("alice").address, "client", "--scope", "web", "--json")).password;
	url = station.url + "/.well-known/jmap";
	await station.deliver({ subject: "First", text: "needle in here" });
	await station.deliver({ subject: "Second" });
});
after(() => station?.stop());

/** What jmap-jam takes for an EventSource: node has none, and a browser's sends its cookie instead. */
class Events {
	constructor(where) {
		this.isIt = (change) => Object.values(change.changed).some((states) => states.Email);
		this.abort = new AbortController();
		this.open = this.read(where);
	}
	async read(where) {
		const r = await fetch(where, { headers: { Authorization: "Bearer " + password, Accept: "text/event-stream" }, signal: this.abort.signal });
		assert.equal(r.headers.get("content-type"), "text/event-stream");
		const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
		for (let text = ""; ;) {
			const at = text.indexOf("\n\n");
			if (at >= 0) {
				const data = text.slice(0, at).match(/^data: (.*)$/m), name = text.slice(0, at).match(/^event: (.*)$/m);
				text = text.slice(at + 2);
				if (name?.[1] === "state" && this.isIt(JSON.parse(data[1])))
					return;
				continue;
			}
			const { value, done } = await reader.read();
			assert.ok(!done, "the stream ended");
			text += value;
		}
	}
}

test("91 jmap-jam: session, get, query, set, references, blobs, sending, events", async () => {
	const jam = new JamClient({ sessionUrl: url, bearerToken: password });
	const session = await jam.session, accountId = await jam.getPrimaryAccount();
	assert.equal(session.username, "alice@yizhan.test");
	assert.ok(session.accounts[accountId].isPersonal);

	// get
	const [mailboxes, { sessionState }] = await jam.request(["Mailbox/get", { accountId }]);
	assert.equal(sessionState, session.state);
	const inbox = mailboxes.list.find((m) => m.role === "inbox"), drafts = mailboxes.list.find((m) => m.role === "drafts");
	const [found] = await jam.api.Email.query({ accountId, filter: { subject: "first" } });
	assert.equal(found.ids.length, 1);

	// its builder of requests: each names what the ones before found
	const [many] = await jam.requestMany((r) => {
		const ids = r.Email.query({ accountId, filter: { inMailbox: inbox.id }, sort: [{ property: "receivedAt", isAscending: false }] });
		const emails = r.Email.get({ accountId, ids: ids.$ref("/ids"), properties: ["subject", "threadId", "preview"] });
		const threads = r.Thread.get({ accountId, ids: emails.$ref("/list/*/threadId") });
		const snippets = r.SearchSnippet.get({ accountId, filter: { text: "needle" }, emailIds: ids.$ref("/ids") });
		return { ids, emails, threads, snippets };
	});
	assert.deepEqual(many.emails.list.map((e) => e.subject).sort(), ["First", "Second"]);
	assert.equal(many.threads.list.length, 2);
	assert.ok(many.snippets.list.some((s) => s.preview?.includes("<mark>needle</mark>")));

	// blobs, there and back
	const octets = new Uint8Array(300_000).map((_, i) => i * 7);
	const blob = await jam.uploadBlob(accountId, new Blob([octets], { type: "image/png" }));
	assert.equal(blob.size, octets.length);
	assert.equal(blob.type, "image/png");
	const back = await jam.downloadBlob({ accountId, blobId: blob.blobId, mimeType: "image/png", fileName: "a picture ü.png" });
	assert.deepEqual(new Uint8Array(await back.arrayBuffer()), octets);
	assert.equal(back.headers.get("content-type"), "image/png");

	// a draft with it, changed, sent; the event stream tells of it
	globalThis.EventSource = Events;
	const events = await jam.connectEventSource({ types: "*", ping: 5 });
	const [identities] = await jam.api.Identity.get({ accountId });
	const [made, { createdIds }] = await jam.request(["Email/set", { accountId, create: { d: {
		mailboxIds: { [drafts.id]: true }, keywords: { $draft: true }, from: [{ email: "alice@yizhan.test" }], to: [{ email: "bob@yizhan.test" }],
		subject: "From jam", textBody: [{ partId: "t", type: "text/plain" }], bodyValues: { t: { value: "Hello" } },
		attachments: [{ blobId: blob.blobId, type: "image/png", name: "p.png", disposition: "attachment" }],
	} } }], { createdIds: {} });
	assert.equal(createdIds.d, made.created.d.id);
	await events.open;
	events.abort.abort();
	const [sent] = await jam.requestMany((r) => ({
		flag: r.Email.set({ accountId, update: { [made.created.d.id]: { "keywords/$seen": true } } }),
		send: r.EmailSubmission.set({ accountId, create: { s: { emailId: made.created.d.id, identityId: identities.list[0].id } },
			onSuccessUpdateEmail: { "#s": { "keywords/$draft": null } } }),
	}), { using: ["urn:ietf:params:jmap:mail"] });
	assert.ok(made.created.d.id in sent.flag.updated);
	const bob = await until(async () => {
		const [[, got]] = await station.jmap("bob", [["Email/query", { filter: { subject: "From jam" } }, "0"]]);
		return got.ids.length && got.ids;
	});
	assert.equal(bob.length, 1);
	const [after] = await jam.api.Email.get({ accountId, ids: [made.created.d.id], properties: ["keywords", "hasAttachment"] });
	assert.deepEqual(after.list[0].keywords, { $seen: true });
	assert.equal(after.list[0].hasAttachment, true);

	// what is wrong is told as it expects it
	await assert.rejects(jam.api.Email.get({ accountId: "A0", ids: [] }), { type: "accountNotFound" });
	await assert.rejects(jam.request(["Core/echo", {}], { using: ["urn:x:none"] }), (e) => JamClient.isProblemDetails(e) && e.type.endsWith("unknownCapability"));
	assert.equal((await new JamClient({ sessionUrl: url, bearerToken: "wrong" }).session).accounts, undefined);
});

test("91 jmap-client-ts: session, mailboxes, Emails and their changes", async () => {
	const fetching = (where, init) => fetch(where, init);
	// it leaves the type to who uses it; without one a request is none (RFC 8620 section 3.1)
	const client = new Client({ sessionUrl: url, accessToken: password, transport: new FetchTransport(fetching), httpHeaders: { "Content-Type": "application/json" } });
	await client.fetchSession();
	const accountId = client.getFirstAccountId();
	assert.deepEqual(client.getAccountIds(), [accountId]);
	const made = await client.mailbox_set({ accountId, create: { k: { name: "By a client" } } });
	const boxes = await client.mailbox_get({ accountId, ids: null });
	const box = boxes.list.find((m) => m.name === "By a client");
	assert.equal(box.id, made.created.k.id);
	const { ids } = await client.email_query({ accountId, filter: { subject: "Second" } });
	const { list, state } = await client.email_get({ accountId, ids, properties: ["subject", "mailboxIds"] });
	assert.deepEqual(list.map((e) => e.subject), ["Second"]);
	const set = await client.email_set({ accountId, ifInState: state, update: { [ids[0]]: { ["mailboxIds/" + box.id]: true } } });
	assert.ok(ids[0] in set.updated);
	assert.deepEqual((await client.email_changes({ accountId, sinceState: state })).updated, ids);
	assert.equal((await client.mailbox_changes({ accountId, sinceState: boxes.state })).updated.includes(box.id), true);
	await assert.rejects(client.email_set({ accountId, ifInState: state, destroy: ids }), { type: "stateMismatch" });
});
