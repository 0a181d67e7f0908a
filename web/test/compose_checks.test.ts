import assert from "node:assert/strict";
import { test } from "node:test";
import { checkLetter, ownText, promisedAttachment } from "../src/core/compose_checks";
import { emptyLetter, type Letter } from "../src/core/compose_types";

const letter = (over: Partial<Letter>): Letter => ({ ...emptyLetter(), to: [{ name: null, email: "a@b.example" }], subject: "x", ...over });
const check = (l: Letter, plainText = "", own: string[] = [], uploading: string[] = []) =>
	checkLetter(l, { plainText, uploading, ownDomains: own }).map((c) => c.kind).join(" ");

test("words that promise a file", () => {
	for (const yes of ["Please find attached the plan", "see the attachment", "I've attached it", "I attach the file", "Enclosed is", "请查收附件", "合同见附件。", "文件已附上", "我随信附了照片", "附圖如下"])
		assert.ok(promisedAttachment("", yes), yes);
	for (const no of ["Hello", "I am fond of my cat", "附近有一家店", "the attaché called", "reattach nothing"])
		assert.equal(promisedAttachment("", no), null, no);
});

test("quotes and signatures promise nothing", () => {
	assert.equal(ownText("thanks\n\nOn Monday Ana wrote:\n> see attached\n>> x").includes("attached"), false);
	assert.equal(ownText("thanks\n-- \nattached to nature").includes("attached"), false);
	assert.equal(ownText("look\n---------- Forwarded message ----------\nplease find attached").includes("attached"), false);
});

test("everything is asked at once", () => {
	assert.equal(check(emptyLetter()), "noRecipient noSubject");
	assert.equal(check(letter({ subject: " " }), "see attached"), "noSubject noAttachment");
	assert.equal(check(letter({ to: [{ name: null, email: "nobody" }] })), "badAddress");
	assert.equal(check(letter({}), "", [], ["a.pdf"]), "uploading");
	assert.equal(check(letter({}), "", ["our.example"]), "outside");
	assert.equal(check(letter({}), "", ["B.example"]), "");
});

test("a file that is there, or came along, is no question", () => {
	const file = { key: "1", name: "a", type: "x/y", size: 1, blobId: "G1", cid: null };
	assert.equal(check(letter({ attachments: [file] }), "see attached"), "");
	assert.equal(check(letter({ attachments: [{ ...file, cid: "c@x" }] }), "see attached"), "noAttachment");
});
