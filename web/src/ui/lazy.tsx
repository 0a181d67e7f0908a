// Rooms that come when they are opened: code, style sheet and words together.

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ready, t } from "../core/i18n";
import { isNewVersion } from "./app";
import { Button, Spinner } from "./kit/kit";

declare const __STYLES__: string; // JSON: names of style sheets by room

const names = JSON.parse(__STYLES__) as Record<string, string>;
const styles = new Map<string, Promise<void>>();
function loadStyle(name: string): Promise<void> {
	const href = names[name];
	if (!href)
		return Promise.resolve();
	let done = styles.get(name);
	if (!done) {
		done = new Promise((ok, bad) => {
			const link = document.createElement("link");
			link.rel = "stylesheet";
			link.href = href;
			link.onload = () => ok();
			link.onerror = () => {
				styles.delete(name);
				link.remove();
				bad(new Error(href));
			};
			document.head.append(link);
		});
		styles.set(name, done);
	}
	return done;
}

/** The code of a room, its style sheet `styles[name]`, and its catalogue. */
export async function loadRoom<T>(name: string, load: () => Promise<T>): Promise<T> {
	try {
		const [room] = await Promise.all([load(), loadStyle(name)]);
		await ready();
		return room;
	} catch (e) {
		// where the server answers, files of another version are not there any more
		fetch("/healthz", { cache: "no-store" }).then((r) => { isNewVersion.value ||= r.ok; }, () => {});
		throw e;
	}
}

/** A component that is fetched when it is first shown, or before, by fetch(), which may fail in silence. */
export function lazy<P extends object>(name: string, load: () => Promise<ComponentType<P>>): ComponentType<P> & { fetch: () => void } {
	let found: ComponentType<P> | null = null;
	function Lazy(props: P) {
		const [state, setState] = useState<"waiting" | "there" | "failed">(found ? "there" : "waiting");
		useEffect(() => {
			if (state !== "waiting")
				return;
			loadRoom(name, load).then((c) => {
				found = c;
				setState("there");
			}, () => setState("failed"));
		}, [state]);
		if (found) {
			const Found = found;
			return <Found {...props} />;
		}
		if (state === "failed")
			return (
				<div class="loading" role="alert">
					<span>{t("shell.roomFailed")}</span>
					<Button label={t("shell.tryAgain")} onClick={() => setState("waiting")} />
				</div>
			);
		return <Spinner />;
	}
	return Object.assign(Lazy, { fetch: () => void loadRoom(name, load).then((c) => { found = c; }, () => {}) });
}
