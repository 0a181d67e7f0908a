import{Q as t,d as r}from"./chunk-LGODAYNZ.js";var a={};r(a,{"zh-CN":()=>import("./trace.zh-CN-UGJG5CPP.js")});function n({id:o}){return t("main",{class:"trace","data-id":o})}export{n as TracePage};
