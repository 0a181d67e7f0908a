// What people do with mail: each at once on the screen, each with its undo.

import { locale, t } from "./i18n";
import type { ChangeResult, Store } from "./store";
import type { Email, Id, Mailbox, Patch } from "./types";
import type { UndoStack, Undoable } from "./undo";

export type Role = "inbox" | "drafts" | "sent" | "archive" | "junk" | "trash" | "scheduled" | "snoozed" | "all" | "flagged" | "important";

/** Its undo is on the stack; tell people about it with ui/actions. */
export interface Done { text: string; undoable: Undoable | null; result: Promise<ChangeResult> }

export class Mail {
	constructor(readonly store: Store, readonly undoStack: UndoStack) {}

	byRole(role: string): Mailbox | undefined {
		return this.store.mailbox.all.value.find((m) => m.role === role);
	}
	/** A folder of the address line: by role, or by id. */
	folder(name: string): Mailbox | undefined {
		return this.byRole(name) ?? this.store.mailbox.get(name);
	}
	/** What the address line calls it. */
	folderPath(m: Mailbox): string {
		return m.role ?? m.id;
	}

	/** The mails of a conversation that an action is about: those in this folder, or all that are not put away. */
	ofThread(threadId: Id, mailboxId?: Id): Email[] {
		const ids = this.store.thread.peek(threadId)?.emailIds ?? [];
		const all = ids.map((id) => this.store.email.peek(id)).filter((e): e is Email => !!e);
		if (mailboxId)
			return all.filter((e) => e.mailboxIds[mailboxId]);
		const away = new Set([this.byRole("trash")?.id, this.byRole("junk")?.id]);
		const here = all.filter((e) => !Object.keys(e.mailboxIds).every((m) => away.has(m)));
		return here.length ? here : all;
	}

	// ---- the one way to change mails ----

	/** Patches with a way back: what they were before. */
	change(text: string, update: Record<Id, Patch>): Done {
		const back: Record<Id, Patch> = {};
		for (const [id, patch] of Object.entries(update)) {
			const e = this.store.email.peek(id);
			const was: Patch = {};
			for (const path of Object.keys(patch)) {
				const [name, key] = path.split("/") as ["keywords" | "mailboxIds", string | undefined];
				was[path] = key === undefined ? e?.[name] ?? {} : e?.[name]?.[key.replace(/~1/g, "/").replace(/~0/g, "~")] ? true : null;
			}
			back[id] = was;
		}
		const result = this.store.change("Email", { update });
		result.catch(() => {});
		const undoable: Undoable = { text, undo: () => this.store.change("Email", { update: back }).catch(() => {}) };
		this.undoStack.push(undoable);
		return { text, undoable, result };
	}

	/** Out of `from` (or out of everything that is not Sent or Drafts), into `to`. */
	move(emails: Email[], to: Mailbox, from?: Id, text = t("mail.moved", { n: emails.length, where: to.name })): Done {
		const keep = new Set([this.byRole("sent")?.id, this.byRole("drafts")?.id]);
		const update: Record<Id, Patch> = {};
		for (const e of emails) {
			if (from) {
				update[e.id] = { [`mailboxIds/${to.id}`]: true, ...(from !== to.id ? { [`mailboxIds/${from}`]: null } : {}) };
				continue;
			}
			const stays = to.role === "trash" || to.role === "junk" ? [] : Object.keys(e.mailboxIds).filter((m) => keep.has(m));
			update[e.id] = { mailboxIds: Object.fromEntries([...stays, to.id].map((m) => [m, true])) };
		}
		return this.change(text, update);
	}
	archive(emails: Email[], from?: Id): Done | null {
		const to = this.byRole("archive");
		return to ? this.move(emails, to, from, t("mail.archived", { n: emails.length })) : null;
	}
	trash(emails: Email[], from?: Id): Done | null {
		const to = this.byRole("trash");
		return to ? this.move(emails, to, from, t("mail.trashed", { n: emails.length })) : null;
	}
	/** For ever; there is no undo. */
	destroy(emails: Email[]): Done {
		const result = this.store.change("Email", { destroy: emails.map((e) => e.id) });
		result.catch(() => {});
		return { text: t("mail.destroyed", { n: emails.length }), undoable: null, result };
	}
	junk(emails: Email[], isJunk: boolean, from?: Id): Done | null {
		const to = this.byRole(isJunk ? "junk" : "inbox");
		if (!to)
			return null;
		const done = this.move(emails, to, from, isJunk ? t("mail.junked", { n: emails.length }) : t("mail.unjunked", { n: emails.length }));
		return done;
	}
	/** Lies in Snoozed and comes back into `from` (or the inbox) at that time: the server sees to it. */
	snooze(emails: Email[], until: Date, from?: Id): Done {
		const mailboxId = from ?? this.byRole("inbox")?.id;
		const snoozed = { until: until.toISOString().replace(/\.\d+Z$/, "Z"), ...(mailboxId ? { mailboxId } : {}) };
		const text = t("mail.snoozed", { n: emails.length, when: until.toLocaleString(locale.value, { dateStyle: "medium", timeStyle: "short" }) });
		const result = this.store.change("Email", { update: Object.fromEntries(emails.map((e) => [e.id, { snoozed }])) });
		result.catch(() => {});
		// without its mailboxes it would only be forgotten, and stay where it is
		const undoing = Object.fromEntries(emails.map((e) => [e.id, { snoozed: null, mailboxIds: { ...e.mailboxIds } }]));
		const undoable: Undoable = { text, undo: () => this.store.change("Email", { update: undoing }).catch(() => {}) };
		this.undoStack.push(undoable);
		return { text, undoable, result };
	}
	setKeyword(emails: Email[], keyword: string, isOn: boolean, text: string): Done {
		const path = "keywords/" + keyword.replace(/~/g, "~0").replace(/\//g, "~1");
		return this.change(text, Object.fromEntries(emails.filter((e) => !!e.keywords[keyword] !== isOn).map((e) => [e.id, { [path]: isOn ? true : null }])));
	}
	markRead(emails: Email[], isRead: boolean): Done {
		return this.setKeyword(emails, "$seen", isRead, isRead ? t("mail.read", { n: emails.length }) : t("mail.unread", { n: emails.length }));
	}
	star(emails: Email[], isOn: boolean): Done {
		return this.setKeyword(emails, "$flagged", isOn, isOn ? t("mail.starred", { n: emails.length }) : t("mail.unstarred", { n: emails.length }));
	}
	label(emails: Email[], keyword: string, name: string, isOn: boolean): Done {
		return this.setKeyword(emails, keyword, isOn, isOn ? t("mail.labelled", { n: emails.length, name }) : t("mail.unlabelled", { n: emails.length, name }));
	}
}
