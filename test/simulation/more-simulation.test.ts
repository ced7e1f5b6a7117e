/**
 * Deterministic simulation, second half.
 */
import { provesItself } from './support/suite.ts'

provesItself(1_000_001, 10_000)
