// Counts, and prints one line a case as they come.

export class Score {
  passed = 0;
  failed = 0;
  excused = new Map();

  constructor(verbose = false) {
    this.verbose = verbose;
  }

  async play(name, run) {
    try {
      await run();
      this.passed += 1;
      console.log(`ok    ${name}`);
    } catch (error) {
      this.failed += 1;
      console.log(`FAIL  ${name}: ${error?.name}: ${String(error?.message).slice(0, 600)}`);
      if (this.verbose) console.log(error);
    }
  }

  /** A case that is not played, and why. Said at the end, once for each reason. */
  left(name, what, why) {
    const key = `${name}: ${why}`;
    this.excused.set(key, [...(this.excused.get(key) ?? []), what]);
  }

  /** Prints the summary and gives the exit code. */
  end() {
    for (const [key, what] of this.excused) {
      console.log(`left  ${key}: ${what.length > 6 ? `${what.length} cases` : what.join(", ")}`);
    }
    if (this.passed === 0) this.failed += 1;
    console.log(`${this.passed} passed, ${this.failed} failed`);
    return this.failed ? 1 : 0;
  }
}

/** Runs all, at most `width` at once. */
export async function together(width, runs) {
  const waiting = [...runs];
  const worker = async () => {
    while (waiting.length) await waiting.shift()();
  };
  await Promise.all(Array.from({ length: width }, worker));
}
