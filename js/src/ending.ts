/** Does `act` when what `signal` stands for is over: a view is closed, an element is gone. */
export const atEnd = (signal: AbortSignal, act: () => void): void => signal.addEventListener("abort", act);
