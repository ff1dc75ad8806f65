// Questions for dev.html: &asks=2 (of 50), &reply=<ms> the kernel's delay, &then=held|waiting_link|sent|confirmed|
// superseded|lost, what becomes of an answer. The first has a plan with a plan before it, the next text, data, nothing.
const step = (goal, task_type, node_type, ...depends_on) => ({ goal, task_type, node_type, depends_on });

const BEFORE = [
  step("List hands-on exhibits in each museum", "SEARCH", "EXECUTE"),
  step("List the cafés in each museum", "SEARCH", "EXECUTE"),
  step("Score each museum for ages four and ten", "THINK", "PLAN", 0, 1),
];
const PLAN = [
  step("List hands-on exhibits in each museum", "SEARCH", "EXECUTE"),
  { ...step("Check stroller access", "SEARCH", "EXECUTE"), more: 2 },
  step("Score each museum for ages four and ten, and for a stroller", "THINK", "PLAN", 0, 1),
];
const TEXT =
  "Rooftop farms yield 12 to 20 kg of leafy vegetables per square metre and year. At the upper end of the cost range the investment is back after nine seasons.\n\n".repeat(
    12,
  );
const DATA = {
  sources: Array.from({ length: 240 }, (_, i) => ({
    url: `https://example.org/${i}`,
    score: (i * 37) % 100,
  })),
  note: "Is this list complete? ".repeat(30),
  reviewed: false,
  limits: { pages: 12, languages: ["en", "de"], budget: null },
};

const KINDS = [
  { checkpoint: "PostModifiedPlanReview_Attempt_0", task_id: "root.3", attempt: 0 },
  { checkpoint: "PostInitialPlanGeneration", task_id: "root.3.2", attempt: 1 },
  { checkpoint: "PreExecutionCheck", task_id: "root.3.3", attempt: 1 },
  { checkpoint: "ServerAPITestCheckpoint", task_id: null, attempt: null },
];
const WORDS = [
  "Review the modified plan for task 'root.3'. Goal: Weigh the museums for children of different ages",
  "Review the draft of the recommendations before it is written into the briefing.",
  "Are these the sources that the claims should be checked against?",
  "Is anybody there?",
];

export const questions = (count, now) =>
  Array.from({ length: count }, (_, i) => ({
    request_id: `request-${i}`,
    ...KINDS[i % KINDS.length],
    message: WORDS[i % WORDS.length],
    asked: new Date(now - 42_000 + i * 700).toISOString(),
    state: "open",
    why: null,
    action: null,
    project_id: null,
    previous_id: i === 0 ? "request-before" : null,
  }));

export function questionOf(request_id) {
  const nothing = {
    plan: null,
    text: null,
    json: null,
    about: {},
    previous_plan: null,
    previous_instructions: null,
  };
  const at = Number(request_id.split("-").at(-1)) % KINDS.length;
  const kinds = [
    {
      kind: "plan",
      plan: PLAN,
      previous_plan: BEFORE,
      previous_instructions: "Add stroller access.",
      json: JSON.stringify({ proposed_plan: { sub_tasks: PLAN }, risks: ["Maps may be old."] }, null, 2),
      more: 3,
      about: { overall_objective: "Compare three small museums for a family day out" },
    },
    { kind: "text", text: TEXT, message: `${WORDS[1]} ${"It is long. ".repeat(300)}Do not approve if X.` },
    { kind: "data", json: JSON.stringify(DATA, null, 2) },
    { kind: "none" },
  ];
  return { request_id, ...nothing, ...kinds[at], cut: false };
}

const WHY = {
  held: "on_answer raised ValueError: the budget is used up.",
  superseded: "Another client answered at 20:51:40.",
  lost: "The run ended before the answer could be sent.",
};

/** What a kernel does with an answer: the trait, and the end of it as a message. */
export function answered(model, emit, { request, answer }, then) {
  const set = (more) =>
    model.set(
      "pending",
      model.get("pending").map((one) => (one.request_id === request ? { ...one, ...more } : one)),
    );
  const isOpen = ["held", "waiting_link", "sent"].includes(then);
  set({ state: isOpen ? then : "sent", action: answer, why: WHY[then] ?? null });
  if (isOpen) return;
  setTimeout(() => {
    emit(
      "msg:custom",
      { type: "settled", request_id: request, state: then, action: answer, why: WHY[then] ?? null },
      [],
    );
    model.set(
      "pending",
      model.get("pending").filter((one) => one.request_id !== request),
    );
  }, 300);
}
