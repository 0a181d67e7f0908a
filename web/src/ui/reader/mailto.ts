// "mailto:" (RFC 6068) starts a letter here.

import { parseAddresses } from "../../core/address";
import { openComposer } from "../compose/compose";

export function mailto(href: string): void {
	const m = /^mailto:([^?#]*)(?:\?([^#]*))?/i.exec(href);
	if (!m)
		return;
	const decode = (text: string): string => {
		try {
			return decodeURIComponent(text);
		} catch {
			return text;
		}
	};
	const fields: Record<string, string> = {};
	for (const pair of (m[2] ?? "").split("&")) {
		const at = pair.indexOf("=");
		if (at > 0)
			fields[decode(pair.slice(0, at)).toLowerCase()] = decode(pair.slice(at + 1));
	}
	const people = (text: string | undefined) => (text ? parseAddresses(text) : []);
	const to = (m[1] ?? "").split(",").map(decode).join(", ");
	// what else such a link may ask for (attachments, other fields) is not done
	openComposer({ kind: "new", to: [...people(to), ...people(fields.to)], cc: people(fields.cc), bcc: people(fields.bcc),
		subject: fields.subject?.replace(/[\r\n]+/g, " "), text: fields.body?.replace(/\r\n/g, "\n") });
}
