// Password, second factor, app passwords, sessions, who logged in.

import { signal } from "@preact/signals";
import { useEffect, useId } from "preact/hooks";
import { fullDate, relativeTime } from "../../core/dates";
import { locale, t } from "../../core/i18n";
import { MethodError } from "../../core/jmap";
import type { GetResponse, QueryResponse, SetResponse } from "../../core/types";
import { jmap, push } from "../app";
import { Button, Dialog, Icon, Spinner, confirmDialog, toast } from "../kit/kit";
import { QrCode } from "./QrCode";
import { Group, Page } from "./parts";

interface WebSession { id: string; createdAt: string; usedAt: string; peer: string; agent: string; isCurrent: boolean }
interface AppPassword { id: string; name: string; scopes: string[]; networks: string[] | null; createdAt: string; expiresAt: string | null; usedAt: string | null; usedFrom: string | null }
interface TwoFactor { id: string; isOn: boolean; isBegun: boolean; since: string | null; recoveryCodesLeft: number }
interface LoginEvent { id: string; at: string; isGood: boolean; protocol: string; mechanism: string; peer: string; agent: string; reason: string }

interface Facts { sessions: WebSession[]; apps: AppPassword[]; second: TwoFactor | null; events: LoginEvent[] }
const facts = signal<Facts | null>(null);
const isBroken = signal(false);

async function load(): Promise<void> {
	try {
		const sessions = jmap.call<GetResponse<WebSession>>("Session/get", { ids: null }), apps = jmap.call<GetResponse<AppPassword>>("AppPassword/get", { ids: null });
		const second = jmap.call<GetResponse<TwoFactor>>("TwoFactor/get", { ids: null });
		const query = jmap.call<QueryResponse>("LoginEvent/query", { limit: 30 });
		const events = jmap.call<GetResponse<LoginEvent>>("LoginEvent/get", { "#ids": query.ref("/ids") });
		facts.value = { sessions: (await sessions).list, apps: (await apps).list, second: (await second).list[0] ?? null,
			events: (await events).list.sort((a, b) => b.at.localeCompare(a.at)) };
		isBroken.value = false;
	} catch {
		isBroken.value = true;
	}
}

/** What a /set has to say of one object; throws words for people. */
async function set(method: string, args: Record<string, unknown>): Promise<SetResponse> {
	const r = await jmap.call<SetResponse>(method, args);
	const bad = Object.values({ ...r.notCreated, ...r.notUpdated, ...r.notDestroyed })[0];
	if (bad)
		throw new Error(bad.type === "rateLimit" ? t("shell.tooMany") : bad.description ?? bad.type);
	return r;
}
function why(e: unknown): string {
	if (e instanceof MethodError)
		return e.type === "rateLimit" ? t("shell.tooMany") : typeof e.details.description === "string" ? e.details.description : e.type;
	return e instanceof Error ? e.message : String(e);
}

/** "Firefox on Linux", as far as a browser's long name tells. */
export function agentName(agent: string): string {
	const browser = /Firefox\//.test(agent) ? "Firefox" : /Edg\//.test(agent) ? "Edge" : /OPR\//.test(agent) ? "Opera" : /Chrome\//.test(agent) ? "Chrome" : /Safari\//.test(agent) ? "Safari" : "";
	const system = /Android/.test(agent) ? "Android" : /iPhone|iPad/.test(agent) ? "iOS" : /Windows/.test(agent) ? "Windows" : /Mac OS X/.test(agent) ? "macOS" : /Linux/.test(agent) ? "Linux" : "";
	return browser && system ? t("settings.agentOn", { browser, system }) : browser || agent.slice(0, 60) || t("settings.agentUnknown");
}

export function Security() {
	useEffect(() => {
		void load();
		const follow = (changed: Record<string, string>) => {
			if ("Session" in changed)
				void load();
		};
		push.listeners.add(follow);
		return () => { push.listeners.delete(follow); };
	}, []);
	const f = facts.value;
	return (
		<Page title={t("settings.security")}>
			{isBroken.value && <p class="bad-text" role="alert">{t("settings.failed")} <Button small label={t("shell.tryAgain")} onClick={() => void load()} /></p>}
			<Password />
			{!f ? !isBroken.value && <Spinner /> : (
				<>
					<Second second={f.second} />
					<Apps apps={f.apps} />
					<Sessions sessions={f.sessions} />
					<Events events={f.events} />
				</>
			)}
		</Page>
	);
}

function Password() {
	const [old, next, again] = [useId(), useId(), useId()];
	return (
		<Group title={t("settings.password")} hint={t("settings.passwordHint")}>
			<form class="settings-form" onSubmit={async (e) => {
				e.preventDefault();
				const form = e.currentTarget, said = Object.fromEntries(new FormData(form)) as Record<string, string>;
				if (said.next !== said.again)
					return void toast({ kind: "bad", text: t("settings.passwordDiffers") });
				try {
					await jmap.call("Password/change", { old: said.old, new: said.next });
					form.reset();
					toast({ text: t("settings.passwordChanged") });
				} catch (x) {
					toast({ kind: "bad", text: why(x) });
				}
			}}>
				<input class="sr-only" type="text" name="user" autocomplete="username" value={jmap.session.value?.username ?? ""} readOnly tabIndex={-1} aria-hidden />
				<div class="field"><label for={old}>{t("settings.passwordOld")}</label><input id={old} name="old" class="input" type="password" autocomplete="current-password" required /></div>
				<div class="field"><label for={next}>{t("settings.passwordNew")}</label><input id={next} name="next" class="input" type="password" autocomplete="new-password" minLength={8} required /></div>
				<div class="field"><label for={again}>{t("settings.passwordAgain")}</label><input id={again} name="again" class="input" type="password" autocomplete="new-password" minLength={8} required /></div>
				<Button type="submit" label={t("settings.passwordChange")} />
			</form>
		</Group>
	);
}

type Step = { kind: "begin"; secret: string; url: string } | { kind: "codes"; codes: string[] } | { kind: "ask"; action: "off" | "renew" };
const step = signal<Step | null>(null);

async function second(args: Record<string, unknown>): Promise<Record<string, unknown> | null> {
	try {
		const r = await set("TwoFactor/set", { update: { singleton: args } });
		void load();
		return r.updated?.singleton ?? {};
	} catch (e) {
		toast({ kind: "bad", text: why(e) });
		return null;
	}
}

function Second({ second: s }: { second: TwoFactor | null }) {
	const begin = async () => {
		const r = await second({ action: "begin" });
		if (r)
			step.value = { kind: "begin", secret: String(r.secret), url: String(r.url) };
	};
	return (
		<Group title={t("settings.second")} hint={t("settings.secondHint")}>
			{s?.isOn ? (
				<>
					<p><Icon name="lock" /> {t("settings.secondOn")} · {t("settings.codesLeft", { n: s.recoveryCodesLeft })}</p>
					<div class="settings-row">
						<Button label={t("settings.codesRenew")} onClick={() => { step.value = { kind: "ask", action: "renew" }; }} />
						<Button kind="danger" label={t("settings.secondOff")} onClick={() => { step.value = { kind: "ask", action: "off" }; }} />
					</div>
				</>
			) : <Button label={t("settings.secondBegin")} onClick={() => void begin()} />}
			{step.value && <SecondDialog step={step.value} />}
		</Group>
	);
}

function SecondDialog({ step: s }: { step: Step }) {
	const id = useId();
	const end = () => { step.value = null; };
	if (s.kind === "codes")
		return (
			<Dialog title={t("settings.codes")} onClose={end} foot={<>
				<Button icon="copy" both label={t("settings.copy")} onClick={() => void navigator.clipboard?.writeText(s.codes.join("\n")).then(() => toast({ text: t("settings.copied") }))} />
				<Button kind="primary" label={t("settings.codesKept")} onClick={end} />
			</>}>
				<p>{t("settings.codesText")}</p>
				<ul class="codes">{s.codes.map((c) => <li key={c}><code>{c}</code></li>)}</ul>
			</Dialog>
		);
	const submit = async (e: Event & { currentTarget: HTMLFormElement }) => {
		e.preventDefault();
		const word = String(new FormData(e.currentTarget).get("word") ?? "");
		const r = await second(s.kind === "begin" ? { action: "confirm", code: word.replace(/\s/g, "") } : { action: s.action, password: word });
		if (!r)
			return;
		const codes = r.recoveryCodes as string[] | undefined;
		step.value = codes ? { kind: "codes", codes } : null;
	};
	return (
		<Dialog title={s.kind === "begin" ? t("settings.secondBegin") : s.action === "off" ? t("settings.secondOff") : t("settings.codesRenew")} onClose={end}>
			<form class="settings-form" onSubmit={submit}>
				{s.kind === "begin" && (
					<>
						<p>{t("settings.secondScan")}</p>
						<QrCode text={s.url} label={t("settings.secondScan")} />
						<p>{t("settings.secondType")} <code class="secret">{s.secret}</code></p>
					</>
				)}
				<div class="field">
					<label for={id}>{s.kind === "begin" ? t("settings.secondCode") : t("settings.passwordOld")}</label>
					<input id={id} name="word" class="input" autofocus required {...(s.kind === "begin" ? { inputMode: "numeric" as const, autocomplete: "one-time-code" }
						: { type: "password", autocomplete: "current-password" })} />
				</div>
				<div class="dialog-foot"><Button label={t("kit.cancel")} onClick={end} /><Button type="submit" kind="primary" label={t("settings.go")} /></div>
			</form>
		</Dialog>
	);
}

const SCOPES = ["imap", "submit", "pop3", "sieve", "web"] as const;
const isMaking = signal(false);
const made = signal<{ name: string; password: string } | null>(null);

/** Until when it is good, and from where. */
function bounds(a: AppPassword): string {
	const day = a.expiresAt && new Intl.DateTimeFormat(locale.value, { dateStyle: "medium" }).format(new Date(a.expiresAt));
	return [day && t(Date.parse(a.expiresAt!) < Date.now() ? "settings.appEnded" : "settings.appEnds", { day }),
		a.networks?.length && t("settings.appFrom", { networks: a.networks.join(", ") })].filter(Boolean).map((s) => ` · ${s}`).join("");
}

function Apps({ apps }: { apps: AppPassword[] }) {
	return (
		<Group title={t("settings.apps")} hint={t("settings.appsHint")}>
			<ul class="settings-list">
				{apps.map((a) => (
					<li key={a.id}>
						<Icon name="key" />
						<span class="grow"><strong dir="auto">{a.name}</strong><br /><span class="quiet">{a.scopes.map((s) => t(`settings.scope.${s}`)).join(", ")} · {a.usedAt
							? t("settings.usedAgo", { when: relativeTime(a.usedAt), from: a.usedFrom ?? "" }) : t("settings.neverUsed")}{bounds(a)}</span></span>
						<Button small kind="danger" label={t("settings.revoke")} onClick={async () => {
							if (!await confirmDialog(t("settings.revokeTitle", { what: a.name }), t("settings.revokeText"), t("settings.revoke"), true))
								return;
							await set("AppPassword/set", { destroy: [a.id] }).then(load, (e) => toast({ kind: "bad", text: why(e) }));
						}} />
					</li>
				))}
			</ul>
			<Button icon="plus" both label={t("settings.appNew")} onClick={() => { isMaking.value = true; }} />
			{isMaking.value && <NewApp />}
			{made.value && (
				<Dialog title={t("settings.appMade", { name: made.value.name })} onClose={() => { made.value = null; }} foot={<>
					<Button icon="copy" both label={t("settings.copy")} onClick={() => void navigator.clipboard?.writeText(made.value?.password ?? "").then(() => toast({ text: t("settings.copied") }))} />
					<Button kind="primary" label={t("kit.close")} onClick={() => { made.value = null; }} />
				</>}>
					<p>{t("settings.appOnce")}</p>
					<p><code class="secret big">{made.value.password}</code></p>
				</Dialog>
			)}
		</Group>
	);
}
function NewApp() {
	const name = useId(), nets = useId(), until = useId();
	const end = () => { isMaking.value = false; };
	return (
		<Dialog title={t("settings.appNew")} onClose={end}>
			<form class="settings-form" onSubmit={async (e) => {
				e.preventDefault();
				const d = new FormData(e.currentTarget);
				const networks = String(d.get("networks") ?? "").split(/[\s,]+/).filter(Boolean), day = String(d.get("until") ?? "");
				const scopes = d.getAll("scope").map(String);
				if (!scopes.length)
					return void toast({ kind: "bad", text: t("settings.scopeMissing") });
				try {
					const r = await set("AppPassword/set", { create: { n: { name: String(d.get("name")), scopes, ...(networks.length ? { networks } : {}),
						...(day ? { expiresAt: new Date(day + "T23:59:59").toISOString().replace(/\.\d+Z$/, "Z") } : {}) } } });
					made.value = { name: String(d.get("name")), password: String(r.created?.n?.password ?? "") };
					end();
					void load();
				} catch (x) {
					toast({ kind: "bad", text: why(x) });
				}
			}}>
				<div class="field"><label for={name}>{t("settings.appName")}</label><input id={name} name="name" class="input" autofocus required maxLength={100} dir="auto" /></div>
				<fieldset class="radios"><legend class="field-label">{t("settings.appFor")}</legend>
					{SCOPES.map((s) => <label class="check" key={s}><input type="checkbox" name="scope" value={s} defaultChecked={s === "imap" || s === "submit"} />{t(`settings.scope.${s}`)}</label>)}
				</fieldset>
				<div class="field"><label for={nets}>{t("settings.appNetworks")}</label><input id={nets} name="networks" class="input" placeholder="192.0.2.0/24" /></div>
				<div class="field"><label for={until}>{t("settings.appUntil")}</label><input id={until} name="until" class="input" type="date" /></div>
				<div class="dialog-foot"><Button label={t("kit.cancel")} onClick={end} /><Button type="submit" kind="primary" label={t("folders.create")} /></div>
			</form>
		</Dialog>
	);
}

function Sessions({ sessions }: { sessions: WebSession[] }) {
	const others = sessions.filter((s) => !s.isCurrent);
	const end = (ids: string[]) => void set("Session/set", { destroy: ids }).then(load, (e) => toast({ kind: "bad", text: why(e) }));
	return (
		<Group title={t("settings.sessions")}>
			<ul class="settings-list">
				{sessions.map((s) => (
					<li key={s.id}>
						<Icon name="globe" />
						<span class="grow"><strong>{agentName(s.agent)}</strong>{s.isCurrent && <span class="chip good">{t("settings.thisOne")}</span>}<br />
							<span class="quiet" title={fullDate(s.usedAt)}>{s.peer} · {relativeTime(s.usedAt)}</span></span>
						{!s.isCurrent && <Button small label={t("shell.signOut")} onClick={() => end([s.id])} />}
					</li>
				))}
			</ul>
			{others.length > 0 && <Button label={t("settings.endOthers")} onClick={() => end(others.map((s) => s.id))} />}
		</Group>
	);
}

function Events({ events }: { events: LoginEvent[] }) {
	return (
		<Group title={t("settings.logins")}>
			<div class="settings-scroll" tabIndex={0} role="region" aria-label={t("settings.logins")}>
				<table class="settings-table">
					<thead><tr><th scope="col">{t("settings.when")}</th><th scope="col">{t("settings.how")}</th><th scope="col">{t("settings.from")}</th><th scope="col">{t("settings.outcome")}</th></tr></thead>
					<tbody>
						{events.map((e) => (
							<tr key={e.id}><td title={fullDate(e.at)}>{relativeTime(e.at)}</td><td>{e.protocol} {e.mechanism}</td><td>{e.peer}{e.agent && <><br /><span class="quiet">{agentName(e.agent)}</span></>}</td>
								<td class={e.isGood ? "" : "bad-text"}>{e.isGood ? t("settings.good") : t("settings.bad", { why: e.reason })}</td></tr>
						))}
					</tbody>
				</table>
			</div>
		</Group>
	);
}
