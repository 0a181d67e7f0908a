// Makes dist/ of src/: names that tell the content, the same octets on every machine.
//   node tools/build.mjs [--watch] [--out DIR]
// dist/assets.txt lists every file with its SHA-256; tools/web-assets embeds what it lists.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const src = path.join(top, "src");

/** Style sheets of their own: the page's, and one for each room that comes later. */
export const STYLES = { main: "main.css", reader: "ui/reader/reader.css", compose: "ui/compose/compose.css",
	settings: "ui/settings/settings.css", trace: "ui/trace/trace.css" };
const TARGET = ["chrome110", "firefox115", "safari16.4"];
const PACKAGES = ["@preact/signals", "@preact/signals-core", "dompurify", "preact", "squire-rte"];

/** Every room begins with the page itself. So all that rooms share is in one file, which the page loads, and not in
 * many small ones. */
export const ROOMS = { reader: "ui/reader/Reader.tsx", compose: "ui/compose/Composers.tsx", settings: "ui/settings/Settings.tsx",
	trace: "ui/trace/TracePage.tsx", search: "ui/search/SearchOptions.tsx" };
/** What else comes when it is first asked for: it begins so too, or esbuild cuts what it shares out of the page's file. */
const ALSO = ["ui/list/save_letters.ts"];
const withMain = { name: "with-main", setup(b) {
	const rooms = new Set([...Object.values(ROOMS), ...ALSO].map((f) => path.join(src, f)));
	b.onLoad({ filter: /\.tsx?$/ }, (a) => rooms.has(a.path)
		? { contents: `import "../../main";\n${readFileSync(a.path, "utf8")}`, loader: a.path.endsWith("x") ? "tsx" : "ts", resolveDir: path.dirname(a.path) } : undefined);
	// words as plain modules, which need nothing around them
	b.onLoad({ filter: /i18n\/[^/]*\.json$/ }, (a) => ({ contents: "export default " + readFileSync(a.path, "utf8"), loader: "js" }));
} };

const hash = (octets) => createHash("sha256").update(octets).digest("hex");

/** One build in memory: a map of name within dist to octets. `plugins`: esbuild's, of a test that puts another file in
 * some file's place. */
export async function build({ plugins = [] } = {}) {
	const files = new Map();
	const put = (name, octets) => {
		const end = path.extname(name);
		const named = `assets/${name.slice(0, -end.length)}-${hash(octets).slice(0, 10)}${end}`;
		files.set(named, Buffer.from(octets));
		return "/" + named;
	};
	const common = { bundle: true, minify: true, write: false, absWorkingDir: top, target: TARGET, legalComments: "none",
		logLevel: "silent", outdir: path.join(top, "dist"), charset: "utf8" };

	const styles = {};
	for (const [name, file] of Object.entries(STYLES)) {
		if (!existsSync(path.join(src, file)))
			continue;
		const made = await esbuild.build({ ...common, entryPoints: [path.join(src, file)] });
		styles[name] = put(`${name}.css`, made.outputFiles[0].contents);
	}
	// in the page itself: one request less before the first list
	const icons = readFileSync(path.join(src, "ui/kit/icons.svg"), "utf8").replace("<svg ", '<svg id="icons" width="0" height="0" aria-hidden="true" ')
		.replaceAll('<symbol id="', '<symbol id="i-').replace(/>\s+</g, "><").trim();
	const icon = put("icon.svg", readFileSync(path.join(top, "static/icon.svg")));
	const licences = put("licenses.txt", licenceText());

	const made = await esbuild.build({
		...common, entryPoints: { entry: path.join(src, "entry.ts") }, plugins: [...plugins, withMain], format: "esm", splitting: true, metafile: true,
		jsx: "automatic", jsxImportSource: "preact", entryNames: "assets/[name]-[hash]", chunkNames: "assets/[name]-[hash]",
		define: { __STYLES__: JSON.stringify(JSON.stringify(styles)), __LICENCES__: JSON.stringify(licences) },
	});
	let main = "";
	for (const file of made.outputFiles) {
		const name = path.relative(path.join(top, "dist"), file.path).split(path.sep).join("/");
		files.set(name, Buffer.from(file.contents));
		if ("src/main.tsx" in (made.metafile.outputs["dist/" + name]?.inputs ?? {}))
			main = "/" + name;
	}
	// the entry only says "this chunk"; the page says it itself
	for (const [name, o] of Object.entries(made.metafile.outputs))
		if (o.entryPoint === "src/entry.ts" && "/" + name.slice("dist/".length) !== main)
			files.delete(name.slice("dist/".length));
	const needed = neededAtStart(made.metafile, main);
	let html = readFileSync(path.join(src, "index.html"), "utf8")
		.replaceAll("{{main.js}}", main).replaceAll("{{main.css}}", styles.main).replaceAll("{{icon.svg}}", icon)
		.replaceAll("{{icons.svg}}", icons)
		.replaceAll("{{preload}}", needed.filter((n) => n !== main).map((n) => `<link rel="modulepreload" href="${n}">`).join("\n"));
	const version = hash(Buffer.concat([...files.keys()].sort().map((k) => Buffer.from(k)))).slice(0, 12);
	html = html.replaceAll("{{version}}", version);
	files.set("index.html", Buffer.from(html));
	const worker = await esbuild.build({ ...common, entryPoints: [path.join(src, "sw.ts")], format: "iife",
		define: { __VERSION__: JSON.stringify(version), __FILES__: JSON.stringify([...needed, styles.main]) } });
	files.set("sw.js", Buffer.from(worker.outputFiles[0].contents));
	const list = [...files.keys()].sort().map((name) => `${name} ${hash(files.get(name))}\n`).join("");
	files.set("assets.txt", Buffer.from(list));
	return { files, metafile: made.metafile, needed, styles, icons };
}

/** The entry and all that it imports outright. */
function neededAtStart(metafile, main) {
	const seen = new Set(), left = ["dist" + main];
	while (left.length) {
		const name = left.pop();
		if (seen.has(name))
			continue;
		seen.add(name);
		for (const i of metafile.outputs[name].imports)
			if (i.kind === "import-statement")
				left.push(i.path);
	}
	return [...seen].sort().map((n) => n.slice("dist".length));
}

function licenceText() {
	let text = "";
	for (const name of PACKAGES) {
		const where = path.join(top, "node_modules", name);
		const about = JSON.parse(readFileSync(path.join(where, "package.json"), "utf8"));
		const file = readdirSync(where).filter((f) => /^licen[cs]e/i.test(f)).sort()[0];
		text += `${name} ${about.version} (${about.license})\n\n${file ? readFileSync(path.join(where, file), "utf8").trim() : ""}\n\n\n`;
	}
	return text;
}

export function write(out, files) {
	rmSync(out, { recursive: true, force: true });
	for (const [name, octets] of files) {
		mkdirSync(path.dirname(path.join(out, name)), { recursive: true });
		writeFileSync(path.join(out, name), octets);
	}
}

function newest(dir) {
	let at = 0;
	for (const f of readdirSync(dir, { withFileTypes: true })) {
		const where = path.join(dir, f.name);
		at = Math.max(at, f.isDirectory() ? newest(where) : statSync(where).mtimeMs);
	}
	return at;
}

async function watch(out) {
	for (let seen = 0; ; await new Promise((r) => setTimeout(r, 500))) {
		const at = newest(src);
		if (at === seen)
			continue;
		seen = at;
		try {
			write(out, (await build()).files);
			console.log("built", new Date().toLocaleTimeString());
		} catch (e) {
			console.error(String(e.message));
		}
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const at = process.argv.indexOf("--out");
	const out = at > 0 ? path.resolve(process.argv[at + 1]) : path.join(top, "dist");
	if (process.argv.includes("--watch"))
		await watch(out);
	else
		write(out, (await build()).files);
}
