// The mailbox is made once (less than a minute for 100,000 letters) and kept in bench/out, which git ignores.

import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fillMailbox, indexed } from "../../tests/browser/lib/mailbox.mjs";
import { startStation } from "../../tests/browser/lib/station.mjs";

/** Where a data directory with that mailbox is kept; made anew when the schema or the letters are others. */
export async function keptMailbox(top, count, say) {
	const schema = path.join(top, "src/store/schema"), sum = createHash("sha256");
	for (const file of [...readdirSync(schema).sort().map((f) => path.join(schema, f)), path.join(top, "tests/browser/lib/mailbox.mjs")])
		sum.update(readFileSync(file));
	const where = path.join(top, `bench/out/web-${count}-${sum.digest("hex").slice(0, 8)}`), data = path.join(where, "data"), done = path.join(where, "made");
	if (existsSync(done))
		return data;
	rmSync(where, { recursive: true, force: true });
	mkdirSync(data, { recursive: true });
	const start = Date.now(), station = await startStation({ data });
	try {
		await fillMailbox(station, "alice", count);
		await indexed(station);
	} finally {
		await station.halt();
	}
	say(`${count.toLocaleString("en")} letters made, imported and indexed in ${Math.round((Date.now() - start) / 1000)} s`);
	writeFileSync(done, new Date().toISOString() + "\n");
	return data;
}

/** A copy that may be changed. */
export function copyOf(data, to) {
	rmSync(to, { recursive: true, force: true });
	cpSync(data, to, { recursive: true, filter: (from) => !statSync(from).isSocket() });
	return to;
}
