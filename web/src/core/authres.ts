/* What this server found out about a message's sender: its own Authentication-Results (RFC 8601). Anybody can write
 * such a field into a message. Ours stands above the first Received, which this server writes at arrival; so one
 * that stands lower was in the message before it came and is not looked at, whatever name it gives itself. */

export interface RawField {
	name: string;
	value: string;
}
export interface Method {
	method: string; /* "spf", "dkim", "dmarc", "arc", "iprev" */
	result: string; /* "pass", "fail", … */
	props: Record<string, string>; /* "header.d": "example.org" */
}
export type Verdict =
	| { kind: "pass"; domain: string; by: string[] } /* by: "DKIM", "SPF", "DMARC" */
	| { kind: "fail"; domain: string } /* the domain's own policy says: not from here */
	| { kind: "none"; domain: string } /* checked, nothing proves the sender */
	| { kind: "unknown" }; /* not checked here */

interface Token {
	kind: "word" | "string" | "mark";
	text: string;
}

/* Words, quoted strings and = ; / with comments and folding left out (RFC 8601 section 2.2). */
function tokensOf(value: string): Token[] {
	const out: Token[] = [];
	let i = 0;
	while (i < value.length) {
		const ch = value[i]!;
		if (/\s/.test(ch)) {
			i++;
		} else if (ch === "(") {
			i = endOfComment(value, i);
		} else if (ch === '"') {
			let text = "";
			for (i++; i < value.length && value[i] !== '"'; i++) {
				if (value[i] === "\\")
					i++;
				text += value[i] ?? "";
			}
			i++;
			out.push({ kind: "string", text });
		} else if (ch === ";" || ch === "=") {
			out.push({ kind: "mark", text: ch });
			i++;
		} else {
			const m = /^[^\s()";=]+/.exec(value.slice(i))!;
			out.push({ kind: "word", text: m[0] });
			i += m[0].length;
		}
	}
	return out;
}

function endOfComment(value: string, from: number): number {
	let depth = 0;
	let i = from;
	for (; i < value.length; i++) {
		if (value[i] === "\\")
			i++;
		else if (value[i] === "(")
			depth++;
		else if (value[i] === ")" && --depth === 0)
			return i + 1;
	}
	return i;
}

export function parseAuthenticationResults(value: string): { authservId: string; methods: Method[] } | null {
	const tokens = tokensOf(value);
	const first = tokens[0];
	if (!first || first.kind === "mark")
		return null;
	const methods: Method[] = [];
	let current: Method | null = null;
	for (let i = 1; i < tokens.length; i++) {
		const t = tokens[i]!;
		if (t.kind === "mark") {
			if (t.text === ";")
				current = null;
			continue;
		}
		if (tokens[i + 1]?.text !== "=" || tokens[i + 1]?.kind !== "mark")
			continue;
		const val = tokens[i + 2];
		if (!val || val.kind === "mark")
			continue;
		const name = t.text.toLowerCase();
		if (!current) {
			current = { method: name.replace(/\/.*$/, ""), result: val.text.toLowerCase(), props: {} };
			methods.push(current);
		} else if (!(name in current.props)) {
			current.props[name] = val.text;
		}
		i += 2;
	}
	return { authservId: first.text.toLowerCase(), methods };
}

/** The methods that this server reports. `authservId`: its name. */
export function ownResults(fields: RawField[], authservId: string): Method[] {
	const own = authservId.toLowerCase().replace(/\.$/, "");
	const out: Method[] = [];
	if (!own)
		return out;
	for (const f of fields) {
		const name = f.name.toLowerCase();
		if (name === "received")
			break;
		if (name !== "authentication-results")
			continue;
		const parsed = parseAuthenticationResults(f.value);
		if (parsed && parsed.authservId.replace(/\.$/, "") === own)
			out.push(...parsed.methods);
	}
	return out;
}

const domainOf = (address: string): string => address.slice(address.lastIndexOf("@") + 1).toLowerCase();
/* Relaxed alignment without a list of public suffixes: the same domain, or one below the other. */
const isAligned = (a: string, b: string): boolean => a === b || a.endsWith("." + b) || b.endsWith("." + a);

/** What to tell about who wrote it. `from`: the address people see. */
export function verdictOf(methods: Method[], from: string): Verdict {
	const domain = domainOf(from);
	if (methods.length === 0 || !domain)
		return { kind: "unknown" };
	const by: string[] = [];
	const dmarc = methods.find((m) => m.method === "dmarc");
	for (const m of methods) {
		if (m.method === "dkim" && m.result === "pass") {
			const d = (m.props["header.d"] ?? domainOf(m.props["header.i"] ?? "")).toLowerCase();
			if (d.includes(".") && isAligned(d, domain) && !by.includes("DKIM"))
				by.push("DKIM");
		} else if (m.method === "spf" && m.result === "pass") {
			const d = domainOf(m.props["smtp.mailfrom"] ?? "");
			if (d.includes(".") && isAligned(d, domain) && !by.includes("SPF"))
				by.push("SPF");
		}
	}
	if (dmarc?.result === "fail")
		return { kind: "fail", domain };
	if (dmarc?.result === "pass")
		return { kind: "pass", domain, by: [...by, "DMARC"] };
	return by.includes("DKIM") ? { kind: "pass", domain, by } : { kind: "none", domain };
}
