// The JMAP client: calls made in one turn of the event loop travel in one request; at most two requests are under
// way; uploads tell their progress. It knows nothing of what the calls mean.
//
//	const query = jmap.call<QueryResponse>("Email/query", { filter, limit: 50 });
//	const list = jmap.call<GetResponse<Email>>("Email/get", { "#ids": query.ref("/ids"), properties });
//	(await list).list
//
// accountId is put in where it is missing. A call whose method failed rejects with MethodError; the network's
// failures are NetworkError (ask again later); the session's end is SessionEnded and the event `onEnd`.

import { signal } from "@preact/signals-core";
import { easeWords } from "./loose_words";
import type { Email, Id, Session } from "./types";

export const CAPABILITIES = {
	core: "urn:ietf:params:jmap:core",
	mail: "urn:ietf:params:jmap:mail",
	submission: "urn:ietf:params:jmap:submission",
	vacation: "urn:ietf:params:jmap:vacationresponse",
	quota: "urn:ietf:params:jmap:quota",
	blob: "urn:ietf:params:jmap:blob",
	trace: "https://yizhan.dev/jmap/trace",
	page: "https://yizhan.dev/jmap/page",
} as const;
export const REQUESTS_AT_ONCE = 2;
const BUSY_MS = 250; // other tabs have all requests that an account may have at once
const BUSY_TIMES = 12;
const WAIT_MAX_MS = 30_000; // longer than that is told as a network that fails
const SPARE_CALLS = 16; // when the session does not say how many fit into a request

export class MethodError extends Error {
	constructor(readonly type: string, readonly details: Record<string, unknown>) {
		super(`${type}: ${details.description ?? ""}`);
	}
}
export class NetworkError extends Error {
	/** The server says that it is of no use to ask again sooner. */
	constructor(message?: string, readonly afterMs = 0) {
		super(message);
	}
}
/** Nothing of the request was done: the same again, a moment later. */
class BusyError extends NetworkError {}
export class RequestError extends Error {
	constructor(readonly status: number, readonly type: string) {
		super(`${status} ${type}`);
	}
}
export class SessionEnded extends Error {}

export interface ResultRef { resultOf: string; name: string; path: string }
export interface Call<T> extends Promise<T> {
	/** For another call of the same turn: what stands at `path` in this one's answer. */
	ref(path: string): ResultRef;
}
interface Pending {
	id: string;
	method: string;
	args: Record<string, unknown>;
	resolve(v: unknown): void;
	reject(e: unknown): void;
}
export interface Upload {
	done: Promise<{ blobId: Id; type: string; size: number }>;
	cancel(): void;
}
export interface JmapOptions {
	fetch?: typeof fetch;
	/** The session's address. */
	url?: string;
}

/** What Retry-After says (RFC 9110 section 10.2.3: seconds, or a date); 0: nothing. */
export function retryAfterMs(field: string | null, now = Date.now()): number {
	const said = field?.trim() ?? "";
	const ms = /^\d+$/.test(said) ? Number(said) * 1000 : Date.parse(said) - now;
	return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}
/** 429, and 503 with a time, say that nothing was done; other failures of gateways leave that open. */
function refusal(status: number, field: string | null): NetworkError {
	const ms = retryAfterMs(field), text = `the server answered ${status}`;
	return (status === 429 || (status === 503 && field)) && ms <= WAIT_MAX_MS ? new BusyError(text, Math.max(ms, BUSY_MS)) : new NetworkError(text, ms);
}
function isBusy(problem: { type?: string; limit?: string }): boolean {
	return problem.type === "urn:ietf:params:jmap:error:limit" && (problem.limit === "maxConcurrentRequests" || problem.limit === "maxConcurrentUpload");
}
function parsed(text: string): { type?: string; limit?: string } {
	try {
		return JSON.parse(text) as { type?: string };
	} catch {
		return {};
	}
}

export class Jmap {
	readonly session = signal<Session | null>(null);
	/** Called once for each end of the login: the page asks for the password on top of what is there. */
	onEnd: () => void = () => {};
	/** Called when the session object has changed while we were working (RFC 8620 section 3.4). */
	onSessionChange: () => void = () => {};
	#fetch: typeof fetch;
	#url: string;
	#waiting: Pending[] = [];
	#isScheduled = false;
	#underWay = 0;
	#count = 0;
	#isEnded = false;
	#busyTimes = 0;
	#isResting = false; // the server has asked for a while of silence

	constructor(options: JmapOptions = {}) {
		this.#fetch = options.fetch ?? ((...a) => fetch(...a));
		this.#url = options.url ?? "/jmap/session";
	}

	/** Ask who we are. Also after a new login: waiting calls go on then. */
	async start(): Promise<Session> {
		let answer: Response;
		try {
			answer = await this.#fetch(this.#url, { credentials: "same-origin", headers: { Accept: "application/json" } });
		} catch (e) {
			throw new NetworkError(String(e));
		}
		if (answer.status === 401)
			throw new SessionEnded();
		if (!answer.ok)
			throw new RequestError(answer.status, "session");
		const session = await answer.json() as Session;
		this.session.value = session;
		this.#isEnded = false;
		this.#schedule();
		return session;
	}

	get accountId(): Id {
		const s = this.session.value;
		return s?.primaryAccounts[CAPABILITIES.mail] ?? Object.keys(s?.accounts ?? {})[0] ?? "";
	}
	has(capability: keyof typeof CAPABILITIES): boolean {
		return CAPABILITIES[capability] in (this.session.value?.capabilities ?? {});
	}
	limit(name: string, otherwise: number): number {
		const v = this.session.value?.capabilities[CAPABILITIES.core]?.[name];
		return typeof v === "number" ? v : otherwise;
	}

	call<T = Record<string, unknown>>(method: string, args: Record<string, unknown> = {}): Call<T> {
		const id = "c" + this.#count++;
		const promise = new Promise<unknown>((resolve, reject) => {
			this.#waiting.push({ id, method, args, resolve, reject });
		}) as Call<T>;
		promise.catch(() => {}); // who made it for its reference alone hears of the failure from the other call
		promise.ref = (path) => ({ resultOf: id, name: method, path });
		this.#schedule();
		return promise;
	}

	#schedule() {
		if (this.#isScheduled)
			return;
		this.#isScheduled = true;
		queueMicrotask(() => {
			this.#isScheduled = false;
			this.#send();
		});
	}

	#send() {
		while (this.#waiting.length && this.#underWay < REQUESTS_AT_ONCE && !this.#isEnded && !this.#isResting && this.session.value)
			void this.#request(this.#take());
	}

	/** The calls of the next request: as many as the server takes, never cut between a call and one that refers to it. */
	#take(): Pending[] {
		const max = Math.max(1, this.limit("maxCallsInRequest", SPARE_CALLS));
		if (this.#waiting.length <= max)
			return this.#waiting.splice(0);
		const ids = new Set(this.#waiting.slice(0, max).map((c) => c.id));
		let cut = max;
		const refers = (c: Pending, at: number) => Object.values(c.args).some((v) => {
			const from = (v as ResultRef | null)?.resultOf;
			return from !== undefined && ids.has(from) && this.#waiting.findIndex((w) => w.id === from) < at;
		});
		while (cut > 1 && this.#waiting.slice(cut).some((c) => refers(c, cut)))
			cut--;
		return this.#waiting.splice(0, cut > 1 ? cut : max);
	}

	async #request(calls: Pending[]) {
		this.#underWay++;
		try {
			const answers = await this.#post(calls);
			this.#busyTimes = 0;
			for (const c of calls) {
				const a = answers.find((x) => x[2] === c.id && (x[0] === c.method || x[0] === "error"));
				if (!a)
					c.reject(new RequestError(200, "no answer to " + c.method));
				else if (a[0] === "error")
					c.reject(new MethodError(String(a[1].type), a[1]));
				else
					c.resolve(a[1]);
			}
		} catch (e) {
			if (e instanceof SessionEnded) {
				// they wait for the next login: nothing is lost
				this.#waiting.unshift(...calls);
				this.#end();
			} else if (e instanceof BusyError && ++this.#busyTimes <= BUSY_TIMES) {
				this.#waiting.unshift(...calls);
				this.#rest(e.afterMs);
			} else {
				for (const c of calls)
					c.reject(e);
			}
		} finally {
			this.#underWay--;
			this.#send();
		}
	}

	#rest(ms: number) {
		this.#isResting = true;
		setTimeout(() => {
			this.#isResting = false;
			this.#send();
		}, ms);
	}

	async #post(calls: Pending[]): Promise<[string, Record<string, unknown>, string][]> {
		const session = this.session.value!;
		const body = JSON.stringify({
			using: Object.values(CAPABILITIES).filter((c) => c in session.capabilities),
			methodCalls: calls.map((c) => [c.method, c.method === "Core/echo" || "accountId" in c.args ? c.args
				: { accountId: this.accountId, ...c.args }, c.id]),
		});
		let answer: Response;
		try {
			answer = await this.#fetch(session.apiUrl, { method: "POST", credentials: "same-origin", body,
				headers: { "Content-Type": "application/json", Accept: "application/json", "X-Yizhan": "1" } });
		} catch (e) {
			throw new NetworkError(String(e));
		}
		if (answer.status === 401)
			throw new SessionEnded();
		if (answer.status === 429 || answer.status === 502 || answer.status === 503 || answer.status === 504)
			throw refusal(answer.status, answer.headers.get("Retry-After"));
		if (!answer.ok) {
			const problem = await answer.json().catch(() => ({})) as { type?: string; limit?: string };
			if (isBusy(problem))
				throw new BusyError("busy", BUSY_MS * (1 + Math.random()));
			throw new RequestError(answer.status, problem.type ?? "");
		}
		let json: { methodResponses: [string, Record<string, unknown>, string][]; sessionState?: string };
		try {
			json = await answer.json();
		} catch (e) {
			throw new NetworkError(String(e)); // cut off on the way
		}
		if (json.sessionState && json.sessionState !== session.state && session === this.session.value)
			this.onSessionChange();
		for (const [name, got] of json.methodResponses)
			if (name === "Email/get" || name === "Email/parse")
				for (const email of Object.values((got.list ?? got.parsed ?? {}) as Record<string, Partial<Email>>))
					easeWords(email);
		return json.methodResponses;
	}

	#end() {
		if (this.#isEnded)
			return;
		this.#isEnded = true;
		this.onEnd();
	}
	/** Somebody else saw a 401. */
	ended() {
		this.#end();
	}

	// ---- octets ----

	downloadUrl(blobId: Id, name: string, type: string, accountId = this.accountId): string {
		const put: Record<string, string> = { accountId, blobId, name, type };
		return (this.session.value?.downloadUrl ?? "")
			.replace(/\{(\w+)\}/g, (_, k: string) => encodeURIComponent(put[k] ?? ""));
	}

	/** Send octets up. `done` rejects with NetworkError (try again), RequestError, or AbortError after cancel(). */
	upload(body: Blob, onProgress?: (sent: number, total: number) => void, type = body.type, accountId = this.accountId): Upload {
		const xhr = new XMLHttpRequest(); // fetch tells no progress
		const done = new Promise<{ blobId: Id; type: string; size: number }>((resolve, reject) => {
			xhr.open("POST", (this.session.value?.uploadUrl ?? "").replace("{accountId}", encodeURIComponent(accountId)));
			xhr.setRequestHeader("Content-Type", type || "application/octet-stream");
			xhr.setRequestHeader("X-Yizhan", "1");
			xhr.upload.onprogress = (e) => onProgress?.(e.loaded, e.total);
			xhr.onerror = () => reject(new NetworkError("upload"));
			xhr.onabort = () => reject(new DOMException("canceled", "AbortError"));
			xhr.onload = () => {
				if (xhr.status === 401) {
					this.#end();
					reject(new SessionEnded());
				} else if (xhr.status < 200 || xhr.status > 299) {
					reject(xhr.status >= 502 || xhr.status === 429 || isBusy(parsed(xhr.responseText))
						? new NetworkError("upload", retryAfterMs(xhr.getResponseHeader("Retry-After"))) : new RequestError(xhr.status, "upload"));
				} else {
					try {
						resolve(JSON.parse(xhr.responseText));
					} catch {
						reject(new NetworkError("upload"));
					}
				}
			};
			xhr.send(body);
		});
		return { done, cancel: () => xhr.abort() };
	}
}
