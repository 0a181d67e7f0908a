// What is being dragged: the data of a drag is text that any page could read, so it stays here.

import { signal } from "@preact/signals";
import type { Email, Mailbox } from "../../core/types";
import type { Space } from "../spaces";

export const DRAG_TYPE = "application/x-yizhan-emails";
export const dragged = signal<{ space: Space; emails(): Email[]; from?: Mailbox } | null>(null);
