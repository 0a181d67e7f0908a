import assert from "node:assert/strict";
import { test } from "node:test";
import { REFERENCES_MAX, chooseIdentity, forwardSubject, replyRecipients, replyReferences, replySubject } from "../src/core/compose_reply";
import type { Identity, Person, SourceEmail } from "../src/core/compose_types";

const p = (email: string, name: string | null = null): Person => ({ name, email });
const identity = (id: string, email: string): Identity => ({
	id, name: id, email, replyTo: null, bcc: null, textSignature: "", htmlSignature: "", mayDelete: true,
});
const ALICE = identity("I1", "alice@our.example");
const WORK = identity("I2", "office@our.example");
const STAR = identity("I3", "*@alice.example");
const letter = (over: Partial<SourceEmail>): SourceEmail => ({
	id: "M1", blobId: "G1", messageId: ["m1@x"], inReplyTo: null, references: null, from: [p("ana@a.example", "Ana")], to: [p("alice@our.example")],
	cc: null, bcc: null, replyTo: null, subject: "Hi", sentAt: null, receivedAt: "2026-11-03T10:00:00Z", textBody: [], htmlBody: [],
	attachments: [], bodyValues: {}, ...over,
});
const mails = (l: Person[]) => l.map((x) => x.email).join(" ");

test("an answer's subject has one Re:, whatever stood there", () => {
	const cases: [string | null, string][] = [
		["Budget", "Re: Budget"], ["Re: Budget", "Re: Budget"], ["RE: re: Re[3]: Budget", "Re: Budget"], ["AW: WG: Plan", "Re: WG: Plan"],
		["回复：预算", "Re: 预算"], ["答复: 回复：预算", "Re: 预算"], ["Fwd: Budget", "Re: Fwd: Budget"], ["Re^2: x", "Re: x"], ["Report: x", "Re: Report: x"],
		["", "Re:"], [null, "Re:"], ["Re:", "Re:"],
	];
	for (const [from, want] of cases)
		assert.equal(replySubject(from), want, String(from));
});

test("a forwarded subject has one Fwd:", () => {
	const cases: [string | null, string][] = [
		["Budget", "Fwd: Budget"], ["Re: Fwd: Budget", "Fwd: Budget"], ["转发：预算", "Fwd: 预算"], ["FW: WG: x", "Fwd: x"], [null, "Fwd:"],
	];
	for (const [from, want] of cases)
		assert.equal(forwardSubject(from), want, String(from));
});

test("References are the parent's and its Message-ID", () => {
	assert.deepEqual(replyReferences({ messageId: ["b@x"], inReplyTo: ["a@x"], references: ["r@x", "a@x"] }), {
		inReplyTo: ["b@x"], references: ["r@x", "a@x", "b@x"],
	});
	assert.deepEqual(replyReferences({ messageId: ["b@x"], inReplyTo: ["a@x"], references: null }).references, ["a@x", "b@x"]);
	assert.deepEqual(replyReferences({ messageId: ["b@x"], inReplyTo: ["a@x", "c@x"], references: null }).references, ["b@x"]);
	assert.deepEqual(replyReferences({ messageId: null, inReplyTo: null, references: null }), { inReplyTo: null, references: null });
	const many = Array.from({ length: 200 }, (_, i) => `${i}@x`);
	const kept = replyReferences({ messageId: ["last@x"], inReplyTo: null, references: many }).references!;
	assert.equal(kept.length, REFERENCES_MAX);
	assert.equal(kept[0], "0@x");
	assert.equal(kept[kept.length - 1], "last@x");
});

test("an answer goes to Reply-To, else From", () => {
	const ids = [ALICE, WORK];
	assert.equal(mails(replyRecipients(letter({}), ids, false).to), "ana@a.example");
	assert.equal(mails(replyRecipients(letter({ replyTo: [p("list@l.example")] }), ids, false).to), "list@l.example");
});

test("an answer to all leaves us out and nobody twice", () => {
	const of = letter({
		to: [p("ALICE@our.example"), p("bob@b.example"), p("office@our.example")],
		cc: [p("carol@c.example"), p("bob@b.example"), p("ana@a.example"), p("x@alice.example")],
	});
	const r = replyRecipients(of, [ALICE, WORK, STAR], true);
	assert.equal(mails(r.to), "ana@a.example");
	assert.equal(mails(r.cc), "carol@c.example bob@b.example");
});

test("an answer to all keeps To in To", () => {
	const r = replyRecipients(letter({ to: [p("alice+shop@our.example"), p("bob@b.example")], cc: [p("carol@c.example")] }), [ALICE], true);
	assert.equal(mails(r.to), "ana@a.example bob@b.example");
	assert.equal(mails(r.cc), "carol@c.example");
});

test("Mail-Followup-To is followed", () => {
	const r = replyRecipients(letter({ "header:Mail-Followup-To:asAddresses": [p("list@l.example"), p("alice@our.example")] }), [ALICE], true);
	assert.equal(mails(r.to), "list@l.example");
	assert.equal(mails(r.cc), "");
});

test("an answer to our own letter goes to those it went to", () => {
	const of = letter({ from: [p("alice@our.example")], to: [p("bob@b.example")], cc: [p("carol@c.example"), p("office@our.example")] });
	assert.equal(mails(replyRecipients(of, [ALICE, WORK], false).to), "bob@b.example");
	assert.equal(mails(replyRecipients(of, [ALICE, WORK], true).cc), "carol@c.example");
	assert.equal(mails(replyRecipients(letter({ from: [p("alice@our.example")] }), [ALICE], true).to), "alice@our.example");
});

test("who was written to answers", () => {
	const ids = [ALICE, WORK, STAR];
	assert.equal(chooseIdentity(ids, letter({ to: [p("Office@our.example")] }))!.identity, WORK);
	assert.equal(chooseIdentity(ids, letter({ to: [p("list@l.example")], "header:Delivered-To:asText:all": [" office@our.example"] }))!.identity, WORK);
	const sub = chooseIdentity(ids, letter({ to: [p("alice+shop@our.example")] }))!;
	assert.equal(sub.identity, ALICE);
	assert.equal(sub.from!.email, "alice+shop@our.example");
	const star = chooseIdentity(ids, letter({ cc: [p("bank@alice.example")], to: [p("list@l.example")] }))!;
	assert.equal(star.identity, STAR);
	assert.equal(star.from!.email, "bank@alice.example");
	assert.equal(chooseIdentity(ids, letter({ to: [p("list@l.example")] }))!.identity, ALICE);
	assert.equal(chooseIdentity([STAR, WORK], null)!.identity, WORK);
	assert.equal(chooseIdentity([], null), null);
});
