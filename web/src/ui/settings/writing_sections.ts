// The sections of the settings that are about writing: identities, the composer, contacts, the vacation answer.
// Settings.tsx shows WRITING_SECTIONS[section] where there is one; t(`writing.${section}`) is its name.

import type { ComponentType } from "preact";
import { addCatalogue } from "../../core/i18n";
import en from "../../i18n/writing.en.json";
import { Contacts } from "./Contacts";
import { Identities } from "./Identities";
import { Vacation } from "./Vacation";
import { Writing } from "./Writing";

addCatalogue(en, { "zh-CN": () => import("../../i18n/writing.zh-CN.json") });

export const WRITING_SECTIONS: Record<string, ComponentType> = { writing: Writing, identities: Identities, contacts: Contacts, vacation: Vacation };
