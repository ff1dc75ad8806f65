/** How everything here takes the focus: what scrolls to it, and how far, is decided beside that. */
export const IN_PLACE: FocusOptions = { preventScroll: true };
