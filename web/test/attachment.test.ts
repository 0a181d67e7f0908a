import { test } from "node:test";
import assert from "node:assert/strict";
import { canPreview, dangerOf, kindOf, safeName, stripParts, treeRows } from "../src/core/attachment";
import type { EmailBodyPart } from "../src/core/types";

const part = (name: string | null, type: string, more: Partial<EmailBodyPart> = {}): EmailBodyPart => ({
	partId: "1", blobId: "G1", size: 100, name, type, charset: null, disposition: "attachment", cid: null, language: null, location: null, ...more });

const CASES: [string | null, string, string, string | null][] = [
	["a.png", "image/png", "image", null],
	["a.exe", "application/octet-stream", "other", "program"],
	["a.jpg.exe", "image/jpeg", "image", "disguised"],
	["invoice.pdf                .scr", "application/pdf", "pdf", "disguised"],
	["photo\u202egpj.exe", "image/jpeg", "image", "disguised"],
	["a.html", "text/html", "html", "active"],
	["a.svg", "image/svg+xml", "html", "active"],
	["winmail.dat", "application/octet-stream", "tnef", null],
	["x", "application/ms-tnef", "tnef", null],
	["fw.eml", "message/rfc822", "message", null],
	[null, "message/rfc822", "message", null],
	["macro.docm", "application/vnd.ms-word.document.macroenabled.12", "other", "program"],
	["a.tar.gz", "application/gzip", "archive", null],
	["a.txt", "text/plain", "text", null],
	["a", "application/x-msdownload", "other", "program"],
];
for (const [name, type, kind, danger] of CASES)
	test(`attachment: ${JSON.stringify(name)} ${type}`, () => {
		assert.equal(kindOf(part(name, type)), kind);
		assert.equal(dangerOf(part(name, type)), danger);
	});
test("attachment: names that are shown and saved", () => {
	assert.equal(safeName(part("../../etc/passwd", "text/plain"), "file"), "_.._etc_passwd");
	assert.equal(safeName(part("photo\u202egpj.exe", "image/jpeg"), "file"), "photogpj.exe");
	assert.equal(safeName(part(null, "message/rfc822"), "message"), "message.eml");
	assert.equal(safeName(part("x".repeat(500) + ".txt", "text/plain"), "file").length < 200, true);
});
test("attachment: previews have a size", () => {
	assert.equal(canPreview(part("a.png", "image/png")), true);
	assert.equal(canPreview(part("a.txt", "text/plain", { size: 99 << 20 })), false);
	assert.equal(canPreview(part("a.html", "text/html")), false);
});
test("attachment: pictures that the text shows are not listed", () => {
	const list = [part("a.png", "image/png", { cid: "A@x" }), part("b.png", "image/png", { cid: "b@x" })];
	assert.deepEqual(stripParts(list, new Set(["a@x"])).map((p) => p.name), ["b.png"]);
});
test("structure as rows", () => {
	const tree = part(null, "multipart/mixed", { subParts: [part(null, "multipart/alternative", { subParts: [part(null, "text/plain"), part(null, "text/html")] }), part("a", "image/png")] });
	assert.deepEqual(treeRows(tree).map((r) => `${r.depth} ${r.path} ${r.part.type}`), [
		"0  multipart/mixed", "1 1 multipart/alternative", "2 1.1 text/plain", "2 1.2 text/html", "1 2 image/png"]);
});
