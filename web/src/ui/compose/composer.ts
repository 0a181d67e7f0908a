// One letter that is being written: its state, its draft at the server, its copy in this browser. Views are in
// ComposerPanel.tsx; sending is in sending.ts.

import { type Signal, batch, effect, signal } from "@preact/signals";
import { addPeople } from "../../core/compose_address";
import { ownText } from "../../core/compose_checks";
import { type DraftEvent, type DraftState, draftState, draftStep, isDirty } from "../../core/compose_draft";
import { buildEmail, localDate, savedBy, uploadTexts } from "../../core/compose_email";
import { ImeGuard } from "../../core/compose_ime";
import { DraftTabs } from "../../core/compose_tabs";
import { LOCAL_PREFIX, type LocalCopy, dropLocal, keepLocal } from "../../core/compose_local";
import { htmlSignature, swapPlain } from "../../core/compose_signature";
import { type NodeLike, htmlOfText, textOf } from "../../core/compose_text";
import { type Attachment, type Identity, type Letter, type Person, emptyLetter } from "../../core/compose_types";
import type { EmailBodyPart, SetResponse } from "../../core/types";
import { jmap, mail, store } from "../app";
import { type ComposeInit, type Opened, closeComposer } from "./compose";
import type { Editor, EditorState } from "./editor";
import { newKey, openLetter } from "./opening";
import { cleanHtml, startSanitizer } from "./sanitize";
import { Uploads } from "./uploads";

export type View = "docked" | "small" | "full" | "tab";
export type Phase = "opening" | "ready" | "sending" | "unsure" | "failed" | "gone";
export type Problem = NonNullable<ComposeInit["problem"]>;
const LOCAL_AFTER_MS = 400;

export function randomId(): string {
	return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

export const sendText = async (text: Blob) => (await jmap.upload(text).done).blobId;

export class Composer {
	readonly number: number;
	instance = randomId();
	readonly letter = signal<Letter>(emptyLetter());
	readonly draft: Signal<DraftState> = signal(draftState(null));
	readonly phase = signal<Phase>("opening");
	readonly view: Signal<View>;
	readonly problem = signal<Problem | null>(null);
	readonly saveProblem = signal("");
	/** The same draft is open in another tab of this browser. */
	readonly isElsewhere = signal(false);
	readonly showsCc = signal(false);
	readonly showsBcc = signal(false);
	readonly format = signal<EditorState>({ active: new Set(), color: "", size: "" });
	readonly guard = new ImeGuard();
	readonly uploads = new Uploads((a) => this.#arrived(a));
	/** Moves when the text has to be put into the field anew. */
	readonly loads = signal(0);
	focus: "to" | "body" = "to";
	isLocalFull = false;
	#editor: Editor | null = null;
	#urls = new Map<string, string>();
	#chosen = new Map<string, number>(); // key of a file: its place among those that were uploaded
	#ends: (() => void)[] = [];
	#timer: ReturnType<typeof setTimeout> | undefined;
	#localTimer: ReturnType<typeof setTimeout> | undefined;
	#saving: Promise<void> | null = null;
	/** A save whose answer was not heard. */
	#unheard = "";
	#release: (() => void) | null = null;
	#tabs: DraftTabs | null = null;

	constructor(readonly opened: Opened) {
		this.number = opened.number;
		this.view = signal<View>(opened.isTab ? "tab" : "docked");
		void this.open();
	}

	async open(): Promise<void> {
		this.phase.value = "opening";
		try {
			const got = await openLetter(this.opened.init);
			this.#unheard = got.saving ?? "";
			this.draft.value = draftState(got.emailId);
			const emailId = await this.draftId().catch(() => got.emailId);
			batch(() => {
				if (got.instance)
					this.instance = got.instance;
				this.letter.value = got.letter;
				this.draft.value = draftState(emailId);
				this.focus = got.focus;
				this.problem.value = this.opened.init.problem ?? null;
				this.showsCc.value = got.letter.cc.length > 0;
				this.showsBcc.value = got.letter.bcc.length > 0;
				this.phase.value = "ready";
			});
			this.#hold();
			this.#follow();
			if (got.isDirty)
				this.changed();
			if (emailId)
				void store.email.load([emailId]).catch(() => {});
		} catch (e) {
			this.phase.value = e instanceof Error && e.message === "gone" ? "gone" : "failed";
		}
	}

	/** The lock says to other tabs that this letter is shown. */
	#hold() {
		void navigator.locks?.request(LOCAL_PREFIX + this.instance, { ifAvailable: true }, (lock) => lock
			? new Promise<void>((done) => { this.#release = done; }) : undefined).catch(() => {});
	}
	#follow() {
		if (typeof BroadcastChannel !== "undefined") {
			const tabs = this.#tabs = new DraftTabs(randomId(), () => this.draft.peek().emailId, (is) => { this.isElsewhere.value = is; }, new BroadcastChannel("yizhan-drafts"));
			this.#ends.push(() => tabs.end());
			const gone = () => tabs.end(); // a tab that is closed says so, too
			addEventListener("pagehide", gone);
			this.#ends.push(() => removeEventListener("pagehide", gone));
		}
		const leaving = () => {
			this.#keepLocal();
			this.step({ kind: "flush", now: Date.now() });
		};
		const hidden = () => {
			if (document.visibilityState === "hidden")
				leaving();
		};
		const online = () => {
			this.step({ kind: "online", now: Date.now() });
			this.uploads.retryAll();
		};
		addEventListener("pagehide", leaving);
		addEventListener("online", online);
		document.addEventListener("visibilitychange", hidden);
		this.#ends.push(() => {
			removeEventListener("pagehide", leaving);
			removeEventListener("online", online);
			document.removeEventListener("visibilitychange", hidden);
		});
		// somebody else has changed or removed the draft: a changed draft is a new Email
		this.#ends.push(effect(() => {
			void store.email.version.value;
			const { emailId, phase } = this.draft.peek();
			if (emailId !== null && !this.#unheard && phase !== "saving" && this.phase.peek() === "ready" && store.email.isGone(emailId))
				queueMicrotask(() => this.step({ kind: "foreign", how: "gone" }));
		}));
	}

	get identity(): Identity | null {
		return store.identity.all.value.find((i) => i.id === this.letter.value.identityId) ?? null;
	}

	// ---- the text ----

	attach(editor: Editor | null) {
		this.#editor = editor;
	}
	get editor(): Editor | null {
		return this.#editor;
	}
	/** With what stands in the editor now. */
	snapshot(): Letter {
		const l = this.letter.value;
		return l.format === "rich" && this.#editor ? { ...l, html: this.#editor.html() } : l;
	}
	/** The text/plain half. */
	plainText(): string {
		const l = this.letter.value;
		if (l.format === "plain")
			return l.text;
		if (this.#editor)
			return this.#editor.text();
		try {
			return textOf(cleanHtml(l.html) as unknown as NodeLike);
		} catch {
			return l.text;
		}
	}
	/** What we wrote ourselves. */
	ownText(): string {
		return this.letter.value.format === "rich" && this.#editor ? this.#editor.ownText() : ownText(this.plainText());
	}
	set(patch: Partial<Letter>) {
		this.letter.value = { ...this.letter.value, ...patch };
		this.changed();
	}
	changed() {
		this.step({ kind: "change", now: Date.now() });
		this.#localTimer ??= setTimeout(() => this.#keepLocal(), LOCAL_AFTER_MS);
	}
	/** Does changing to plain text lose anything? */
	losesByPlain(): boolean {
		const html = this.snapshot().html;
		return /<(?!\/|(?:div|br|p|blockquote)\b)[a-z]/i.test(html.replace(/<div class="yz-signature">/g, "<div>")) || /\sstyle=/.test(html);
	}
	async changeFormat(): Promise<void> {
		const l = this.snapshot();
		if (l.format === "rich") {
			this.set({ format: "plain", text: this.plainText(), html: "" });
		} else {
			await startSanitizer();
			this.set({ format: "rich", html: htmlOfText(l.text), text: "" });
		}
		this.loads.value++;
	}
	changeIdentity(id: string, from: Person | null = null) {
		const was = this.identity;
		const next = store.identity.all.value.find((i) => i.id === id) ?? null;
		const l = this.letter.value;
		if (l.format === "plain") {
			this.set({ identityId: id, from, text: swapPlain(l.text, was, next) });
			this.loads.value++;
		} else {
			this.set({ identityId: id, from });
			this.#editor?.swapSignature(htmlSignature(was), htmlSignature(next));
		}
	}

	// ---- files ----

	/** isInText: images of a rich letter stand where the cursor is. */
	addFiles(files: readonly File[], isInText: boolean) {
		for (const file of files) {
			const name = file.name || `image.${file.type.split("/")[1] ?? "png"}`;
			if (isInText && this.#editor && /^image\/(png|jpeg|gif|webp|avif|bmp)$/.test(file.type)) {
				const { cid, url } = this.#inline(file, name);
				this.#editor.insertImage(cid, url, name);
			} else {
				this.uploads.add(file, name, null);
			}
		}
		this.changed();
	}
	#inline(file: Blob, name: string): { cid: string; url: string } {
		const cid = `${randomId()}@yizhan`, url = URL.createObjectURL(file);
		this.#urls.set(cid, url);
		this.uploads.add(file, name, cid);
		return { cid, url };
	}
	/** Images that came as data become files. */
	adoptImages(images: HTMLImageElement[]) {
		for (const img of images) {
			const blob = dataBlob(img.getAttribute("src") ?? "");
			if (!blob) {
				img.remove();
				continue;
			}
			const { cid, url } = this.#inline(blob, `image.${blob.type.split("/")[1] ?? "png"}`);
			img.setAttribute("data-yz-cid", cid);
			img.setAttribute("src", url);
		}
		this.changed();
	}
	imageUrl(cid: string): string | null {
		const own = this.#urls.get(cid);
		if (own)
			return own;
		const a = this.letter.value.attachments.find((x) => x.cid === cid && x.blobId !== null);
		return a ? jmap.downloadUrl(a.blobId!, a.name, a.type) : null;
	}
	/** In the order in which they were chosen, whichever came first. */
	#arrived(a: Attachment) {
		const key = newKey(), n = Number(a.key.slice(1)), all = this.letter.value.attachments;
		this.#chosen.set(key, n);
		const later = all.findIndex((x) => (this.#chosen.get(x.key) ?? 0) > n), at = later < 0 ? all.length : later;
		this.set({ attachments: [...all.slice(0, at), { ...a, key }, ...all.slice(at)] });
	}
	removeFile(key: string) {
		this.set({ attachments: this.letter.value.attachments.filter((a) => a.key !== key) });
	}
	cancelUpload(key: string) {
		const cid = this.uploads.items.value.find((i) => i.key === key)?.cid;
		this.uploads.cancel(key);
		if (cid)
			this.#editor?.removeImage(cid);
	}

	// ---- the draft ----

	step(e: DraftEvent) {
		const before = this.draft.value;
		const next = draftStep(before, e);
		if (next === before)
			return;
		this.draft.value = next;
		clearTimeout(this.#timer);
		if (next.phase === "saving" && before.phase !== "saving")
			this.#saving = this.#save().finally(() => { this.#saving = null; });
		else if (next.phase === "waiting" || next.phase === "failing")
			this.#timer = setTimeout(() => this.step({ kind: "tick", now: Date.now() }), Math.max(0, next.dueAt - Date.now()) + 1);
	}
	isEmpty(): boolean {
		const l = this.letter.value;
		return !l.to.length && !l.cc.length && !l.bcc.length && !l.subject.trim() && !l.attachments.length && !this.uploads.items.value.length
			&& !this.ownText().replace(/^-- \n[^]*/, "").trim();
	}
	async #save(): Promise<void> {
		const letter = this.snapshot();
		try {
			await store.mailbox.loadAll();
			const drafts = mail.byRole("drafts");
			if (!drafts)
				throw new Error("no Drafts");
			const old = await this.draftId();
			this.#unheard = randomId();
			this.#keepLocal();
			const email = buildEmail(letter, { identity: this.identity, plainText: this.plainText(), mailboxId: drafts.id, sentAt: localDate(new Date()),
				messageId: null, isDraft: true, note: { identityId: letter.identityId, origin: letter.origin, instance: this.instance, save: this.#unheard, format: letter.format } });
			await uploadTexts(email, sendText);
			const done = await jmap.call<SetResponse>("Email/set", { create: { draft: email }, ...(old ? { destroy: [old] } : {}) });
			this.#unheard = "";
			const made = done.created?.draft;
			if (!made) {
				const why = done.notCreated?.draft;
				this.saveProblem.value = why?.description ?? why?.type ?? "";
				this.step({ kind: "failed", now: Date.now() });
				return;
			}
			this.saveProblem.value = "";
			this.step({ kind: "saved", now: Date.now(), emailId: made.id, oldWasGone: !!old && !!done.notDestroyed?.[old] });
			this.#keepLocal();
			this.#tabs?.moved();
			await this.#afterSave(made.id, letter);
		} catch {
			this.step({ kind: "failed", now: Date.now() });
			this.#keepLocal();
		}
	}
	/** The draft at the server. When a page is left or the line breaks in the midst of a save, the server may have made
	 * another one all the same, and have taken the one before it away. */
	async draftId(): Promise<string | null> {
		if (!this.#unheard)
			return this.draft.value.emailId;
		const { ids } = await jmap.call<{ ids: string[] }>("Email/query", { filter: { header: ["X-Yizhan-Draft", savedBy(this.#unheard)] } });
		return ids[0] ?? this.draft.value.emailId;
	}
	/** Files are the draft's own now: what was uploaded does not live for ever. */
	async #afterSave(id: string, saved: Letter): Promise<void> {
		await store.email.load([id]).catch(() => {});
		if (!saved.attachments.length)
			return;
		const got = await jmap.call<{ list: { attachments: EmailBodyPart[] }[] }>("Email/get", { ids: [id], properties: ["attachments"],
			bodyProperties: ["blobId", "name", "size", "type", "cid"] }).catch(() => null);
		const parts = [...got?.list[0]?.attachments ?? []];
		const fresh = new Map<string, string>();
		for (const a of saved.attachments) {
			const at = parts.findIndex((p) => p.blobId !== null && (p.cid !== null && p.cid === a.cid || (p.name === a.name && p.type === a.type && (a.cid === null || p.cid === null))));
			if (at >= 0)
				fresh.set(a.key, parts.splice(at, 1)[0]!.blobId!);
		}
		if (this.draft.value.emailId === id)
			this.letter.value = { ...this.letter.value, attachments: this.letter.value.attachments.map((a) => ({ ...a, blobId: fresh.get(a.key) ?? a.blobId })) };
	}
	/** No save is under way, and what is not saved is not begun either: somebody else takes over. */
	async settle(): Promise<void> {
		clearTimeout(this.#timer);
		await this.#saving;
	}
	/** Saved, or as far as it goes. */
	async flush(): Promise<void> {
		await this.#saving;
		this.step({ kind: "flush", now: Date.now() });
		await this.#saving;
	}

	#keepLocal() {
		clearTimeout(this.#localTimer);
		this.#localTimer = undefined;
		if (this.phase.value === "opening" || this.draft.value.phase === "ended")
			return;
		const dirty = isDirty(this.draft.value);
		if (this.draft.value.emailId === null && (!dirty || this.isEmpty()))
			return dropLocal(localStorage, this.instance); // nothing was written
		this.isLocalFull = !keepLocal(localStorage, this.#copy());
	}
	#copy(): LocalCopy {
		return { instance: this.instance, username: jmap.session.value?.username ?? "", at: Date.now(), emailId: this.draft.value.emailId,
			isDirty: isDirty(this.draft.value), ...(this.#unheard ? { saving: this.#unheard } : {}), letter: this.snapshot() };
	}

	// ---- the end ----

	/** Close the window; the letter stays in Drafts. */
	async close(): Promise<void> {
		if (this.phase.value === "ready" && isDirty(this.draft.value) && !(this.isEmpty() && this.draft.value.emailId === null)) {
			this.#keepLocal();
			await this.flush();
			if (isDirty(this.draft.value))
				return; // not saved: it stays open, and says why
		}
		this.end();
	}
	/** Throw it away. */
	async discard(): Promise<void> {
		await this.settle();
		const id = await this.draftId().catch(() => this.draft.value.emailId);
		this.end();
		if (id)
			await store.change("Email", { destroy: [id] }).catch(() => {});
	}
	/** It is somebody else's now: sent, moved to a tab of its own. */
	end(keepsLocal = false) {
		clearTimeout(this.#timer);
		clearTimeout(this.#localTimer);
		this.step({ kind: "end" });
		this.uploads.end();
		if (!keepsLocal)
			dropLocal(localStorage, this.instance);
		for (const end of this.#ends)
			end();
		for (const url of this.#urls.values())
			URL.revokeObjectURL(url);
		this.#release?.();
		closeComposer(this.number);
	}
	async toTab(): Promise<void> {
		await this.flush();
		keepLocal(localStorage, this.#copy());
		this.end(true);
		open(`/mail/compose/${this.instance}`, "_blank");
	}

	addTo(field: "to" | "cc" | "bcc", people: readonly Person[]) {
		this.set({ [field]: addPeople(this.letter.value[field], people) });
	}
}

function dataBlob(url: string): Blob | null {
	const m = /^data:(image\/[a-z+.-]+);base64,([A-Za-z0-9+/=\s]+)$/i.exec(url);
	if (!m)
		return null;
	const octets = Uint8Array.from(atob(m[2]!.replace(/\s/g, "")), (c) => c.charCodeAt(0));
	return new Blob([octets], { type: m[1]!.toLowerCase() });
}
