// A page of one run asks nobody anything: in `page.js` this stands in the place of the badge and the tray of questions.

const nothing = (): null => null;

export { nothing as QuestionBadge, nothing as QuestionsElsewhere, nothing as QuestionTray };
