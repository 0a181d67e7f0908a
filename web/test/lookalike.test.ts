import { test } from "node:test";
import assert from "node:assert/strict";
import { isLookalikeHost, linkMismatch, siteOf, unicodeHost } from "../src/core/lookalike";

test("hosts as people read them", () => {
	assert.equal(unicodeHost("xn--bcher-kva.example"), "bücher.example");
	assert.equal(unicodeHost("xn--fsqu00a.xn--0zwm56d"), "例子.测试");
	assert.equal(unicodeHost("xn--80ak6aa92e.com"), "аррӏе.com");
	assert.equal(unicodeHost("example.org"), null);
	assert.equal(unicodeHost("xn--a!.org"), "xn--a!.org");
});
test("hosts that look like others", () => {
	for (const host of ["xn--80ak6aa92e.com", "pаypal.com", "gооgle.com"])
		assert.equal(isLookalikeHost(host), true, host);
	for (const host of ["example.org", "bücher.example", "xn--fsqu00a.xn--0zwm56d", "пример.рф", "почта.example"])
		assert.equal(isLookalikeHost(host), false, host);
});
test("sites", () => {
	assert.equal(siteOf("a.b.example.org"), "example.org");
	assert.equal(siteOf("www.shop.co.uk"), "shop.co.uk");
	assert.equal(siteOf("192.0.2.1"), "192.0.2.1");
});
const LINKS: [string, string, string, boolean][] = [
	["another site", "https://bank.example/login", "https://evil.example/", true],
	["the same site", "bank.example", "https://www.bank.example/x", false],
	["words", "Click here", "https://evil.example/", false],
	["a bare host", "www.bank.example", "https://bank.example.evil.test/", true],
	["the user part is no host", "https://bank.example", "https://bank.example@evil.test/", true],
	["a file", "report.pdf", "https://files.example/r", false],
	["hidden letters around", "\u200bbank.example\u200b", "https://evil.example", true],
	["an address", "ana@example.org", "mailto:ana@example.org", false],
	["same in capitals", "EXAMPLE.ORG", "https://example.org", false],
	["a number", "192.0.2.7", "https://evil.example", true],
	["prices are no hosts", "19.99", "https://shop.example", false],
];
for (const [name, text, href, is] of LINKS)
	test("link text: " + name, () => assert.equal(linkMismatch(text, href) !== null, is));
