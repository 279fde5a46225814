// A test of a channel or a door that is ready to run, and how it ended.

/** How one test of a channel ended. */
export interface TestOutcome {
  channel: string;
  file: string;
  /** The line on which it begins. */
  line: number;
  name: string;
  /** The deviations from the test; empty when it passed. */
  failures: string[];
}

/** A test that is ready to run. */
export interface ReadyTest extends Omit<TestOutcome, "failures"> {
  /** Gives what was otherwise than the test says. One test of a bench runs at a time. */
  run: () => Promise<string[]>;
}

/** Tests with the gateway and the provider that they share. */
export interface TestBench {
  tests: ReadyTest[];
  close(): Promise<void>;
}
