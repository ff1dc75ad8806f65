// Questions of somebody who changes their mind faster than they are answered: one is under way at most, and of the
// wishes that come meanwhile only the newest is asked for. Answers come in the order of their questions.

export class Newest<Wish, Answer> {
  readonly #ask: (wish: Wish) => Promise<Answer>;
  readonly #came: (answer: Answer | Error, wish: Wish) => void;
  #next: { readonly wish: Wish } | null = null;
  #isAsking = false;
  #turn = 0;

  constructor(ask: (wish: Wish) => Promise<Answer>, came: (answer: Answer | Error, wish: Wish) => void) {
    this.#ask = ask;
    this.#came = came;
  }

  want(wish: Wish): void {
    this.#next = { wish };
    if (!this.#isAsking) void this.#askOn();
  }

  /** Nobody wants an answer any more, neither the one under way nor the next. */
  giveUp(): void {
    this.#next = null;
    this.#turn++;
  }

  async #askOn(): Promise<void> {
    this.#isAsking = true;
    for (let next = this.#next; next !== null; next = this.#next) {
      this.#next = null;
      const { wish } = next;
      const turn = this.#turn;
      const answer = await this.#ask(wish).catch((error: unknown) =>
        error instanceof Error ? error : new Error(String(error)),
      );
      if (turn === this.#turn) this.#came(answer, wish);
    }
    this.#isAsking = false;
  }
}
