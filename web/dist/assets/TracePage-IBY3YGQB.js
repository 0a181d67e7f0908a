import{a as r,e as t}from"./chunk-D5A67JVG.js";var a={};r(a,{"zh-CN":()=>import("./trace.zh-CN-UGJG5CPP.js")});function n({id:o}){return t("main",{class:"trace","data-id":o})}export{n as TracePage};
