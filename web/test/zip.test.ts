import { test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { crc32, uniqueNames, zip } from "../src/core/zip";

test("zip: sums as everybody computes them", () => assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926));
test("zip: no name twice", () => assert.deepEqual(uniqueNames(["a.txt", "A.txt", "a.txt", "b"]), ["a.txt", "A (2).txt", "a (3).txt", "b"]));
test("zip: another program opens it", async () => {
	const text = new TextEncoder();
	const blob = zip([{ name: "a.txt", octets: text.encode("one") }, { name: "例.txt", octets: text.encode("two") }, { name: "a.txt", octets: new Uint8Array(0) }]);
	const dir = mkdtempSync(path.join(tmpdir(), "zip"));
	try {
		const file = path.join(dir, "x.zip");
		writeFileSync(file, Buffer.from(await blob.arrayBuffer()));
		const run = spawnSync("python3", ["-c", "import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\nprint([(n, z.read(n)) for n in z.namelist()])", file], { encoding: "utf8", env: { ...process.env, PYTHONIOENCODING: "utf-8" } });
		assert.equal(run.stdout.trim(), "[('a.txt', b'one'), ('例.txt', b'two'), ('a (2).txt', b'')]", run.stderr);
	} finally {
		rmSync(dir, { recursive: true });
	}
});
