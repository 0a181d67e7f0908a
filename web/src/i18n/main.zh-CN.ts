// What the first picture needs, in one piece.
import folders from "./folders.zh-CN.json";
import kit from "./kit.zh-CN.json";
import list from "./list.zh-CN.json";
import mail from "./mail.zh-CN.json";
import search from "./search.zh-CN.json";
import shell from "./shell.zh-CN.json";

export default { ...folders, ...kit, ...list, ...mail, ...search, ...shell };
