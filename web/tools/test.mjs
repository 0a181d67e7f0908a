// Unit tests: test/*.test.ts, made plain JavaScript, run by node's own runner.
//   node tools/test.mjs [NAME…]
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const out = path.join(top, ".test");
const wanted = process.argv.slice(2);
const names = readdirSync(path.join(top, "test")).filter((n) => n.endsWith(".test.ts"))
	.filter((n) => !wanted.length || wanted.some((w) => n.startsWith(w)));

rmSync(out, { recursive: true, force: true });
mkdirSync(out);
await esbuild.build({ entryPoints: names.map((n) => path.join(top, "test", n)), bundle: true, platform: "node", format: "esm",
	target: "node18", outdir: out, outExtension: { ".js": ".mjs" }, sourcemap: "inline", logLevel: "error",
	define: { __STYLES__: '"{}"', __LICENCES__: '""' }, jsx: "automatic", jsxImportSource: "preact" });
const files = names.map((n) => path.join(out, n.replace(/\.ts$/, ".mjs")));
const done = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...files], { stdio: "inherit" });
process.exit(done.status ?? 1);
