// What everything that listens to keys shares.

/** Neither the browser nor the notebook around the widget gets this key. */
export function takeKey(event: Event): void {
  event.preventDefault();
  event.stopPropagation();
}

/** Somebody else's shortcut: none of ours has one of these. */
export const hasModifier = (event: KeyboardEvent): boolean => event.ctrlKey || event.metaKey || event.altKey;
