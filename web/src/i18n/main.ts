import { addCatalogue } from "../core/i18n";
import folders from "./folders.en.json";
import kit from "./kit.en.json";
import list from "./list.en.json";
import mail from "./mail.en.json";
import search from "./search.en.json";
import shell from "./shell.en.json";

addCatalogue({ ...folders, ...kit, ...list, ...mail, ...search, ...shell }, { "zh-CN": () => import("./main.zh-CN") });
