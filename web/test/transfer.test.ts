import assert from "node:assert/strict";
import { test } from "node:test";
import { qrCode } from "../src/core/qr";
import { importLines } from "../src/core/transfer";
import { readAutoconfig } from "../src/ui/settings/autoconfig";

test("the lines of an import tell how far it is, and how it ended", () => {
	const one = `{"done":50,"added":48,"present":2,"bad":0}\n`;
	assert.deepEqual(importLines(""), { read: 0, end: null, error: null });
	assert.deepEqual(importLines(one + `{"done":9`), { read: 50, end: null, error: null });
	assert.deepEqual(importLines(one + `{"end":{"added":60,"present":2,"bad":1}}\n`), { read: 50, end: { added: 60, present: 2, bad: 1 }, error: null });
	assert.deepEqual(importLines(one + `{"error":"overQuota","done":50,"added":48,"present":2,"bad":0}\n`), { read: 50, end: null, error: "overQuota" });
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
