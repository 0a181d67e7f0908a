/* Names that are made to look like others. */

const decodePunycode = (input: string): string | null => {
	/* RFC 3492 section 6.2 */
	const out: number[] = [];
	const dash = input.lastIndexOf("-");
	for (let i = 0; i < Math.max(dash, 0); i++)
		out.push(input.charCodeAt(i));
	let n = 128, i = 0, bias = 72;
	for (let at = dash >= 0 ? dash + 1 : 0; at < input.length; ) {
		const old = i;
		for (let w = 1, k = 36; ; k += 36) {
			if (at >= input.length)
				return null;
			const c = input.charCodeAt(at++);
			const digit = c >= 48 && c < 58 ? c - 22 : c >= 97 && c < 123 ? c - 97 : c >= 65 && c < 91 ? c - 65 : 36;
			if (digit >= 36)
				return null;
			i += digit * w;
			const t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
			if (digit < t)
				break;
			w *= 36 - t;
			if (w > 0x7fffffff || i > 0x7fffffff)
				return null;
		}
		const count = out.length + 1;
		let delta = old === 0 ? Math.floor((i - old) / 700) : (i - old) >> 1;
		delta += Math.floor(delta / count);
		let k = 0;
		for (; delta > 455; k += 36)
			delta = Math.floor(delta / 35);
		bias = k + Math.floor((36 * delta) / (delta + 38));
		n += Math.floor(i / count);
		i %= count;
		if (n > 0x10ffff || (n >= 0xd800 && n < 0xe000))
			return null;
		out.splice(i++, 0, n);
	}
	return String.fromCodePoint(...out);
};

/** A host as people would read it; null where it has no foreign letters. */
export function unicodeHost(host: string): string | null {
	const ascii = host.toLowerCase();
	if (!ascii.split(".").some((l) => l.startsWith("xn--")))
		return /[^\x00-\x7f]/.test(host) ? host : null;
	const labels = ascii.split(".").map((l) => (l.startsWith("xn--") ? decodePunycode(l.slice(4)) ?? l : l));
	return labels.join(".");
}

/* Letters of other scripts that look like Latin ones (the common ones of Unicode's list of confusables). */
const TWINS: Record<string, string> = {
	а: "a", в: "b", е: "e", ё: "e", ѕ: "s", і: "i", ї: "i", ј: "j", к: "k", ӏ: "l", м: "m", н: "h", о: "o", р: "p", с: "c", ԁ: "d",
	ԛ: "q", т: "t", у: "y", ԝ: "w", х: "x", ь: "b", г: "r", ո: "n", ս: "u", օ: "o", ա: "w", զ: "q", ց: "g", հ: "h", յ: "j",
	α: "a", β: "b", γ: "y", ε: "e", ι: "i", κ: "k", ν: "v", ο: "o", ρ: "p", τ: "t", υ: "u", χ: "x", η: "n", ω: "w",
	ɑ: "a", ɡ: "g", ı: "i", ɩ: "i", ʟ: "l", ո̇: "n", ß: "b", þ: "p", ø: "o", đ: "d", ħ: "h", ł: "l", ŧ: "t", ƅ: "b", ᴏ: "o",
};

/** What it looks like at first sight. */
export function skeleton(text: string): string {
	let out = "";
	for (const ch of text.toLowerCase().normalize("NFD")) {
		if (/\p{Mn}|\p{Cf}/u.test(ch))
			continue;
		out += TWINS[ch] ?? ch;
	}
	return out.replace(/rn/g, "m").replace(/vv/g, "w").replace(/[0]/g, "o").replace(/[1|]/g, "l");
}

const SCRIPTS: [string, RegExp][] = [
	["latin", /\p{Script=Latin}/u], ["cyrillic", /\p{Script=Cyrillic}/u], ["greek", /\p{Script=Greek}/u],
	["armenian", /\p{Script=Armenian}/u], ["cherokee", /\p{Script=Cherokee}/u],
];

/** Is a host made to be taken for another one? Letters of several alphabets in one label, or a label of foreign
 * letters that all look like Latin ones. Honest names in one script are not. */
export function isLookalikeHost(host: string): boolean {
	const shown = unicodeHost(host);
	if (!shown)
		return false;
	for (const label of shown.split(".")) {
		if (/^[\x00-\x7f]*$/.test(label))
			continue;
		const scripts = SCRIPTS.filter(([, re]) => re.test(label)).length;
		if (scripts > 1)
			return true;
		const looks = skeleton(label);
		if (!/\p{Script=Latin}/u.test(label) && /^[a-z0-9-]+$/.test(looks))
			return true;
	}
	return false;
}

/** The part of a host that somebody owns, roughly: the last two labels, three below well-known second levels. */
export function siteOf(host: string): string {
	const labels = host.toLowerCase().replace(/\.$/, "").split(".");
	if (/^\d+$/.test(labels[labels.length - 1] ?? "") || host.includes(":"))
		return host.toLowerCase();
	const second = labels[labels.length - 2] ?? "";
	const isPublic = labels.length > 2 && (labels[labels.length - 1] ?? "").length === 2 && /^(co|com|org|net|gov|edu|ac|or|ne|go|gob|gouv|mil|id|govt)$/.test(second);
	return labels.slice(isPublic ? -3 : -2).join(".");
}

/** Does a link's text name another site than the one it leads to? The site it leads to, or null. */
export function linkMismatch(text: string, href: string): { shown: string; real: string } | null {
	let url: URL;
	try {
		url = new URL(href);
	} catch {
		return null;
	}
	if (url.protocol !== "http:" && url.protocol !== "https:")
		return null;
	const plain = text.replace(/[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, "");
	const told = /^\s*(?:https?:\/\/)?((?:[\p{L}\p{N}-]+\.)+[\p{L}]{2,}|\d{1,3}(?:\.\d{1,3}){3})(?::\d+)?(?:[/?#]\S*)?[\s.]*$/iu.exec(plain);
	if (!told)
		return null;
	let shown: string;
	try {
		shown = new URL("http://" + told[1]!).hostname;
	} catch {
		return null;
	}
	/* "report.pdf" and "Node.js" are no sites */
	if (!/^\s*https?:/i.test(plain) && /\.(pdf|docx?|xlsx?|pptx?|zip|txt|html?|png|jpe?g|gif|csv|js|ts|py|md|rs|sh)\.?$/i.test(told[1]!))
		return null;
	if (siteOf(shown) === siteOf(url.hostname))
		return null;
	return { shown: told[1]!, real: url.hostname };
}
