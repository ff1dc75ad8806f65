// What every file with JSX needs of preact; build.mjs puts it there.
export { Fragment, h } from "preact";
