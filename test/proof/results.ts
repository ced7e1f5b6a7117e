/**
 * What the runs leave as JSON, as far as the report reads it.
 */
interface Run {
  readonly date: string
  readonly node: string
}

type Counts = { readonly [what: string]: number }

/** `npm run prove -- --json test/proof/results/simulation.json` */
export interface SimulationResult extends Run {
  readonly schedules: number
  readonly commands: number
  readonly steps: number
  readonly stepsCompared: number
  readonly firstSeed: number
  readonly lastSeed: number
  readonly simulatedMs: number
  readonly wallMs: number
  readonly ratio: number
  readonly failed: number
  readonly counts: Counts
}

/** `npm run prove:mixes -- --report` */
export interface MixesResult extends Run {
  readonly whenFull: string
  readonly mixes: number
  readonly firstSeed: number
  readonly lastSeed: number
  readonly requests: number
  readonly simulatedMs: number
  readonly wallMs: number
  readonly claims: readonly {
    readonly claim: 'urgent' | 'tenant' | 'weighted' | 'aging'
    readonly mixes: number
    readonly broken: number
    readonly promises: number
    readonly worst?: { readonly seed: number; readonly value: number }
  }[]
  readonly orders: readonly OptionResult[]
  readonly guards: readonly OptionResult[]
}

interface OptionResult {
  readonly option: string
  readonly mixes: number
  readonly broken: number
}

/** `npm run mutants` */
export interface MutantsResult extends Run {
  /** For each bug. */
  readonly schedules: number
  readonly mutants: readonly {
    readonly name: string
    readonly kind: string
    readonly file: string
    readonly foundBy: 'simulation' | 'tests' | 'nothing'
    readonly schedules: number
    readonly test?: string
    readonly ends?: string
  }[]
}

/** `npm run soak -- --json test/proof/results/soak.json` */
export interface SoakResult extends Run {
  readonly mixed: {
    readonly requests: number
    readonly heapSlope: { readonly bytesPerRequest: number; readonly standardError: number }
  }
  readonly narrow: { readonly requests: number; readonly maxWaiting: number }
  readonly collected: { readonly requests: number; readonly followed: Counts; readonly left: Counts }
}

/** `npm run mutate` */
export interface StrykerResult extends Run {
  readonly files: {
    readonly [file: string]: {
      readonly mutants: number
      readonly killed: number
      readonly timeout: number
      readonly score: number
    }
  }
}
