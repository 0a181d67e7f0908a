import{a,b,c,d}from"./chunk-ESREJKOX.js";import"./chunk-23YZAN6C.js";export{c as cleanHtml,b as cleanStyle,d as mailHtml,a as startSanitizer};
