// The one of each that all rooms of the page share.

import { signal } from "@preact/signals";
import { Jmap } from "../core/jmap";
import { Keys } from "../core/keys";
import { Mail } from "../core/mail";
import { Push } from "../core/push";
import { Store } from "../core/store";
import { UndoStack } from "../core/undo";

export const jmap = new Jmap();
export const store = new Store(jmap);
export const undo = new UndoStack();
export const keys = new Keys();
export const mail = new Mail(store, undo);
export const push = new Push(jmap, store);

/** The login has ended: a dialog asks for the password on top of what is there. */
export const isLoginLost = signal(false);
/** Another version of the page is on the server. */
export const isNewVersion = signal(false);
export const isHelpOpen = signal(false);
/** A first list is on the screen: what is needed next may be fetched. */
export const isListShown = signal(false);
