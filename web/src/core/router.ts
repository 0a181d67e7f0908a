// The address line is the state: what is shown can be linked to, opened in another tab, gone back from.
//
//	/mail/inbox            a folder, by role, or by id (F12)
//	/mail/inbox/T123       a conversation in it
//	/mail/search?q=…       what was found; /mail/search/T123?q=…
//	/mail/label/work       a label's messages
//	/mail/@A7/F12/T123     the same in another account, whose mailboxes its owner shares
//	/trace/M9              the way of a message; also /mail/inbox/T123/trace/M9
//	/settings/general

import { signal } from "@preact/signals-core";

export type Route =
	| { page: "mail"; /** None: one's own. */ account?: string; folder: string; label?: string; query?: string; threadId?: string; traceId?: string }
	| { page: "settings"; section: string }
	| { page: "trace"; id: string }
	| { page: "none" };

export function parseRoute(path: string, search: string): Route {
	let parts: string[];
	try {
		parts = path.split("/").filter(Boolean).map(decodeURIComponent);
	} catch {
		return { page: "none" };
	}
	const [first, ...rest] = parts;
	if (first === "settings")
		return { page: "settings", section: rest[0] ?? "" };
	if (first === "trace")
		return { page: "trace", id: rest[0] ?? "" };
	if (first !== "mail" && first !== undefined)
		return { page: "none" };
	const account = rest[0]?.startsWith("@") ? rest.shift()!.slice(1) : undefined;
	const folder = rest[0] ?? (account ? "" : "inbox");
	const route: Route = { page: "mail", ...(account ? { account } : {}), folder };
	let at = 1;
	if (folder === "search")
		route.query = new URLSearchParams(search).get("q") ?? "";
	if (folder === "label")
		route.label = rest[at++] ?? "";
	if (rest[at])
		route.threadId = rest[at];
	if (rest[at + 1] === "trace" && rest[at + 2])
		route.traceId = rest[at + 2];
	return route;
}

export function formatRoute(r: Route): string {
	const put = encodeURIComponent;
	switch (r.page) {
	case "settings":
		return "/settings" + (r.section ? "/" + put(r.section) : "");
	case "trace":
		return "/trace/" + put(r.id);
	case "none":
		return "/mail/inbox";
	case "mail": {
		let path = "/mail/" + (r.account ? "@" + put(r.account) + (r.folder ? "/" : "") : "") + put(r.folder);
		if (r.folder === "label")
			path += "/" + put(r.label ?? "");
		if (r.threadId)
			path += "/" + put(r.threadId);
		if (r.threadId && r.traceId)
			path += "/trace/" + put(r.traceId);
		return r.folder === "search" ? path + "?q=" + put(r.query ?? "") : path;
	}
	}
}

export const route = signal<Route>({ page: "none" });

function read() {
	route.value = parseRoute(location.pathname, location.search);
}

export function startRouter() {
	read();
	addEventListener("popstate", read);
	// links of ours change the page without loading it anew; what asks for another tab gets one
	document.addEventListener("click", (e) => {
		if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey)
			return;
		const a = (e.target as Element | null)?.closest?.("a[href]") as HTMLAnchorElement | null;
		if (!a || a.target || a.download || a.origin !== location.origin || !/^\/(mail|settings|trace)(\/|$)/.test(a.pathname))
			return;
		e.preventDefault();
		go(a.pathname + a.search);
	});
}

export function go(to: Route | string, replace = false) {
	const url = typeof to === "string" ? to : formatRoute(to);
	if (url !== location.pathname + location.search)
		history[replace ? "replaceState" : "pushState"]({ ours: true }, "", url);
	read();
}

/** Back, if it was this page that brought us here; else to `otherwise`. */
export function back(otherwise: Route) {
	if ((history.state as { ours?: boolean } | null)?.ours)
		history.back();
	else
		go(otherwise, true);
}
