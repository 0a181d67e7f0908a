// The page with the sanitizer taken out: mail goes into its frame as it came, so that only the frame's policy stands
// between it and the world. It is another build, made for the test; what is served to people has no such switch.

import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { TOP } from "./station.mjs";

export async function buildUnsafe() {
	const { build, write } = await import(path.join(TOP, "web/tools/build.mjs"));
	const instead = path.join(TOP, "tests/browser/lib/unsafe_sanitize.ts");
	const { files } = await build({ plugins: [{
		name: "unsafe", setup(b) {
			b.onResolve({ filter: /\/core\/sanitize$/ }, () => ({ path: instead }));
			// what this file itself imports
			b.onResolve({ filter: /^dompurify$/ }, () => ({ path: path.join(TOP, "web/node_modules/dompurify/dist/purify.es.mjs") }));
		},
	}] });
	const dir = mkdtempSync(path.join(os.tmpdir(), "yz-unsafe-"));
	write(dir, files);
	return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}
