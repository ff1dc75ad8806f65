// What calls a person who looks elsewhere: the browser tab's title while nobody looks, and a system notification for
// those who asked for it. One of each for the page, however many views are on it.

import type { Prompt } from "../messages";

const STORED_AS = "roma-widget:notify";

const waiting = new Map<object, readonly string[]>();
let prefix = "";

/** Says which questions wait in the view `owner`; none when it closes. */
export function showInTitle(owner: object, ids: readonly string[]): void {
  const before = waiting.size;
  if (ids.length > 0) waiting.set(owner, ids);
  else waiting.delete(owner);
  if (before === 0 && waiting.size === 0) return;
  if (before === 0) document.addEventListener("visibilitychange", retitle);
  if (waiting.size === 0) document.removeEventListener("visibilitychange", retitle);
  retitle();
}

/** The page may have changed its title meanwhile: only what we put before it is ours. */
function retitle(): void {
  const { title } = document;
  const own = prefix !== "" && title.startsWith(prefix) ? title.slice(prefix.length) : title;
  const count = new Set([...waiting.values()].flat()).size;
  prefix = document.hidden && count > 0 ? `(${count}) ` : "";
  if (prefix + own !== title) document.title = prefix + own;
}

export const canNotify = (): boolean => "Notification" in globalThis && window.isSecureContext;

export function isNotifying(): boolean {
  return canNotify() && Notification.permission === "granted" && stored() === "on";
}

/** Turns notifications on or off; the sentence says why they stay off. */
export async function setNotifying(on: boolean): Promise<string | null> {
  store(on ? "on" : "off");
  if (!on) return null;
  if (Notification.permission === "default") await Notification.requestPermission();
  if (Notification.permission === "granted") return null;
  store("off");
  return "The browser does not allow this page to notify: change it in the page's settings.";
}

/** A notification for each question, when nobody looks at the page. */
export function notify(fresh: readonly Prompt[]): void {
  if (!isNotifying() || (!document.hidden && document.hasFocus())) return;
  for (const { request_id, message, task_id } of fresh) {
    const body = (message ?? "").slice(0, 200);
    try {
      // The tag makes one of those of several views.
      const title = `A question of ${task_id?.slice(0, 60) ?? "the run"}`;
      const notification = new Notification(title, { body, tag: request_id });
      notification.onclick = () => window.focus();
    } catch {
      // Android's Chrome wants a service worker for this: the title has to do.
      return;
    }
  }
}

function stored(): string | null {
  try {
    return localStorage.getItem(STORED_AS);
  } catch {
    return null;
  }
}

function store(value: string): void {
  try {
    localStorage.setItem(STORED_AS, value);
  } catch {
    // No storage here: it is off again after a reload.
  }
}
