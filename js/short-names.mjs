// Functions of the language that need no `this`: build.mjs puts these in the place of `Math.max` and its like, because
// minifying shortens a name but no member of a global.
export const {
  abs: Math$abs,
  ceil: Math$ceil,
  floor: Math$floor,
  max: Math$max,
  min: Math$min,
  round: Math$round,
} = Math;
export const { isArray: Array$isArray } = Array;
export const { parse: JSON$parse, stringify: JSON$stringify } = JSON;
export const { isFinite: Number$isFinite, isNaN: Number$isNaN } = Number;
export const { entries: Object$entries, keys: Object$keys } = Object;

// Of the browser; looked up when they are called, because a test may put its own clock there.
export const clearTimeout$ = (timer) => globalThis.clearTimeout(timer);
export const document$ = globalThis.document;
export const getComputedStyle$ = (element) => globalThis.getComputedStyle(element);
export const performance$now = () => globalThis.performance.now();
export const requestAnimationFrame$ = (act) => globalThis.requestAnimationFrame(act);
export const setTimeout$ = (act, ms) => globalThis.setTimeout(act, ms);
