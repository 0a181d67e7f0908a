// Writes the corpus as messages, to be tried in other programs: node make.mjs DIR [HOST]
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { cases } from "./cases.mjs";
import { message } from "./message.mjs";

const [dir = "corpus", host = "evil.test:80"] = process.argv.slice(2);
mkdirSync(dir, { recursive: true });
const all = cases(host);
all.forEach((c, i) => writeFileSync(path.join(dir, String(i).padStart(3, "0") + "-" + c.name.replace(/[^a-z0-9]+/gi, "-") + ".eml"), message(c, i), "latin1"));
console.log(`${all.length} messages in ${dir}`);
