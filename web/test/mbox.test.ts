import assert from "node:assert/strict";
import { test } from "node:test";
import { mboxEntry, splitMbox } from "../src/core/mbox";
import { qrCode } from "../src/core/qr";
import { readAutoconfig } from "../src/ui/settings/autoconfig";

const octets = (s: string) => new TextEncoder().encode(s);
const text = (b: Uint8Array) => new TextDecoder().decode(b);

test("letters go into an mbox and come out as they were", () => {
	const letters = ["Subject: a\r\n\r\nFrom here\r\n>From there\r\n\r\nend\r\n", "Subject: b\r\n\r\n", "Subject: 中\r\n\r\n\r\nFrom \r\n\r\n", "X: y\r\n\r\nFrom\r\n"];
	const at = new Date(Date.UTC(2026, 0, 5, 6, 7, 8));
	const file = Buffer.concat(letters.map((l) => mboxEntry(octets(l), "ana@x.org", at)));
	assert.match(file.toString(), /^From ana@x\.org Mon Jan  5 06:07:08 2026\n/);
	const back = splitMbox(file);
	assert.deepEqual(back.map((l) => text(l.octets)), letters);
	assert.deepEqual(back.map((l) => l.at?.getTime()), letters.map(() => at.getTime()));
});

test("a single letter, an mbox of others, nothing", () => {
	assert.deepEqual(splitMbox(octets("Subject: a\n\nb\n")).map((l) => text(l.octets)), ["Subject: a\r\n\r\nb\r\n"]);
	assert.deepEqual(splitMbox(octets("From x@y Thu Jan  1 00:00:00 1970\nSubject: a\n\nb\n")).map((l) => text(l.octets)), ["Subject: a\r\n\r\nb\r\n"]);
	assert.deepEqual(splitMbox(octets("")), []);
});

test("a square code has its patterns, and grows with what it says", () => {
	for (const [length, size] of [[5, 21], [26, 25], [150, 49], [400, 77]] as const) {
		const m = qrCode("x".repeat(length))!;
		assert.equal(m.length, size);
		for (const [r, c] of [[0, 0], [0, size - 7], [size - 7, 0]] as const)
			assert.equal(m.slice(r, r + 7).map((row) => row.slice(c, c + 7).map((v) => v ? 1 : 0).join("")).join("/"),
				"1111111/1000001/1011101/1011101/1011101/1000001/1111111");
		assert.equal(m[size - 8]![8], true);
	}
	assert.equal(qrCode("x".repeat(2000)), null);
});

test("what a mail program is told is told to people", () => {
	assert.deepEqual(readAutoconfig(`<incomingServer type="imap"><hostname>mx</hostname><port>993</port><socketType>SSL</socketType></incomingServer>
		<outgoingServer type="smtp"><hostname>mx</hostname><port>465</port><socketType>SSL</socketType></outgoingServer>`),
	[{ kind: "imap", host: "mx", port: "993", security: "SSL" }, { kind: "smtp", host: "mx", port: "465", security: "SSL" }]);
});
