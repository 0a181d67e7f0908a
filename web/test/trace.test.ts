import assert from "node:assert/strict";
import { test } from "node:test";
import { filterItems, formatSeconds, receivedStrip, sentStrip, timeline, traceText, verdictSentences } from "../src/core/trace";
import type { Hop, Trace, TraceEvent, TraceRecipient } from "../src/core/trace";

const at = (s: number) => new Date(Date.UTC(2026, 0, 1, 10, 0, 0) + s * 1000).toISOString();

function rcpt(address: string, state: TraceRecipient["state"], more: Partial<TraceRecipient> = {}): TraceRecipient {
	return { address, state, targets: 1, attempts: 0, at: null, nextAt: null, expiresAt: null, code: 0, enhanced: "", reply: "", host: "", tls: "",
		reason: "", ...more };
}
function trace(recipients: TraceRecipient[], events: TraceEvent[], verdict: Partial<Trace["verdict"]>): Trace {
	return { id: "Q1", queueId: "Q1", role: "sender", messageId: "a@b", at: at(0), from: "me@b", parentId: null, recipients, events, children: [],
		verdict: { state: "unknown", total: recipients.length, delivered: 0, waiting: 0, failed: 0, unnamed: 0, nextAt: null, expiresAt: null, ...verdict } };
}
const accepted: TraceEvent = { at: at(0), event: "accepted", recipient: "", peer: "192.0.2.9", helo: "laptop", with: "ESMTP", login: "me@b" };

test("the verdict says for how many it worked, and what comes next", () => {
	const some = trace([rcpt("a@x", "relayed"), rcpt("b@y", "waiting")], [], { state: "waiting", delivered: 1, waiting: 1, nextAt: at(60), expiresAt: at(9000) });
	assert.deepEqual(verdictSentences(some).map((s) => s.key), ["trace.verdict.deliveredOf", "trace.verdict.waitingFor", "trace.verdict.next", "trace.verdict.gives"]);
	const one = trace([rcpt("a@x", "failed")], [], { state: "failed", failed: 1 });
	assert.deepEqual(verdictSentences(one), [{ key: "trace.one.failed", values: { address: "a@x" } }]);
	const mixed = trace([rcpt("a@x", "failed"), rcpt("b@x", "relayed")], [], { state: "partial", failed: 1, delivered: 1 });
	assert.deepEqual(verdictSentences(mixed).map((s) => s.key), ["trace.verdict.deliveredOf", "trace.verdict.failedFor"]);
});

test("the path of a sent letter shows the recipient that is worst off", () => {
	const t = trace([rcpt("a@x", "relayed"), rcpt("b@y", "waiting")], [accepted,
		{ at: at(1), event: "delivered", recipient: "a@x", host: "mx.x [192.0.2.1]:25", code: 250, reply: "ok" },
		{ at: at(31), event: "deferred", recipient: "b@y", host: "mx.y [192.0.2.2]:25", code: 450, enhanced: "4.2.0", reply: "greylisted" }], {});
	const s = sentStrip(t);
	assert.deepEqual(s.boxes.map((b) => b.name), ["me@b", "trace.box.accepted", "mx.y"]);
	assert.deepEqual(s.boxes[2]!.remarks, ["450 4.2.0 greylisted"]);
	assert.equal(s.boxes[2]!.seconds, 31);
	assert.equal(s.boxes[2]!.tone, "wait");
});

test("the path of a letter that came parts what we saw from what is claimed", () => {
	const hop = (n: number, more: Partial<Hop>): Hop => ({ hop: n, by: "s" + n, trusted: n > 2, local: false, remarks: [], ...more });
	const s = receivedStrip({ hops: [hop(1, { helo: "laptop", address: "198.51.100.7" }), hop(2, { delay_seconds: 44 }),
		hop(3, { delay_seconds: 1, raw_delay_seconds: -90, skew_seconds: -91 })], claims: 2, authentication: [], signatures: [], loop: false });
	assert.deepEqual(s.boxes.map((b) => [b.name, b.isClaim]), [["laptop", true], ["s1", true], ["s2", true], ["s3", false]]);
	assert.equal(s.claims, 3);
	assert.equal(s.slowest, 2);
	assert.deepEqual(s.boxes.map((b) => b.isWrong), [false, false, false, true]);
});

test("the timeline opens the last failure of each recipient and no older one", () => {
	const t = trace([rcpt("b@y", "failed")], [accepted,
		{ at: at(1), event: "deferred", recipient: "b@y", code: 450 }, { at: at(60), event: "failed", recipient: "b@y", code: 550 }], {});
	const items = timeline(t);
	assert.deepEqual(items.map((i) => i.isOpen), [false, false, true]);
	assert.deepEqual(items.map((i) => i.seconds), [0, 1, 60]);
	assert.deepEqual(filterItems(items, { recipient: "", problems: true, source: "" }).map((i) => i.id), [1, 2]);
	assert.deepEqual(filterItems(items, { recipient: "c@z", problems: false, source: "" }).map((i) => i.id), [0]);
});

test("the text for a support ticket has every answer and every line that was said", () => {
	const t = trace([rcpt("b@y", "failed", { code: 550, enhanced: "5.1.1", reply: "no such user", host: "mx.y",
		cause: { name: "no-such-user", text: "There is no such mailbox.", remedy: "Check the spelling." } })], [accepted,
		{ at: at(2), event: "failed", recipient: "b@y", code: 550, enhanced: "5.1.1", reply: "no such user",
			steps: [{ step: "mx", at: at(1), ms: 12, host: "", text: "10 mx.y", failed: false, kept: true }, { step: "connect", at: at(1), ms: 31, host: "mx.y", text: "refused", failed: true, kept: false }],
			conversation: [{ who: "C", text: "RCPT TO:<b@y>", ms: 12 }, { who: "S", text: "550 5.1.1 no such user", ms: 40 }] }], { state: "failed", failed: 1 });
	const text = traceText(t, (s) => s.key);
	for (const part of ["<a@b>", "Check the spelling.", "C: RCPT TO:<b@y> [+12 ms]", "S: 550 5.1.1 no such user", "+2.0 s",
		"mx 12 ms (for an earlier letter) 10 mx.y", "connect 31 ms mx.y failed: refused"])
		assert.ok(text.includes(part), part + "\n" + text);
});

test("durations are short", () => {
	assert.deepEqual([0.1234, 2.34, 44.4, 252, 7500, 200000].map(formatSeconds), ["0.12 s", "2.3 s", "44 s", "4 min 12 s", "2 h 5 min", "2 d 8 h"]);
});
