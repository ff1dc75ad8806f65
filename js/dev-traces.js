// The traces of dev.html: &trace=sample|none|failed|never|long|hostile; without, a retry that went well in the end.

const params = new URLSearchParams(location.search);
const kind = params.get("trace");
const CUT = 4000;
const NAMES = ["system_prompt", "user_input", "llm_response", "output", "tool_calls", "messages", "error"];

const PROMPT =
  "# Reasoning executor\nYou solve one THINK task. Use only the facts in the input. Name the source of every figure you use, and say which one is missing.\n\n".repeat(
    90,
  );
const RESPONSE =
  "A bed on a flat roof yields 12 to 20 kg of leafy vegetables per square metre and year [1]. At the upper end of the cost range the investment is back after nine seasons.\n";
const HOSTILE = `<img src=x onerror=alert(1)>\u202e\u001b[31m ${"x".repeat(3000)} </pre><script>alert(1)</script>`;

function stagesOf(started) {
  const at = (s) => started + s * 1000;
  const stage = (seq, name, attempt, from, to, more = {}) => ({
    seq,
    stage: name,
    attempt,
    status: "completed",
    started: at(from),
    completed: to === null ? null : at(to),
    duration_s: to === null ? null : to - from,
    agent: "BasicReasoningExecutor",
    adapter: "ExecutorAdapter",
    model: "openrouter/google/gemini-2.5-pro",
    n_tool_calls: null,
    prompt_tokens: null,
    completion_tokens: null,
    cost_usd: null,
    ...more,
  });
  const input = { user_input: "Yields: 12 to 20 kg per square metre and year [1].\n".repeat(70) };
  const stages = [
    stage(0, "node_dispatch", 1, 0, 5.3, { agent: null, adapter: null, model: null }),
    stage(1, "atomization", 1, 0.02, 0.52, { llm_response: '{"is_atomic": true, "updated_goal": null}' }),
    stage(2, "execution", 1, 0.53, 2, {
      status: "failed",
      system_prompt: PROMPT,
      ...input,
      error: 'refused (400): {"message": "executor backend refused the request"}',
    }),
    stage(3, "execution", 2, 2.4, 5.3, {
      system_prompt: PROMPT,
      ...input,
      llm_response: RESPONSE.repeat(kind === "long" ? 6000 : 9),
      output: `{"output_text":${JSON.stringify(RESPONSE)},"citations":[1,2]}`,
      tool_calls: '[{"tool_name":"think","tool_args":{"title":"Weigh the facts","confidence":0.8}}]',
      n_tool_calls: 1,
      prompt_tokens: 3412,
      completion_tokens: 388,
      cost_usd: 0.0123,
    }),
  ];
  if (kind === "hostile")
    for (const each of stages)
      Object.assign(each, {
        stage: HOSTILE,
        agent: HOSTILE,
        status: HOSTILE,
        llm_response: HOSTILE,
        error: HOSTILE,
      });
  return stages;
}

/** What the kernel replies to `ask trace` and `ask stage`: `[error, body]`, or null where it never does. */
export function traceReply(message, task) {
  if (kind === "never") return null;
  if (kind === "failed") return ["Asked for the trace; no answer: nothing within 9 s.", null];
  const whole = task.started === null || kind === "none" ? [] : stagesOf(task.started);
  if (message.what === "stage") {
    const stage = whole[message.seq];
    const texts = Object.fromEntries(NAMES.map((name) => [name, stage[name]]));
    return [null, { task: task.id, seq: message.seq, texts, cut: false }];
  }
  const stages = whole.map((stage) => {
    const long = NAMES.filter((name) => (stage[name]?.length ?? 0) > CUT);
    const sizes = Object.fromEntries(long.map((name) => [name, stage[name].length]));
    return { ...stage, ...Object.fromEntries(long.map((name) => [name, stage[name].slice(0, CUT)])), sizes };
  });
  return [
    null,
    { task: task.id, is_sample: kind === "sample", created: task.created, stages, left_out: null },
  ];
}
