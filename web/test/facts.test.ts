import { test } from "node:test";
import assert from "node:assert/strict";
import { ownResults, parseAuthenticationResults, verdictOf } from "../src/core/authres";
import { factsOf, type Known, listNameOf, namesakeOf, unsubscribeOf } from "../src/core/facts-of-mail";

const AR = "Authentication-Results";
const PASS = "mail.our.example; dkim=pass (2048-bit key; \"a;b=c\") header.d=example.org header.s=x; spf=pass\r\n smtp.mailfrom=ana@example.org; dmarc=pass header.from=example.org";

test("authentication results: comments, folding and quotes", () => {
	const r = parseAuthenticationResults(PASS)!;
	assert.equal(r.authservId, "mail.our.example");
	assert.deepEqual(r.methods.map((m) => [m.method, m.result]), [["dkim", "pass"], ["spf", "pass"], ["dmarc", "pass"]]);
	assert.equal(r.methods[0]!.props["header.d"], "example.org");
	assert.deepEqual(parseAuthenticationResults("x 1; none")!.methods, []);
	assert.equal(parseAuthenticationResults("; a=b"), null);
});
test("authentication results: only ours, above the first Received", () => {
	const ours = { name: AR, value: PASS }, received = { name: "Received", value: "by mail.our.example" };
	assert.equal(ownResults([ours, received], "mail.our.example").length, 3);
	assert.equal(ownResults([received, ours], "mail.our.example").length, 0);
	assert.equal(ownResults([{ name: AR, value: PASS.replace("mail.our", "mail.other") }, received], "mail.our.example").length, 0);
	assert.equal(ownResults([ours, received], "").length, 0);
	assert.equal(ownResults([{ name: AR, value: "mail.our.example.evil; dmarc=pass" }, received], "mail.our.example").length, 0);
});
const VERDICTS: [string, string, string, string][] = [
	["pass", PASS, "ana@example.org", "pass"],
	["nothing said", "", "ana@example.org", "unknown"],
	["policy says no", "x; dkim=pass header.d=evil.example; dmarc=fail header.from=example.org", "ana@example.org", "fail"],
	["another's signature proves nothing", "x; dkim=pass header.d=evil.example", "ana@example.org", "none"],
	["a signature of the parent domain", "x; dkim=pass header.d=example.org", "ana@news.example.org", "pass"],
	["a top level signs for nobody", "x; dkim=pass header.d=org", "ana@example.org", "none"],
	["SPF alone is not enough", "x; spf=pass smtp.mailfrom=example.org", "ana@example.org", "none"],
];
for (const [name, field, from, kind] of VERDICTS)
	test("verdict: " + name, () => assert.equal(verdictOf(field ? parseAuthenticationResults(field)!.methods : [], from).kind, kind));

const KNOWN: Known = {
	from: { name: "Ana Lima", email: "ana@example.org" }, replyTo: [], isOwn: false, methods: [], isFirst: null, namesake: null,
	blockedImages: 0, canAlways: true, unsubscribe: null, listName: null, links: [], linkHosts: [], files: [],
};
const FACTS: [string, Partial<Known>, string[]][] = [
	["nothing to say", {}, ["notChecked"]],
	["own mail is believed", { isOwn: true, isFirst: true, replyTo: [{ name: null, email: "x@other.example" }] }, []],
	["verified", { methods: parseAuthenticationResults(PASS)!.methods }, ["verified"]],
	["pictures and list come first", { blockedImages: 3, unsubscribe: unsubscribeOf(["https://l.example/u"], null), methods: parseAuthenticationResults(PASS)!.methods }, ["images", "list", "verified"]],
	["answers go elsewhere", { replyTo: [{ name: null, email: "ana@evil.example" }] }, ["replyElsewhere", "notChecked"]],
	["answers go to the same site", { replyTo: [{ name: null, email: "ana@mail.example.org" }] }, ["notChecked"]],
	["a list takes the answers", { listName: "dev", replyTo: [{ name: null, email: "dev@lists.example" }] }, ["notChecked"]],
	["warnings before everything", { blockedImages: 1, links: [{ shown: "bank.example", real: "evil.example" }], namesake: "ana@work.example" }, ["nameTaken", "linkElsewhere", "images", "notChecked"]],
	["sender in Cyrillic", { from: { name: null, email: "x@xn--80ak6aa92e.com" } }, ["lookalikeSender", "notChecked"]],
	["files", { files: [{ name: "a.jpg.exe", danger: "disguised" }, { name: "b.html", danger: "active" }, { name: "c.js", danger: "program" }] }, ["disguisedFile", "dangerousFile", "activeFile", "notChecked"]],
	["first mail", { isFirst: true }, ["first", "notChecked"]],
];
for (const [name, patch, ids] of FACTS)
	test("facts: " + name, () => assert.deepEqual(factsOf({ ...KNOWN, ...patch }).map((f) => f.id), ids));

test("name of a contact with another address", () => {
	const contacts = [{ name: "Ana Lima", emails: ["ana@work.example", "ana@home.example"] }];
	assert.equal(namesakeOf({ name: "Ana Lima", email: "x@evil.example" }, contacts), "ana@work.example");
	assert.equal(namesakeOf({ name: "\"Аna  Limа\"", email: "x@evil.example" }, contacts), "ana@work.example");
	assert.equal(namesakeOf({ name: "Ana Lima", email: "ANA@home.example" }, contacts), null);
	assert.equal(namesakeOf({ name: "Ana", email: "x@evil.example" }, [{ name: "Ana", emails: ["a@b.example"] }]), null);
	assert.equal(namesakeOf(null, contacts), null);
});
test("unsubscribing: one click only where both fields say so", () => {
	assert.deepEqual(unsubscribeOf(["mailto:u@l.example", "https://l.example/u"], "List-Unsubscribe=One-Click"), { isOneClick: true, web: "https://l.example/u", mailto: "mailto:u@l.example" });
	assert.equal(unsubscribeOf(["http://l.example/u"], "List-Unsubscribe=One-Click")!.isOneClick, false);
	assert.equal(unsubscribeOf(["javascript:alert(1)"], null), null);
	assert.equal(unsubscribeOf(null, null), null);
});
test("names of lists", () => {
	assert.equal(listNameOf("\"Dev talk\" <dev.lists.example>"), "Dev talk");
	assert.equal(listNameOf("<dev.lists.example>"), "dev.lists.example");
	assert.equal(listNameOf(""), null);
});
