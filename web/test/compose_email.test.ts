import assert from "node:assert/strict";
import { test } from "node:test";
import { buildEmail, carriedParts, letterOfDraft, localDate, newMessageId, readNote, savedBy, TEXT_IN_REQUEST, uploadTexts, usedCids, writeNote } from "../src/core/compose_email";
import { afterSendRequest, failedRecipients, isScheduled, isUndoable, recipientsOf, sendOutcome, sendRequest, type SendOptions } from "../src/core/compose_send";
import { emptyLetter, type Attachment, type Identity, type Letter, type SourceEmail } from "../src/core/compose_types";

const ID: Identity = { id: "I1", name: "Alice", email: "alice@our.example", replyTo: null, bcc: null, textSignature: "", htmlSignature: "", mayDelete: true };
const file = (key: string, cid: string | null = null, blobId: string | null = "G" + key): Attachment => ({ key, name: key + ".png", type: "image/png", size: 3, blobId, cid });
const shape = (part: { type: string; subParts?: unknown[] }): string =>
	part.subParts ? `${part.type.replace("multipart/", "")}(${(part.subParts as typeof part[]).map(shape).join(" ")})` : part.type;
const build = (l: Partial<Letter>, isDraft = false) =>
	buildEmail({ ...emptyLetter(), to: [{ name: null, email: "b@b.example" }], ...l }, {
		identity: ID, plainText: "hi", mailboxId: "F1", sentAt: "2026-11-03T10:00:00Z", messageId: "x@y", isDraft,
		note: isDraft ? { identityId: "I1", origin: null, instance: "abc", format: l.format ?? "rich" } : null,
	});

test("the structure fits what is in it", () => {
	const cases: [Partial<Letter>, string][] = [
		[{ format: "plain" }, "text/plain"],
		[{ format: "rich", html: "<b>x</b>" }, "alternative(text/plain text/html)"],
		[{ format: "rich", html: '<img src="cid:c%40x">', attachments: [file("1", "c@x")] }, "alternative(text/plain related(text/html image/png))"],
		[{ format: "rich", html: "no image any more", attachments: [file("1", "c@x")] }, "alternative(text/plain text/html)"],
		[{ format: "rich", html: '<img src="cid:c@x">', attachments: [file("1", "c@x"), file("2")] }, "mixed(alternative(text/plain related(text/html image/png)) image/png)"],
		[{ format: "plain", attachments: [file("1", "c@x"), file("2")] }, "mixed(text/plain image/png image/png)"],
		[{ format: "plain", attachments: [file("1", null, null)] }, "text/plain"],
	];
	for (const [l, want] of cases)
		assert.equal(shape(build(l).bodyStructure as never), want, JSON.stringify(l));
});

test("a long text travels as octets of its own, a short one within the request", async () => {
	const long = build({ format: "rich", html: "x\n".repeat(TEXT_IN_REQUEST / 2) });
	const went: { type: string; text: string }[] = [];
	const upload = async (b: Blob) => {
		went.push({ type: b.type, text: await b.text() });
		return "Glong";
	};
	await uploadTexts(long, upload);
	assert.deepEqual(long.bodyStructure, { type: "multipart/alternative", subParts: [{ type: "text/plain", partId: "text" },
		{ type: "text/html", blobId: "Glong", charset: "utf-8" }] });
	assert.deepEqual(Object.keys(long.bodyValues as object), ["text"]);
	assert.equal(went.length, 1);
	assert.equal(went[0]!.type, "text/html");
	assert.match(went[0]!.text, /<body>x\r\nx\r\n/);
	const short = build({ format: "plain" });
	await uploadTexts(short, upload);
	assert.deepEqual(short.bodyStructure, { type: "text/plain", partId: "text" });
	assert.equal(went.length, 1);
});

test("fields that are empty are not there, and none can break a line", () => {
	const e = build({ subject: "a\r\nBcc: x@y", inReplyTo: ["p@x"], references: ["p@x"] });
	assert.equal(e.subject, "a Bcc: x@y");
	assert.deepEqual(e.from, [{ name: "Alice", email: "alice@our.example" }]);
	assert.deepEqual(e.messageId, ["x@y"]);
	for (const k of ["cc", "bcc", "replyTo"])
		assert.equal(k in e, false, k);
});

test("the note of a draft stays in the draft", () => {
	assert.equal(Object.keys(build({})).some((k) => k.startsWith("header:")), false);
	const n = readNote(build({}, true)["header:X-Yizhan-Draft:asText"] as string);
	assert.deepEqual(n, { identityId: "I1", origin: null, instance: "abc", format: "rich" });
	const foreign = { identityId: null, origin: { emailId: "M9", how: "reply" as const, accountId: "A7" }, instance: "q", format: "plain" as const };
	assert.deepEqual(readNote(writeNote(foreign)), foreign);
	const once = { ...foreign, save: "0f" };
	assert.deepEqual(readNote(writeNote(once)), once);
	assert.ok(writeNote(once).includes(savedBy("0f")));
	assert.deepEqual(readNote(writeNote({ identityId: null, origin: { emailId: "M9", how: "forward" }, instance: "q", format: "plain" })),
		{ identityId: null, origin: { emailId: "M9", how: "forward" }, instance: "q", format: "plain" });
	assert.equal(readNote(undefined), null);
});

test("a draft is read back as it was", () => {
	const part = (partId: string | null, type: string, over = {}) => ({ partId, blobId: "G" + type, size: 2, name: null, type, disposition: null, cid: null, ...over });
	const e: SourceEmail = {
		id: "M1", blobId: "G1", messageId: null, inReplyTo: null, references: null, from: [{ name: "Alice", email: "Alice@our.example" }],
		to: null, cc: null, bcc: null, replyTo: null, subject: "x", sentAt: null, receivedAt: "", textBody: [part("1", "text/plain")], htmlBody: [part("2", "text/html")],
		attachments: [part(null, "image/png", { cid: "c@x", disposition: "inline" }), part(null, "message/rfc822")],
		bodyValues: { 1: { value: "hi\r\nthere" }, 2: { value: "<b>hi</b>" } },
	};
	const l = letterOfDraft(e, [ID], () => "k");
	assert.deepEqual([l.identityId, l.from, l.format, l.text, l.html], ["I1", null, "rich", "hi\nthere", "<b>hi</b>"]);
	assert.deepEqual(carriedParts(e, () => "k").map((a) => [a.name, a.cid]), [["attachment.png", "c@x"], ["message.eml", null]]);
	assert.equal(letterOfDraft({ ...e, htmlBody: e.textBody }, [ID], () => "k").format, "plain");
});

test("images of the text are found", () => {
	assert.deepEqual([...usedCids(`<img src="cid:a%40b"><IMG alt="" SRC='cid:c'><img src="https://x/cid:z">`)], ["a@b", "c"]);
});

test("dates have their zone, Message-IDs their domain", () => {
	assert.match(localDate(new Date(0)), /^(1970-01-01|1969-12-31)T\d\d:\d\d:00(Z|[+-]\d\d:\d\d)$/);
	assert.equal(newMessageId("abc", "a@our.example"), "abc@our.example");
	assert.equal(newMessageId("abc", undefined), "abc@localhost");
});

const OPTIONS: SendOptions = {
	accountId: "A1", identityId: "I1", email: {}, draftId: "M1", draftsId: "F1", targetId: "F2", mailFrom: "alice@our.example", rcptTo: ["b@b.example"],
	holdSeconds: 10, holdUntil: null, origin: { emailId: "M5", how: "reply" }, archive: null,
};

test("sending holds, files and marks", () => {
	const [make, send] = sendRequest(OPTIONS);
	assert.equal(make![0], "Email/set");
	const args = send![1] as { create: { send: { envelope: { mailFrom: unknown } } }; onSuccessUpdateEmail: Record<string, unknown> };
	assert.deepEqual(args.create.send.envelope.mailFrom, { email: "alice@our.example", parameters: { HOLDFOR: "10" } });
	assert.deepEqual(args.onSuccessUpdateEmail, { "#send": { "mailboxIds/F1": null, "mailboxIds/F2": true, "keywords/$draft": null } });
	assert.deepEqual(afterSendRequest({ ...OPTIONS, archive: { emailIds: ["M5", "M6"], fromId: "F3", toId: "F4" } }), [
		["Email/set", {
			accountId: "A1",
			update: {
				M5: { "keywords/$answered": true, "mailboxIds/F3": null, "mailboxIds/F4": true },
				M6: { "mailboxIds/F3": null, "mailboxIds/F4": true },
			},
			destroy: ["M1"],
		}, "after"],
	]);
	assert.deepEqual(afterSendRequest({ ...OPTIONS, draftId: null, origin: { emailId: "M5", how: "forward", accountId: "A7" } }),
		[["Email/set", { accountId: "A7", update: { M5: { "keywords/$forwarded": true } } }, "mark"]]);
	assert.deepEqual(afterSendRequest({ ...OPTIONS, origin: null, draftId: null }), []);
	const at = sendRequest({ ...OPTIONS, holdUntil: "2026-11-04T08:00:00Z" })[1]![1] as typeof args;
	assert.deepEqual(at.create.send.envelope.mailFrom, { email: "alice@our.example", parameters: { HOLDUNTIL: "2026-11-04T08:00:00Z" } });
});

test("what came of it", () => {
	const made: [string, Record<string, unknown>, string] = ["Email/set", { created: { letter: { id: "M9", threadId: "T9" } } }, "make"];
	assert.deepEqual(sendOutcome([made, ["EmailSubmission/set", { created: { send: { id: "S1", sendAt: "2026-01-01T00:00:00Z", undoStatus: "pending" } } }, "send"]]),
		{ kind: "sent", emailId: "M9", submissionId: "S1", sendAt: "2026-01-01T00:00:00Z", undoStatus: "pending", threadId: "T9" });
	const refused = sendOutcome([made, ["EmailSubmission/set", { notCreated: { send: {
		type: "invalidRecipients", invalidRecipients: ["b@b.example"], description: "<b@b.example>: 550 5.1.1 no such user\nc: 250" } } }, "send"]]);
	assert.deepEqual(refused, { kind: "failed", reason: "invalidRecipients", detail: "<b@b.example>: 550 5.1.1 no such user\nc: 250",
		recipients: [{ email: "b@b.example", reply: "550 5.1.1 no such user" }], leftOver: "M9" });
	const big = sendOutcome([["Email/set", { notCreated: { letter: { type: "tooLarge" } } }, "make"]]);
	assert.equal(big.kind === "failed" && big.reason, "tooLarge");
	const odd = sendOutcome([["error", { type: "serverFail" }, "make"]]);
	assert.deepEqual(odd.kind === "failed" && [odd.reason, odd.leftOver], ["other", null]);
});

test("recipients are the envelope's, each once", () => {
	const one = { name: null, email: "B@b.example" };
	assert.deepEqual(recipientsOf({ to: [one], cc: [{ name: null, email: "b@b.example" }], bcc: [{ name: null, email: "c@c.example" }] }), ["B@b.example", "c@c.example"]);
});

test("held for a moment, or scheduled", () => {
	const at = (s: number) => ({ undoStatus: "pending" as const, sendAt: new Date(s * 1000).toISOString() });
	assert.equal(isUndoable(at(10), 0), true);
	assert.equal(isUndoable(at(0), 1000), false);
	assert.equal(isScheduled(at(3600), 0), true);
	assert.equal(isScheduled({ ...at(3600), undoStatus: "canceled" }, 0), false);
});

test("who will not get it", () => {
	assert.deepEqual(failedRecipients({ id: "S", emailId: "M", sendAt: "", undoStatus: "final", deliveryStatus: {
		"a@a": { smtpReply: "550 5.1.1 no", delivered: "no", displayed: "unknown" }, "b@b": { smtpReply: "250 ok", delivered: "yes", displayed: "unknown" } } }),
		[{ email: "a@a", reply: "550 5.1.1 no" }]);
});
